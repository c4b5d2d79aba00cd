"""New offspring of inferred parents: matings drawn by condition, meiosis, and gametes of the population for parents who are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from genobench_neural.batches import MISSING_CODE
from genobench_neural.lineages.autoregression import GameteNetwork
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from genobench import ConditionEncoder
    from genobench.statgen import HaplotypeClusters
    from genobench_neural.batches import PackedBatches
    from genobench_neural.lineages.parents import Matings, ParentalHaplotypes

_LARGEST_LOGIT: Final = 9.0
_SMALLEST_VARIANCE: Final = 0.02
_BLOCKS_PER_CHUNK: Final = 64


@dataclass(frozen=True)
class ProgenySize:
    """What fixes the shapes of a `ProgenyNetwork`.

    Args:
        n_blocks: Blocks of variants.
        block_size: Places in a block.
        n_parents: Inferred parents.
        n_matings: Distinct pairs of parents, the unknown one included.
        n_condition: Numbers of condition.
        n_trait: The first of them, which tell the trait.
        n_clusters: Clusters a block.
        n_embedding: See `GameteNetwork`.
        n_hidden: See `GameteNetwork`.
        n_candidates: Meioses a parent, among which the trait chooses.
        sharpness: Factor on the log-odds of the clusters' alleles.
        grandparents: Share of made-up parents that have an inferred parent.
        residual: Variance of the trait, in its own, that variants do not explain.
    """

    n_blocks: int
    block_size: int
    n_parents: int
    n_matings: int
    n_condition: int
    n_trait: int
    n_clusters: int
    n_embedding: int
    n_hidden: int
    n_candidates: int
    sharpness: float
    grandparents: float
    residual: float


class ProgenyNetwork(GenotypeNetwork):
    """Draws a mating that suits the condition, meioses of both parents, and keeps the pair of gametes that suits the trait.

    A parent who was not inferred is made up: one of its haplotypes is a gamete of the population from `GameteNetwork`, the other a gamete
    of an inferred parent that suits the condition (a grandparent), or it has the first one twice.

    Args:
        size: Shapes.
        generator: Draws the first weights.
    """

    haplotypes: torch.Tensor
    fractions: torch.Tensor
    mates: torch.Tensor
    counts: torch.Tensor
    means: torch.Tensor
    precision: torch.Tensor
    alleles: torch.Tensor
    effects: torch.Tensor
    centre: torch.Tensor

    def __init__(self, size: ProgenySize, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        device = generator.device
        self.gametes = GameteNetwork(
            n_blocks=size.n_blocks,
            n_clusters=size.n_clusters,
            n_condition=size.n_condition,
            n_embedding=size.n_embedding,
            n_hidden=size.n_hidden,
            generator=generator,
        )
        shapes: dict[str, tuple[int, ...]] = {
            "fractions": (size.n_blocks,),
            "counts": (size.n_matings,),
            "means": (size.n_matings, size.n_condition),
            "precision": (size.n_condition,),
            "alleles": (size.n_blocks, size.n_clusters, size.block_size),
            "effects": (size.n_blocks, size.block_size, size.n_trait),
            "centre": (size.n_trait,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, device=device))
        n_haplotypes = (size.n_parents, 2, size.n_blocks, size.block_size)
        self.register_buffer("haplotypes", torch.zeros(n_haplotypes, dtype=torch.uint8, device=device))
        self.register_buffer("mates", torch.zeros(size.n_matings, 2, dtype=torch.long, device=device))

    def begin_with(
        self, clusters: HaplotypeClusters, parents: ParentalHaplotypes | None, table: MatingTable, fractions: torch.Tensor
    ) -> None:
        """Take clusters, haplotypes of parents, matings, and recombination fractions."""
        self.gametes.begin_with(clusters)
        self.alleles.copy_(torch.sigmoid(self.size.sharpness * clusters.alleles.logit(eps=1e-4).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)))
        if parents is not None and self.size.n_parents:
            self.haplotypes.copy_(parents.haplotypes.permute(1, 2, 0, 3))
        self.fractions.copy_(fractions)
        for name in ("mates", "counts", "means", "precision"):
            getattr(self, name).copy_(getattr(table, name))

    @torch.no_grad()
    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        sides = self.mates[self._matings(condition, generator)]
        pools = [self._meioses(self._parent(sides[:, side], condition, generator), generator) for side in range(2)]
        values = [torch.einsum("ncbv,bvt->nct", pool.float(), self.effects) for pool in pools]
        wanted = condition[:, None, None, : self.size.n_trait]
        away = (wanted + self.centre - values[0][:, :, None] - values[1][:, None]).square().sum(dim=-1)
        weights = (-away / (2 * self.size.residual)).flatten(1).softmax(dim=-1)
        chosen = torch.multinomial(weights, 1, generator=generator)[:, 0]
        rows, n_second = torch.arange(len(condition), device=condition.device), pools[1].shape[1]
        codes: torch.Tensor = pools[0][rows, chosen // n_second] + pools[1][rows, chosen % n_second]
        return codes.transpose(0, 1)

    def _matings(self, condition: torch.Tensor, generator: torch.Generator, *, is_possible: torch.Tensor | None = None) -> torch.Tensor:
        """Number of a mating for each row of conditions."""
        away = ((condition[:, None] - self.means).square() * self.precision).sum(dim=-1)
        weights = self.counts.log() - away / 2
        if is_possible is not None:
            weights = weights.masked_fill(~is_possible, -torch.inf)
        return torch.multinomial(weights.softmax(dim=-1), 1, generator=generator)[:, 0]

    def _parent(self, parents: torch.Tensor, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Two haplotypes of the parent of each row, shape (n_rows, 2, n_blocks, block_size)."""
        both = torch.empty(len(parents), 2, self.size.n_blocks, self.size.block_size, dtype=torch.uint8, device=condition.device)
        is_known = parents < self.size.n_parents
        both[is_known] = self.haplotypes[parents[is_known]]
        if is_known.all():
            return both
        made_up = condition[~is_known]
        population = self._population_gametes(made_up, generator)
        first = population
        is_possible = self.mates.amin(dim=1) < self.size.n_parents
        if is_possible.any():
            mates = self.mates[self._matings(made_up, generator, is_possible=is_possible)]
            side = torch.randint(2, (len(mates),), generator=generator, device=mates.device)
            one = mates.gather(1, side[:, None])[:, 0]
            grandparents = torch.where(one < self.size.n_parents, one, mates.amin(dim=1))
            inherited = self._meioses(self.haplotypes[grandparents], generator, n_meioses=1)[:, 0]
            has_one = torch.rand(len(mates), generator=generator, device=mates.device) < self.size.grandparents
            first = torch.where(has_one[:, None, None], inherited, population)
        both[~is_known] = torch.stack([first, population], dim=1)
        return both

    def _population_gametes(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        tokens = self.gametes.draw(condition, generator)
        chances = self.alleles[torch.arange(len(tokens), device=tokens.device)[:, None], tokens].transpose(0, 1)
        return (torch.rand(chances.shape, generator=generator, device=chances.device) < chances).byte()

    def _meioses(self, parents: torch.Tensor, generator: torch.Generator, *, n_meioses: int | None = None) -> torch.Tensor:
        """Gametes of parents, shape (n_rows, n_meioses, n_blocks, block_size); one crosses over between blocks alone."""
        shape = (len(parents), n_meioses or self.size.n_candidates, self.size.n_blocks)
        is_crossed = torch.rand(shape, generator=generator, device=parents.device) < self.fractions
        is_second = (is_crossed.cumsum(dim=-1) % 2).bool()[..., None]
        return torch.where(is_second, parents[:, None, 1], parents[:, None, 0])


@dataclass(frozen=True, eq=False)
class MatingTable:
    """Distinct matings of training, and the conditions of their offspring.

    Args:
        mates: Both parents, shape (n_matings, 2); n_parents for one that is not inferred.
        counts: Offspring, shape (n_matings,).
        means: Mean condition of the offspring, drawn towards that of all, shape (n_matings, n_condition).
        precision: What a squared difference from a mean weighs, shape (n_condition,).
    """

    mates: torch.Tensor
    counts: torch.Tensor
    means: torch.Tensor
    precision: torch.Tensor

    @classmethod
    def of_matings(cls, matings: Matings, condition: torch.Tensor, encoder: ConditionEncoder, generator: torch.Generator) -> MatingTable:
        """Count training matings; encoded conditions have mean 0.

        Where both parents are inferred, the dam is exchanged for one of another mating whose offspring were alike in condition: new full
        sibs of training samples would be nearer to them than to unseen samples of their family.
        """
        pairs = torch.stack([matings.sires, matings.dams], dim=1).to(condition.device)
        mates, number = torch.unique(pairs, dim=0, return_inverse=True)
        counts = torch.bincount(number, minlength=len(mates)).float()
        totals = condition.new_zeros(len(mates), condition.shape[1]).index_add_(0, number, condition)
        means = totals / (counts[:, None] + 1)
        variance = (condition - means[number]).square().mean(dim=0).clamp(min=_SMALLEST_VARIANCE)
        # A class is told by one number for each class, which are but one fact.
        share = torch.tensor([2 / len(c.classes) if c.classes else 1.0 for c in encoder.columns for _ in c.classes or (0,)])
        precision = share.clamp(max=1).to(variance.device) / variance
        return cls(mates=_exchanged(mates, means, precision, matings.n_parents, generator), counts=counts, means=means, precision=precision)


def _exchanged(
    mates: torch.Tensor, means: torch.Tensor, precision: torch.Tensor, n_parents: int, generator: torch.Generator
) -> torch.Tensor:
    """Matings of two inferred parents with the dam of another one each, as far as there is another."""
    both = torch.nonzero((mates < n_parents).all(dim=1))[:, 0]
    if len(both) < 2:
        return mates
    away = ((means[both][:, None] - means[both]).square() * precision).sum(dim=-1)
    is_same = (mates[both, 0][:, None] == mates[both, 0]) | (mates[both, 1][:, None] == mates[both, 1])
    is_same &= ~is_same.all(dim=1, keepdim=True)
    chosen = torch.multinomial((-away / 2).masked_fill(is_same, -torch.inf).softmax(dim=1), 1, generator=generator)[:, 0]
    mates = mates.clone()
    mates[both, 1] = mates[both[chosen], 1]
    return mates


def trait_effects(
    batches: PackedBatches, condition: torch.Tensor, rows: torch.Tensor, *, heritability: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Effects of ALT alleles on the numbers of a trait: the best linear predictor (Meuwissen et al. 2001, doi:10.1093/genetics/157.4.1819).

    Args:
        batches: The training samples.
        condition: The numbers, shape (len(rows), n_trait).
        rows: The samples to read.
        heritability: Share of the trait's variance that variants explain.

    Returns:
        The effects, shape (n_blocks, block_size, n_trait), and what they give the average sample, shape (n_trait,), which a prediction must
        leave out: it depends on which allele is called ALT.
    """
    slices = [slice(start, start + _BLOCKS_PER_CHUNK) for start in range(0, batches.n_blocks, _BLOCKS_PER_CHUNK)]
    relationship = torch.zeros(len(rows), len(rows), device=condition.device)
    for blocks in slices:
        x = _centred(batches, blocks, rows).flatten(1)
        relationship += x @ x.T
    scale = relationship.diagonal().mean().clamp(min=1e-6)
    penalty = (1 - heritability) / heritability * torch.eye(len(rows), device=condition.device)
    weights = torch.linalg.solve(relationship / scale + penalty, condition) / scale
    effects = torch.cat([torch.einsum("nbv,nt->bvt", _centred(batches, blocks, rows), weights) for blocks in slices])
    means = torch.cat([_means(batches, blocks, rows) for blocks in slices])
    return effects, torch.einsum("bv,bvt->t", means, effects)


def _centred(batches: PackedBatches, blocks: slice, rows: torch.Tensor) -> torch.Tensor:
    """Calls less the variant's mean, 0 where missing, shape (n_rows, n_some_blocks, block_size)."""
    codes = batches.block_codes(blocks)[:, rows].transpose(0, 1)
    return torch.where(codes != MISSING_CODE, codes.float() - _means(batches, blocks, rows), 0.0)


def _means(batches: PackedBatches, blocks: slice, rows: torch.Tensor) -> torch.Tensor:
    """Mean ALT alleles of the calls, shape (n_some_blocks, block_size)."""
    codes = batches.block_codes(blocks)[:, rows]
    is_call = codes != MISSING_CODE
    return (codes * is_call).sum(dim=1) / is_call.sum(dim=1).clamp(min=1)
