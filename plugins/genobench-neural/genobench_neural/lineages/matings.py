"""Who mates with whom: the matings of training, and those of synthetic samples, which are others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    import pandas as pd

    from genobench import ConditionEncoder, Trait

_SMALLEST_VARIANCE: Final = 0.02
"""A covariate that hardly varies within matings would otherwise forbid all others."""

_FEWEST: Final = 5
"""No mean is kept of fewer samples, as in conditions: see `ConditionEncoder`."""


@dataclass(frozen=True, eq=False)
class Matings:
    """Who the parents of each sample are, as far as they have two offspring or more.

    Args:
        sires: Number of a parent for each sample, n_parents where it is unknown; shape (n_samples,).
        dams: Likewise; parents share one numbering.
        n_parents: Parents who are numbered.
    """

    sires: torch.Tensor
    dams: torch.Tensor
    n_parents: int

    @classmethod
    def of_samples(cls, samples: pd.DataFrame, trait: Trait) -> Matings:
        """Read the columns `sire` and `dam`, or, without them, take the trait's family as what a common parent has."""
        columns = [name for name in ("sire", "dam") if name in samples.columns]
        if not columns and trait.family in samples.columns:
            columns = [str(trait.family)]
        coded = [np.full(len(samples), -1) for _ in range(2)]
        n_parents = 0
        for place, name in enumerate(columns):
            counts = samples[name].value_counts()
            kept = sorted(counts.index[counts >= 2].astype(str))
            number = {parent: n_parents + k for k, parent in enumerate(kept)}
            coded[place] = np.array([number.get(str(parent), -1) for parent in samples[name]], dtype=np.int64)
            n_parents += len(kept)
        sires, dams = (torch.from_numpy(np.where(codes < 0, n_parents, codes).astype(np.int64)) for codes in coded)
        return cls(sires=sires, dams=dams, n_parents=n_parents)

    def n_offspring(self) -> torch.Tensor:
        """Training offspring of each parent, shape (n_parents,)."""
        return torch.bincount(torch.cat([self.sires, self.dams]), minlength=self.n_parents + 1)[:-1]

    def of_parents(self, is_kept: torch.Tensor) -> Matings:
        """The same with all other parents unknown; `is_kept` has shape (n_parents,)."""
        n_kept = int(is_kept.sum())
        number = torch.full((self.n_parents + 1,), n_kept)
        number[:-1][is_kept] = torch.arange(n_kept)
        return Matings(sires=number[self.sires], dams=number[self.dams], n_parents=n_kept)


@dataclass(frozen=True, eq=False)
class MatingTable:
    """Matings of synthetic samples, and the conditions that their offspring have.

    Args:
        mates: Both parents, shape (n_matings, 2); n_parents for one who is unknown.
        counts: Training offspring of the mating that it stands for, shape (n_matings,).
        means: Mean condition of these, drawn towards that of all, shape (n_matings, n_condition); where fewer than 5 of them have a value,
            that of all such matings of the sire, or of all sires.
        precision: What a squared difference from a mean weighs, shape (n_condition,); 0 for a trait that chooses among gametes.
    """

    mates: torch.Tensor
    counts: torch.Tensor
    means: torch.Tensor
    precision: torch.Tensor

    @classmethod
    def of_matings(
        cls,
        matings: Matings,
        condition: torch.Tensor,
        encoder: ConditionEncoder,
        *,
        is_population: torch.Tensor,
        generator: torch.Generator,
    ) -> MatingTable:
        """Count training matings and exchange mates; encoded conditions have mean 0.

        Where both parents are known, the dam is exchanged for one of another mating whose offspring were alike in covariates: new full
        sibs of training samples would be nearer to them than to unseen samples of their family.

        Args:
            matings: Of training samples.
            condition: Theirs, shape (n_samples, n_condition).
            encoder: Of conditions.
            is_population: Which numbers name a population, shape (n_condition,).
            generator: Draws the dams.
        """
        pairs = torch.stack([matings.sires, matings.dams], dim=1).to(condition.device)
        mates, number = torch.unique(pairs, dim=0, return_inverse=True)
        counts = torch.bincount(number, minlength=len(mates)).float()
        # On the CPU, where sums have one order.
        means = _means(condition.double().cpu(), number.cpu(), mates[:, 0].cpu(), encoder).to(condition)
        variance = (condition - means[number]).square().mean(dim=0).clamp(min=_SMALLEST_VARIANCE)
        share = torch.tensor([facts_per_number(c.width) for c in encoder.columns for _ in range(c.width)], device=condition.device)
        precision = share / variance
        precision[: encoder.columns[0].width] *= is_population[: encoder.columns[0].width]
        exchanged = _exchanged(mates, means, precision, n_parents=matings.n_parents, generator=generator)
        return cls(mates=exchanged, counts=counts, means=means, precision=precision)


