"""Two sets of samples compared by their nearest neighbours: what is asked for, and estimates with each group of samples left out.

Fidelity asks it of synthetic samples and the holdout; the definitions of DiscreteGenoGen, of synthetic and training samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from genobench import Pairwise, Score
from genobench.builtin.estimates import jackknifed
from genobench.statgen import (
    adversarial_accuracy,
    adversarial_accuracy_without,
    manifold_scores,
    manifold_scores_without,
    sample_groups,
    wilson_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Comparison

    DistanceMatrix = NDArray[np.int32]
    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]

Distance = Literal["manhattan", "squared-euclidean"]
Reference = Literal["train", "holdout"]

_N_GROUPS: Final = 20


class Estimates(NamedTuple):
    """Several numbers, from everything and without each group.

    Args:
        values: Shape (n_values,).
        deleted: Shape (n_groups, n_values); no groups where a set without one would be too small.
        sizes: Samples of both sets in each group, shape (n_groups,).
        n_samples: Samples of the smaller set.
    """

    values: Floats
    deleted: Floats
    sizes: NDArray[np.intp]
    n_samples: int


def neighbour_requests(reference: Reference, distance: Distance) -> tuple[Pairwise, Pairwise, Pairwise]:
    """Distances within the reference, from synthetic samples to it, and within the synthetic samples."""
    return (
        Pairwise(reference, reference, distance),
        Pairwise("synthetic", reference, distance),
        Pairwise("synthetic", "synthetic", distance),
    )


@dataclass(frozen=True, eq=False)
class TwoSets:
    """Distances within and between two sets of samples, and the groups that the jackknife leaves out.

    Args:
        distances: Reference to reference, synthetic to reference, synthetic to synthetic.
        reference_groups: The group of each reference sample, shape (n_reference,); relatives share one.
        synthetic_groups: The group of each synthetic sample, shape (n_synthetic,).
    """

    distances: tuple[DistanceMatrix, DistanceMatrix, DistanceMatrix]
    reference_groups: Groups
    synthetic_groups: Groups

    @classmethod
    def of(cls, comparison: Comparison, reference: Reference, distance: Distance, *, seed: int) -> TwoSets:
        """Read off the answers to `neighbour_requests`; the seed draws the groups."""
        first, second, third = (comparison.results[request] for request in neighbour_requests(reference, distance))
        n_synthetic, n_reference = second.shape
        reference_groups = sample_groups(comparison.groups.get(reference), n_reference, seed=seed, n_groups=_N_GROUPS)
        return cls((first, second, third), reference_groups, proportional_groups(reference_groups, n_synthetic, seed=seed + 1))

    @property
    def smallest(self) -> int:
        """Samples in the smaller set."""
        return int(min(self.distances[1].shape))

    @property
    def smallest_without_a_group(self) -> int:
        """Samples that are left of a set, at the least, when a group is left out; 0 where there is but one group."""
        both = (self.reference_groups, self.synthetic_groups)
        if max(int(groups.max(initial=0)) for groups in both) == 0:
            return 0
        return min(len(groups) - int(np.bincount(groups).max(initial=0)) for groups in both)

    def of_equal_size(self, *, seed: int) -> TwoSets:
        """The same with no more samples of one set than of the other, drawn at random."""
        n_kept = self.smallest
        if self.distances[1].shape == (n_kept, n_kept):
            return self
        generator = np.random.default_rng(seed)
        synthetic, reference = (np.sort(generator.permutation(n)[:n_kept]) for n in self.distances[1].shape)
        first, second, third = self.distances
        return TwoSets(
            (first[np.ix_(reference, reference)], second[np.ix_(synthetic, reference)], third[np.ix_(synthetic, synthetic)]),
            self.reference_groups[reference],
            self.synthetic_groups[synthetic],
        )

    def manifold_estimates(self, k: int) -> Estimates:
        """Precision, recall, their harmonic mean, density and coverage; k must be below the size of either set."""
        values = _with_f1(np.array([manifold_scores(*self.distances, k=k)]))[0]
        deleted = np.zeros((0, 5))
        if self.smallest_without_a_group > k:
            deleted = _with_f1(manifold_scores_without(*self.distances, k=k, **self._groups()))
        return self._estimates(values, deleted)

    def adversarial_estimates(self, tie: float) -> Estimates:
        """Adversarial accuracy: the mean of its halves, the reference half, the synthetic half; two samples a set at least."""
        values = _with_mean(np.array([adversarial_accuracy(*self.distances, tie=tie)]))[0]
        deleted = np.zeros((0, 3))
        if self.smallest_without_a_group > 1:
            deleted = _with_mean(adversarial_accuracy_without(*self.distances, tie=tie, **self._groups()))
        return self._estimates(values, deleted)

    def _groups(self) -> dict[str, Any]:
        return {"reference_groups": self.reference_groups, "synthetic_groups": self.synthetic_groups}

    def _estimates(self, values: Floats, deleted: Floats) -> Estimates:
        sizes = np.zeros(len(deleted), dtype=np.intp)
        if len(deleted):
            for groups in (self.reference_groups, self.synthetic_groups):
                sizes += np.bincount(groups, minlength=len(deleted))
        return Estimates(values, deleted, sizes, self.smallest)


def score_at(estimates: Estimates, place: int, name: str, *, largest: float = 1.0) -> Score:
    """The number at one place of the estimates, with its noise.

    A number that no group moves shows a jackknife no noise at all, but is not certain. A share of 0 or 1 has Wilson's interval, for as many
    samples as the smaller set has; any other number then has none.

    Args:
        estimates: Several numbers.
        place: Which of them.
        name: As declared.
        largest: The largest value that there can be; 1 for a share.
    """
    value, deleted, n_samples = float(estimates.values[place]), estimates.deleted[:, place], estimates.n_samples
    if (deleted != value).any() or not len(deleted):
        return jackknifed(name, value, deleted, estimates.sizes, limits=(0.0, largest))
    if largest == 1 and value in (0, 1):
        return Score(name, value, interval=wilson_interval(round(value * n_samples), n_samples))
    return Score(name, value)


def proportional_groups(groups: Groups, n_samples: int, *, seed: int) -> Groups:
    """Groups for other samples, each with about the share of samples that it has here, drawn at random.

    Statistics of neighbours depend on how many samples there are on either side, so a group takes the same share of both away.

    Args:
        groups: A group for each sample of one set, shape (n_one,), at least one.
        n_samples: Samples of the other set.
        seed: Of the draw.

    Returns:
        Shape (n_samples,).
    """
    places = np.floor((np.arange(n_samples) + 0.5) * len(groups) / max(1, n_samples)).astype(np.intp)
    drawn: Groups = np.random.default_rng(seed).permutation(np.sort(groups)[places])
    return drawn


def _with_f1(scores: Floats) -> Floats:
    """Precision, recall, density, coverage → precision, recall, F1, density, coverage, in the last axis; F1 is 0 where both are 0."""
    precision, recall, density, coverage = scores.T
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return np.column_stack([precision, recall, f1, density, coverage])


def _with_mean(halves: Floats) -> Floats:
    return np.column_stack([halves.mean(axis=1), halves])
