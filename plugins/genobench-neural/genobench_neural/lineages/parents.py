"""Haplotypes of parents who have no genotypes themselves, inferred from their offspring, and the gametes that offspring got from them.

Offspring of a parent carry, at each place, one of two haplotypes. Expectation-maximisation over which one it is (a walk along the
chromosome that crosses over at the recombination fraction) finds both haplotypes and phases the offspring on the way. A parent with enough
offspring is known as well from any of them as from those left out, so that new offspring are as near to the training samples as to their
unseen sibs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from genobench.statgen import GeneticPath, steps_along
from genobench_neural.batches import MISSING_CODE

if TYPE_CHECKING:
    import pandas as pd

    from genobench.statgen import BlockLayout
    from genobench_neural.batches import PackedBatches
    from genobench_neural.lineages.matings import Matings

_ERROR: Final = 0.004
"""Chance that a haplotype is read with the other allele: a wrong call costs 5.5 nats, two crossovers between blocks .1 cM apart 14."""

_SAMPLES_PER_CHUNK: Final = 64
"""At four pairs of haplotypes a sample, 1,000 blocks of 12 variants take 12 MB as floats; samples of one family lie in few chunks."""

_STATES_PER_GROUP: Final = 1 << 21
"""Pairs of haplotypes in all blocks of the chromosomes at hand: 8 MB as floats for each of the walk's half a dozen tables."""

_LIKE_THE_FAMILY: Final = 0.7
"""At the start a parent's ALT frequency goes from the population's towards the family's by this part of the calls' mean deviation.

An offspring's calls deviate by half of its parent's two alleles, so that 1 would take the parent's mean whole; less allows for chance.
"""

_FREQUENCIES_AT_START: Final = (0.05, 0.95)
"""The mean of a parent's haplotypes lies between these: outside, nothing that offspring show would move them again."""

_ALLELES_AT_START: Final = (0.02, 0.98)
"""Likewise of each haplotype, after one offspring's calls have tilted them."""

_N_INNER_ROUNDS: Final = 3
"""Rounds within a block before the first guess goes on to the next."""

_N_ROUNDS: Final = 8
"""Rounds over whole chromosomes; the first guess is near already."""

_PRIOR: Final = 1.0
"""What the family and the population have on average weighs as much as one gamete."""


@dataclass(frozen=True, eq=False)
class ParentalHaplotypes:
    """What was inferred.

    Args:
        haplotypes: Two of each parent, 0 or 1, uint8, shape (n_blocks, n_parents, 2, block_size).
        gametes: First what each sample got from its sire, then from its dam, uint8, shape (n_blocks, 2, n_samples, block_size); a
            heterozygous call goes to the likelier side, a missing one to what the parent has.
    """

    haplotypes: torch.Tensor
    gametes: torch.Tensor


def recombination(variants: pd.DataFrame, layout: BlockLayout) -> torch.Tensor:
    """Recombination fraction between the middles of a block and of the one before it, one half where a chromosome begins.

    By the map function and the distances of `genobench.statgen.GeneticPath`.

    Args:
        variants: The variant table.
        layout: Where the variants lie.

    Returns:
        Shape (n_blocks,).
    """
    path = GeneticPath.of_variants(variants)
    along = np.empty(len(variants))
    along[path.order] = path.morgans_along
    middles = np.array([along[block[block >= 0]].mean() for block in layout.variant_at])
    is_first = np.append(True, ~layout.is_followed[:-1])
    # Blocks at one place of the map are held apart by 10^-6 morgan, so that a wrong crossover can be undone.
    morgans = np.where(is_first, np.inf, np.diff(middles, prepend=middles[0]).clip(1e-6))
    return torch.from_numpy(GeneticPath(order=np.arange(layout.n_blocks), morgans=morgans).recombination().astype(np.float32))