def _means(condition: torch.Tensor, number: torch.Tensor, sires: torch.Tensor, encoder: ConditionEncoder) -> torch.Tensor:
    """See `MatingTable.means`.

    Args:
        condition: Of training samples, shape (n_samples, n_condition).
        number: Their matings, shape (n_samples,).
        sires: Of matings, shape (n_matings,).
        encoder: Of conditions.
    """
    means = condition.new_zeros(len(sires), condition.shape[1])
    for place in encoder.slices().values():
        # A missing value is encoded as 0.
        is_present = condition[:, place].any(dim=1)
        group = _kept_groups(torch.bincount(number[is_present], minlength=len(sires)), sires)
        of_samples = group[number]
        totals = torch.stack([torch.bincount(of_samples, weights=column, minlength=len(group)) for column in condition[:, place].T], dim=1)
        means[:, place] = (totals / (torch.bincount(of_samples, minlength=len(group))[:, None] + 1))[group]
    return means


def _kept_groups(counts: torch.Tensor, sires: torch.Tensor) -> torch.Tensor:
    """The number of the group that shares a mean for each mating, such that no difference of sums is that of fewer than 5 samples.

    Args:
        counts: Samples with a value of each mating, shape (n_matings,).
        sires: Theirs, shape (n_matings,).
    """
    is_few = counts < _FEWEST
    of_sires = torch.bincount(sires, weights=counts * is_few)
    is_rest = is_few & (of_sires[sires] < _FEWEST)
    named = torch.arange(len(counts))
    named[is_few] = len(counts) + sires[is_few]
    named[is_rest] = -1
    group: torch.Tensor = torch.unique(named, return_inverse=True)[1]
    sizes = torch.bincount(group, weights=counts)
    # The sum over all samples is known to be 0, so that few that are left over share with the smallest other group.
    if is_rest.any() and 0 < sizes[0] < _FEWEST and (sizes[1:] > 0).any():
        group[group == 1 + torch.where(sizes[1:] > 0, sizes[1:], torch.inf).argmin()] = 0
    return group


def facts_per_number(width: int) -> float:
    """What a squared difference in one of a column's numbers counts: those of two classes are one fact twice, of K classes K - 1 facts.

    With classes that are equally frequent, this makes the sum over numbers in units of their variance Mahalanobis's distance.

    Args:
        width: Numbers of the column.
    """
    return (width - 1) / width if width > 1 else 1.0


def _exchanged(
    mates: torch.Tensor, means: torch.Tensor, precision: torch.Tensor, *, n_parents: int, generator: torch.Generator
) -> torch.Tensor:
    """Matings of two known parents with the dam of another one each, never a pair that has training offspring; else the dam is unknown.

    Args:
        mates: Both parents, shape (n_matings, 2).
        means: Mean condition of their offspring, shape (n_matings, n_condition).
        precision: What a squared difference weighs, shape (n_condition,).
        n_parents: Parents who are known, and the number of one who is not.
        generator: Draws the dams.

    Returns:
        Shape of `mates`.
    """
    both = torch.nonzero((mates < n_parents).all(dim=1))[:, 0]
    if not len(both):
        return mates
    has_offspring = torch.zeros(n_parents + 1, n_parents + 1, dtype=torch.bool, device=mates.device)
    has_offspring[mates[:, 0], mates[:, 1]] = True
    is_new = ~has_offspring[mates[both, 0][:, None], mates[both, 1]]
    away = ((means[both][:, None] - means[both]).square() * precision).sum(dim=-1)
    weights = torch.where(is_new, (-away / 2).exp().clamp(min=1e-30), 0.0)
    weights[~is_new.any(dim=1)] = 1.0
    chosen = torch.multinomial(weights, 1, generator=generator)[:, 0]
    exchanged = mates.clone()
    exchanged[both, 1] = torch.where(is_new.any(dim=1), mates[both[chosen], 1], n_parents)
    return exchanged
