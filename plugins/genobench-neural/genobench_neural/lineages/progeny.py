"""New offspring of inferred parents: matings drawn by condition, meiosis, and gametes of the population for parents who are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from genobench_neural.lineages.matings import facts_per_number
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from genobench.statgen import HaplotypeClusters
    from genobench_neural.lineages.matings import MatingTable
    from genobench_neural.lineages.predictor import TraitPredictor

_N_PROGENY: Final = 1024
"""Progeny by which the spread of predicted values is measured, whose standard error is then 1 part in 45."""


@dataclass(frozen=True)
class ProgenySize:
    """What fixes the shapes of a `ProgenyNetwork`.

    Args:
        n_blocks: Blocks of variants.
        block_size: Places in a block.
        n_parents: Inferred parents.
        n_matings: Distinct pairs of parents, the unknown one included.
        n_condition: Numbers of condition.
        n_trait: The first of them, which are the trait's.
        n_clusters: Haplotype clusters a block.
        n_tried: Matings a sample among which the trait chooses.
        n_meioses: Meioses of each of their parents among which the trait chooses.
        grandparents: Share of made-up parents that have an inferred parent.
    """

    n_blocks: int
    block_size: int
    n_parents: int
    n_matings: int
    n_condition: int
    n_trait: int
    n_clusters: int
    n_tried: int
    n_meioses: int
    grandparents: float


class ProgenyNetwork(GenotypeNetwork):
    """Draws some matings that suit the covariates, some meioses of both parents of each, and keeps a pair of gametes that suits the trait.

    A haplotype is a source for each block: a number below `n_clusters` is a haplotype cluster, `n_clusters + 2 * p + h` is haplotype h of
    parent p. Which alleles these are is looked up at the end, so that trying many meioses costs little.

    A parent who was not inferred is made up: one of its haplotypes is a walk along the clusters, the other is a gamete of an inferred
    parent that suits the covariates and is not the mate (a grandparent), or another walk.

    The trait chooses by its predicted value v: a pair of gametes is drawn with a probability proportional to the likelihood of the wanted
    value, normal about v with the variance that variants do not explain; of K classes, K - 1 numbers count. v is scaled so that its
    variance over samples that were not chosen is the trait's genomic variance in training; so the trait given the genotypes is
    distributed as the model says.

    Args:
        size: Shapes.
        device: Where its numbers lie.
    """

    haplotypes: torch.Tensor
    fractions: torch.Tensor
    alleles: torch.Tensor
    transitions: torch.Tensor
    leanings: torch.Tensor
    mates: torch.Tensor
    counts: torch.Tensor
    means: torch.Tensor
    precision: torch.Tensor
    source_values: torch.Tensor
    centre: torch.Tensor
    slopes: torch.Tensor
    residual: torch.Tensor

    def __init__(self, size: ProgenySize, device: torch.device | None = None) -> None:
        super().__init__()
        self.size = size
        n_sources = size.n_clusters + 2 * size.n_parents
        shapes: dict[str, tuple[int, ...]] = {
            "fractions": (size.n_blocks,),
            "alleles": (size.n_blocks, size.n_clusters, size.block_size),
            "transitions": (size.n_blocks, size.n_clusters, size.n_clusters),
            "leanings": (size.n_blocks, size.n_condition + 1, size.n_clusters),
            "counts": (size.n_matings,),
            "means": (size.n_matings, size.n_condition),
            "precision": (size.n_condition,),
            "source_values": (size.n_blocks, n_sources, size.n_trait),
            "centre": (size.n_trait,),
            "slopes": (size.n_condition, size.n_trait),
            "residual": (size.n_trait,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, device=device))
        n_haplotypes = (size.n_blocks, 2 * size.n_parents, size.block_size)
        self.register_buffer("haplotypes", torch.zeros(n_haplotypes, dtype=torch.uint8, device=device))
        self.register_buffer("mates", torch.zeros(size.n_matings, 2, dtype=torch.long, device=device))

    def begin_with(
        self,
        clusters: HaplotypeClusters,
        *,
        leanings: torch.Tensor,
        haplotypes: torch.Tensor,
        table: MatingTable,
        fractions: torch.Tensor,
    ) -> None:
        """Take what gametes are drawn by.

        Args:
            clusters: Haplotype clusters of the population.
            leanings: See `population_leanings`, shape (n_blocks, n_condition + 1, n_clusters).
            haplotypes: Of parents, shape (n_blocks, n_parents, 2, block_size).
            table: Matings.
            fractions: Recombination between blocks, shape (n_blocks,).
        """
        self.alleles.copy_(clusters.alleles)
        self.transitions.copy_(clusters.transitions)
        self.leanings.copy_(leanings)
        self.haplotypes.copy_(haplotypes.flatten(1, 2))
        self.fractions.copy_(fractions)
        for name in ("mates", "counts", "means", "precision"):
            getattr(self, name).copy_(getattr(table, name))

    @torch.no_grad()
    def predict_with(self, predictor: TraitPredictor, condition: torch.Tensor, generator: torch.Generator) -> None:
        """Take the predictor of the trait, scaled to the trait's genomic variance by progeny that nothing chose.

        Args:
            predictor: Its effects are those of ALT alleles.
            condition: Of the training samples, shape (n_samples, n_condition).
            generator: Draws the progeny.
        """
        sources = torch.cat([self.alleles, self.haplotypes.float()], dim=1)
        self.source_values.copy_(sources @ predictor.effects)
        rows = torch.randint(len(condition), (_N_PROGENY,), generator=generator, device=condition.device)
        first, second = self._pools(condition[rows], 1, generator)
        usual = (self._value(first) + self._value(second))[:, 0]
        scale = (predictor.explained / usual.var(dim=0).clamp(min=1e-12)).sqrt()
        self.source_values.mul_(scale)
        self.centre.copy_(usual.mean(dim=0) * scale)
        self.slopes.copy_(predictor.slopes)
        self.residual.copy_(predictor.residual)

    @property
    def has_populations(self) -> bool:
        """Whether any number of the condition names a population."""
        return bool(self.leanings.any())

    @torch.no_grad()
    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        first, second = self._pools(condition.repeat_interleave(self.size.n_tried, dim=0), self.size.n_meioses, generator)
        wanted = condition[:, : self.size.n_trait] - condition @ self.slopes + self.centre
        value = self._value(first)[:, :, None] + self._value(second)[:, None]
        away = (wanted.repeat_interleave(self.size.n_tried, dim=0)[:, None, None] - value).square() / self.residual
        weights = (-facts_per_number(self.size.n_trait) * away.sum(dim=-1) / 2).view(len(condition), -1).softmax(dim=-1)
        chosen = torch.multinomial(weights, 1, generator=generator)[:, 0]
        rows = torch.arange(len(condition), device=condition.device)
        n_first, n_second = self.size.n_tried * self.size.n_meioses, self.size.n_meioses
        pair = chosen // n_second
        gametes = (
            first.view(len(rows), n_first, -1)[rows, pair],
            second.view(len(rows), n_first, -1)[rows, pair // n_second * n_second + chosen % n_second],
        )
        return self._drawn_alleles(gametes[0], generator) + self._drawn_alleles(gametes[1], generator)

    def _pools(self, condition: torch.Tensor, n_meioses: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Gametes of both parents of a mating for each row of conditions, shape (n_rows, n_meioses, n_blocks) each."""
        mates = self.mates[self._matings(condition, generator)]
        first, second = (
            self._meioses(self.parents(mates[:, side], mates[:, 1 - side], condition, generator), n_meioses, generator) for side in range(2)
        )
        return first, second

    def _value(self, gametes: torch.Tensor) -> torch.Tensor:
        """Predicted value, shape (n_rows, n_meioses, n_trait)."""
        return self.source_values[torch.arange(self.size.n_blocks, device=gametes.device), gametes].sum(dim=2)

    def _matings(self, condition: torch.Tensor, generator: torch.Generator, *, is_possible: torch.Tensor | None = None) -> torch.Tensor:
        """Number of a mating for each row of conditions, shape (n_rows,); `is_possible` has shape (n_rows, n_matings)."""
        away = ((condition[:, None] - self.means).square() * self.precision).sum(dim=-1)
        weights = self.counts.log() - away / 2
        if is_possible is not None:
            weights = weights.masked_fill(~is_possible, -torch.inf)
        return torch.multinomial(weights.softmax(dim=-1), 1, generator=generator)[:, 0]

    def parents(self, parents: torch.Tensor, mates: torch.Tensor, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Sources of both haplotypes of parents, inferred or made up.

        Args:
            parents: Number of each, shape (n_rows,); n_parents for one to be made up.
            mates: Who they mate with, shape (n_rows,).
            condition: Of their offspring, shape (n_rows, n_condition).
            generator: Draws those who are made up.

        Returns:
            Shape (n_rows, 2, n_blocks).
        """
        both = self._haplotypes_of(parents)
        is_made_up = parents == self.size.n_parents
        if is_made_up.any():
            suited = condition[is_made_up]
            first, second = (self.walk(suited, generator) for _ in range(2))
            both[is_made_up] = torch.stack([self._grandparental(first, mates[is_made_up], suited, generator), second], dim=1)
        return both

    def _grandparental(self, walk: torch.Tensor, mates: torch.Tensor, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The other haplotype of a made-up parent: a gamete of an inferred parent other than the mate, or, without one, a walk."""
        # The first of a mating who is inferred and not the mate; n_parents where there is none.
        is_usable = (self.mates < self.size.n_parents) & (self.mates != mates[:, None, None])
        is_possible = is_usable.any(dim=2)
        has_one = is_possible.any(dim=1) & (torch.rand(len(mates), generator=generator, device=mates.device) < self.size.grandparents)
        if not has_one.any():
            return walk
        rows = torch.nonzero(has_one)[:, 0]
        number = self._matings(condition[rows], generator, is_possible=is_possible[rows])
        side = torch.randint(2, (len(rows),), generator=generator, device=mates.device)
        side = torch.where(is_usable[rows, number, side], side, 1 - side)
        inherited = walk.clone()
        inherited[rows] = self._meioses(self._haplotypes_of(self.mates[number, side]), 1, generator)[:, 0]
        return inherited

    def _haplotypes_of(self, parents: torch.Tensor) -> torch.Tensor:
        """Sources of both haplotypes of parents, shape (n_rows, 2, n_blocks); without sense for parents who are not inferred."""
        first = self.size.n_clusters + 2 * parents
        return torch.stack([first, first + 1], dim=1)[..., None].repeat(1, 1, self.size.n_blocks)

    def walk(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Gametes of the population, shape (n_rows, n_blocks): walks along the clusters that lean towards those of a row's population."""
        uniform = torch.rand(self.size.n_blocks, len(condition), 1, generator=generator, device=condition.device)
        walk = torch.zeros(len(condition), self.size.n_blocks, dtype=torch.long, device=condition.device)
        known = torch.cat([condition, torch.ones_like(condition[:, :1])], dim=1)
        # Asked once: it reads the leanings of all blocks.
        has_populations = self.has_populations
        for block in range(self.size.n_blocks):
            weights = self.transitions[block][walk[:, max(0, block - 1)]]
            if has_populations:
                weights = weights * (known @ self.leanings[block]).exp()
            sums = weights.cumsum(dim=1)
            walk[:, block] = torch.searchsorted(sums, uniform[block] * sums[:, -1:])[:, 0].clamp(max=self.size.n_clusters - 1)
        return walk

    def _meioses(self, parents: torch.Tensor, n_meioses: int, generator: torch.Generator) -> torch.Tensor:
        """Gametes of parents, shape (n_rows, n_meioses, n_blocks); one crosses over between blocks alone."""
        shape = (len(parents), n_meioses, self.size.n_blocks)
        is_crossed = torch.rand(shape, generator=generator, device=parents.device) < self.fractions
        is_second = is_crossed.cumsum(dim=-1) % 2 == 1
        return torch.where(is_second, parents[:, None, 1], parents[:, None, 0])

    def _drawn_alleles(self, gametes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Alleles of gametes, uint8, shape (n_blocks, n_rows, block_size)."""
        block = torch.arange(self.size.n_blocks, device=gametes.device)[:, None]
        sources, n_clusters = gametes.T, self.size.n_clusters
        chance = self.alleles[block, sources.clamp(max=n_clusters - 1)]
        alleles = (torch.rand(chance.shape, generator=generator, device=chance.device) < chance).byte()
        is_known = sources >= n_clusters
        alleles[is_known] = self.haplotypes[block.expand_as(sources)[is_known], sources[is_known] - n_clusters]
        return alleles