def infer_parents(
    batches: PackedBatches,
    layout: BlockLayout,
    fractions: torch.Tensor,
    matings: Matings,
    *,
    rows: torch.Tensor,
    generator: torch.Generator,
) -> ParentalHaplotypes:
    """Infer haplotypes of parents and gametes of samples, some chromosomes at a time.

    Args:
        batches: The training samples.
        layout: Where their variants lie.
        fractions: From `recombination`.
        matings: Parents of `rows`.
        rows: The samples to read, shape (n_samples,).
        generator: Draws the offspring whose calls separate a parent's two haplotypes at the start.
    """
    haplotypes, gametes = [], []
    for blocks in layout.runs(most_blocks=_STATES_PER_GROUP // max(1, 4 * len(rows))):
        codes = batches.block_codes(blocks)[:, rows].transpose(0, 1).contiguous()
        steps = [torch.from_numpy(step).to(codes.device) for step in steps_along(layout.is_followed[blocks])]
        family = _Family(codes, matings, fractions[blocks].to(codes.device), steps, generator=generator)
        family.begin()
        for _ in range(_N_ROUNDS):
            family.improve()
        haplotypes.append((family.alleles[:-1] > 0.5).byte().permute(2, 0, 1, 3))
        gametes.append(family.gametes().permute(2, 0, 1, 3))
    return ParentalHaplotypes(haplotypes=torch.cat(haplotypes), gametes=torch.cat(gametes))


class _Family:
    """Expectation-maximisation over some chromosomes of all families at a time.

    `alleles` is P(ALT) of each parent's haplotypes, shape (n_parents + 1, 2, n_blocks, block_size); the last row is the population, for
    parents that are not inferred. `codes` are calls, shape (n_samples, n_blocks, block_size).
    """

    def __init__(
        self,
        codes: torch.Tensor,
        matings: Matings,
        fractions: torch.Tensor,
        steps: list[torch.Tensor],
        *,
        generator: torch.Generator,
    ) -> None:
        self.codes, self.fractions, self.steps = codes, fractions, steps
        self.sires, self.dams = matings.sires.to(codes.device), matings.dams.to(codes.device)
        n_samples, n_blocks, block_size = codes.shape
        is_call = codes != MISSING_CODE
        self.frequency = (codes * is_call).float().sum(dim=0) / (2 * is_call.sum(dim=0)).clamp(min=1)
        deviation = torch.where(is_call, codes.float() - 2 * self.frequency, 0.0)
        n_parents = matings.n_parents + 1
        total = codes.new_zeros(n_parents, n_blocks, block_size, dtype=torch.float32)
        pivots = torch.zeros(n_parents, dtype=torch.long, device=codes.device)
        # Families side by side, so that a chunk has few parents.
        self.chunks = torch.split(torch.argsort(self.sires * n_parents + self.dams, stable=True), _SAMPLES_PER_CHUNK)
        for parents in (self.sires, self.dams):
            for some in self.chunks:
                add_to_parents(total, parents[some], deviation[some])
            order = torch.randperm(n_samples, generator=generator, device=codes.device)
            # The first of each parent's offspring in random order.
            first = torch.full((n_parents,), n_samples, device=codes.device)
            first.scatter_reduce_(0, parents[order], torch.arange(n_samples, device=codes.device), "amin")
            pivots = torch.where(first < n_samples, order[first.clamp(max=n_samples - 1)], pivots)
        n_offspring = torch.bincount(torch.cat([self.sires, self.dams]), minlength=n_parents)
        mean = total / n_offspring.clamp(min=1)[:, None, None]
        self.expected = (self.frequency + mean / 4).clamp(_ERROR, 1 - _ERROR)
        middle, tilt = (self.frequency + _LIKE_THE_FAMILY * mean).clamp(*_FREQUENCIES_AT_START), deviation[pivots].clamp(-1, 1) / 4
        self.alleles = torch.stack([middle + tilt, middle - tilt], dim=1).clamp(*_ALLELES_AT_START)
        self.alleles[-1] = self.frequency

    def begin(self) -> None:
        """Guess along each chromosome, forth and back: who got which haplotype so far predicts the alleles of the next block of each.

        A guess at all blocks together would separate haplotypes in many places, but not number the same one alike in all.
        """
        weights = self.codes.new_full((len(self.codes), 2, 2, self.codes.shape[1]), 0.25, dtype=torch.float32)
        for step, blocks in enumerate(self.steps):
            if step:
                weights[..., blocks] = self._moved(weights[..., blocks - 1].permute(3, 0, 1, 2), blocks).permute(1, 2, 3, 0)
            self._settle(blocks, weights, is_first=step == 0)
        for blocks in self.steps[:0:-1]:
            weights[..., blocks - 1] = self._moved(weights[..., blocks].permute(3, 0, 1, 2), blocks).permute(1, 2, 3, 0)
            self._settle(blocks - 1, weights, is_first=False)

    def _settle(self, blocks: torch.Tensor, weights: torch.Tensor, *, is_first: bool) -> None:
        """Expectation-maximisation within some blocks, whose states so far are the prior; `weights` take the posterior in."""
        prior = weights[..., blocks]
        for n_round in range(_N_INNER_ROUNDS):
            if n_round or not is_first:
                self._maximise(weights, blocks)
            log = self._log_likelihood(blocks)
            posterior = prior * (log - log.amax(dim=(1, 2), keepdim=True)).exp()
            weights[..., blocks] = posterior / posterior.sum(dim=(1, 2), keepdim=True)

    def improve(self) -> None:
        """One round over whole chromosomes."""
        self._maximise(self._posterior(), torch.arange(self.codes.shape[1], device=self.codes.device))

    def _maximise(self, weights: torch.Tensor, blocks: torch.Tensor) -> None:
        """Alleles in some blocks from P(haplotype of the sire, of the dam), shape (n_samples, 2, 2, n_blocks)."""
        alt = torch.zeros_like(self.alleles[:, :, blocks])
        total = torch.zeros_like(alt)
        for some in self.chunks:
            codes = self.codes[some][:, None, None, blocks]
            from_sire, from_dam = self._origins(some, blocks)
            weight = weights[some][..., blocks, None] * (codes != MISSING_CODE)
            for parents, origin, axis in ((self.sires[some], from_sire, 2), (self.dams[some], from_dam, 1)):
                add_to_parents(alt, parents, (weight * origin).sum(dim=axis))
                add_to_parents(total, parents, weight.sum(dim=axis))
        self.alleles[:, :, blocks] = (alt + _PRIOR * self.expected[:, None, blocks]) / (total + _PRIOR)
        self.alleles[-1] = self.frequency

    def gametes(self) -> torch.Tensor:
        """The allele that came from the sire, then that from the dam, shape (2, n_samples, n_blocks, block_size)."""
        weights, blocks = self._posterior(), torch.arange(self.codes.shape[1], device=self.codes.device)
        gametes = torch.empty(2, *self.codes.shape, dtype=torch.uint8, device=self.codes.device)
        for some in self.chunks:
            codes, weight = self.codes[some], weights[some][..., None]
            first, second = ((weight * origin).sum(dim=(1, 2)) for origin in self._origins(some, blocks))
            is_first = (first > second) | ((first == second) & (first > 0.5))
            gametes[0, some] = torch.where(codes == 1, is_first, torch.where(codes == MISSING_CODE, first > 0.5, codes == 2)).byte()
            gametes[1, some] = torch.where(codes == 1, ~is_first, torch.where(codes == MISSING_CODE, second > 0.5, codes == 2)).byte()
        return gametes

    def _pairs(self, some: torch.Tensor, blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """P(ALT) of haplotypes of sires, shape (n_some, 2, 1, n_blocks, block_size), and of dams, (n_some, 1, 2, n_blocks, block_size)."""
        alleles = self.alleles[:, :, blocks].clamp(_ERROR, 1 - _ERROR)
        return alleles[self.sires[some]][:, :, None], alleles[self.dams[some]][:, None]

    def _origins(self, some: torch.Tensor, blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """P(ALT from the sire | call, haplotypes), then from the dam, shape (n_some, 2, 2, n_blocks, block_size)."""
        sire, dam = self._pairs(some, blocks)
        codes, both = self.codes[some][:, None, None, blocks], sire * dam
        first = (sire - both) / (sire + dam - 2 * both)
        is_missing, certain = codes == MISSING_CODE, (codes == 2).float()
        return (
            torch.where(codes == 1, first, torch.where(is_missing, sire, certain)),
            torch.where(codes == 1, 1 - first, torch.where(is_missing, dam, certain)),
        )

    def _log_likelihood(self, blocks: torch.Tensor) -> torch.Tensor:
        """Of the calls in some blocks, shape (n_samples, 2, 2, n_blocks)."""
        log = torch.empty(len(self.codes), 2, 2, len(blocks), device=self.codes.device)
        for some in self.chunks:
            sire, dam = self._pairs(some, blocks)
            codes, both = self.codes[some][:, None, None, blocks], sire * dam
            chance = torch.where(codes == 1, sire + dam - 2 * both, torch.where(codes == 2, both, 1 - sire - dam + both))
            log[some] = torch.where(codes == MISSING_CODE, 1.0, chance).log().sum(dim=-1)
        return log

    def _posterior(self) -> torch.Tensor:
        """P(haplotype of the sire, haplotype of the dam | all calls of a chromosome), shape (n_samples, 2, 2, n_blocks)."""
        log = self._log_likelihood(torch.arange(self.codes.shape[1], device=self.codes.device)).permute(3, 0, 1, 2)
        likelihood = (log - log.amax(dim=(2, 3), keepdim=True)).exp()
        forward, backward = torch.empty_like(likelihood), torch.ones_like(likelihood)
        for step, blocks in enumerate(self.steps):
            here = self._moved(forward[blocks - 1], blocks) * likelihood[blocks] if step else likelihood[blocks]
            forward[blocks] = here / here.sum(dim=(2, 3), keepdim=True)
        for blocks in self.steps[:0:-1]:
            behind = self._moved(likelihood[blocks] * backward[blocks], blocks)
            backward[blocks - 1] = behind / behind.sum(dim=(2, 3), keepdim=True)
        posterior = forward * backward
        return (posterior / posterior.sum(dim=(2, 3), keepdim=True)).permute(1, 2, 3, 0)

    def _moved(self, states: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """Chances of states after the crossovers before some blocks, shape (n_blocks, n_samples, 2, 2)."""
        fraction = self.fractions[blocks][:, None, None, None]
        states = torch.lerp(states, states.flip(2), fraction)
        return torch.lerp(states, states.flip(3), fraction)


def add_to_parents(total: torch.Tensor, parents: torch.Tensor, values: torch.Tensor) -> None:
    """Add values of samples to those of their parents: as a product, since a GPU's `index_add_` has no order.

    Args:
        total: Changed, shape (n_parents, ...).
        parents: Number of each sample's parent, shape (n_samples,).
        values: Shape (n_samples, ...).
    """
    present, number = torch.unique(parents, return_inverse=True)
    is_member = functional.one_hot(number, len(present)).T.to(values)
    total[present] += (is_member @ values.flatten(1)).view(len(present), *values.shape[1:])
