"""Fidelity: do synthetic samples and the holdout cover one another? Neighbourhoods, and who is nearest to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from genobench import Comparison, Pairwise, Metric, Score, ScoreSpec, Trait
from genobench.statgen import (
    adversarial_accuracy,
    jackknife_standard_error,
    manifold_precision_recall,
    sample_groups,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    DistanceMatrix = NDArray[np.int32]
    Triple = tuple[DistanceMatrix, DistanceMatrix, DistanceMatrix]

_N_GROUPS: Final = 20


@dataclass(frozen=True)
class PrecisionRecall(Metric):
    """Precision and recall of the k-nearest-neighbour manifolds of synthetic samples and the holdout.

    Standard errors leave out a group of the holdout at a time, relatives together, and as many synthetic samples. A jackknife errs on the
    wide side (Efron B., Stein C. 1981. Annals of Statistics 9: 586-596. https://doi.org/10.1214/aos/1176345462), for statistics of
    neighbours by much: over fresh draws of 200 and 200 samples these errors are about twice the spread.

    Args:
        k: A sample's ball reaches to its k-th nearest other sample of its own set.
        distance: `manhattan` or `squared-euclidean` (which ranks as Euclidean distance does).
    """

    k: int = 10
    distance: Literal["manhattan", "squared-euclidean"] = "manhattan"

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="precision",
            summary="share of synthetic samples inside the neighbourhood of some holdout sample",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
        ScoreSpec(
            name="recall",
            summary="share of holdout samples inside the neighbourhood of some synthetic sample",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
        ScoreSpec(
            name="precision_recall_f1",
            summary="harmonic mean of precision and recall",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
            is_primary=True,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances within and between the two sets."""
        return _triple_requests(self.distance)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Precision, recall and their harmonic mean; NaN where a set has no k other samples after a group is left out."""
        distances = _triple(comparison, self.distance)
        groups = _groups_of_both(comparison, seed)
        names = tuple(spec.name for spec in self.scores)
        smallest = min(len(side) - np.bincount(side).max(initial=0) for side in groups)
        if smallest <= self.k:
            reason = f"k is {self.k}, but a set of {min(map(len, groups))} samples leaves only {smallest} when a group is left out."
            return tuple(Score(name, float("nan"), reason=reason) for name in names)

        def estimates(triple: Triple) -> NDArray[np.float64]:
            precision, recall = manifold_precision_recall(*triple, k=self.k)
            total = precision + recall
            return np.array([precision, recall, 2 * precision * recall / total if total else 0.0])

        return _with_jackknife(names, estimates, distances, groups)


@dataclass(frozen=True)
class AdversarialAccuracy(Metric):
    """Nearest-neighbour adversarial accuracy of synthetic samples against the holdout, with both halves; ties count one half.

    Below 0.5 the synthetic samples lie closer to the holdout than it does to itself, above 0.5 the two sets can be told apart. With
    relatives in the holdout even real samples do not score 0.5, which is why the band says what is ideal. No score here is primary:
    samples without linkage lie between all others, score 1 and 0 in the halves, and 0.5 in the mean. Standard errors are those of
    `PrecisionRecall`, and about one and a half times the spread over fresh draws.

    Args:
        distance: `manhattan` or `squared-euclidean`.
    """

    distance: Literal["manhattan", "squared-euclidean"] = "manhattan"

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="aats",
            summary="mean of the two halves of nearest-neighbour adversarial accuracy; two halves far apart can cancel",
            unit="share",
            direction="target",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="aats_real",
            summary="share of holdout samples nearer to another holdout sample than to any synthetic one",
            unit="share",
            direction="target",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="aats_synthetic",
            summary="share of synthetic samples nearer to another synthetic sample than to any holdout one",
            unit="share",
            direction="target",
            ideal=None,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances within and between the two sets."""
        return _triple_requests(self.distance)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The mean and its halves; NaN where a set is too small."""
        groups = _groups_of_both(comparison, seed)
        names = tuple(spec.name for spec in self.scores)
        if min(len(side) - np.bincount(side).max(initial=0) for side in groups) < 2:
            reason = f"Both sets need some samples beside each group that is left out; they have {len(groups[0])} and {len(groups[1])}."
            return tuple(Score(name, float("nan"), reason=reason) for name in names)

        def estimates(triple: Triple) -> NDArray[np.float64]:
            real, synthetic = adversarial_accuracy(*triple)
            return np.array([(real + synthetic) / 2, real, synthetic])

        return _with_jackknife(names, estimates, _triple(comparison, self.distance), groups)


def _triple_requests(distance: Literal["manhattan", "squared-euclidean"]) -> tuple[Pairwise, Pairwise, Pairwise]:
    return (
        Pairwise("holdout", "holdout", distance),
        Pairwise("synthetic", "holdout", distance),
        Pairwise("synthetic", "synthetic", distance),
    )


def _triple(comparison: Comparison, distance: Literal["manhattan", "squared-euclidean"]) -> Triple:
    first, second, third = (comparison.results[request] for request in _triple_requests(distance))
    return first, second, third


def _groups_of_both(comparison: Comparison, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A group to leave out for each holdout and each synthetic sample; holdout relatives stay together."""
    holdout = sample_groups(comparison.groups.get("holdout"), comparison.holdout.n_samples, seed=seed, n_groups=_N_GROUPS)
    n_groups = int(holdout.max(initial=0)) + 1
    return holdout, sample_groups(None, comparison.synthetic.n_samples, seed=seed + 1, n_groups=n_groups)


def _with_jackknife(
    names: tuple[str, ...],
    estimates: Callable[[Triple], NDArray[np.float64]],
    distances: Triple,
    groups: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> tuple[Score, ...]:
    """Scores with standard errors, leaving out each group of both sets at a time."""
    holdout_holdout, synthetic_holdout, synthetic_synthetic = distances
    whole = estimates(distances)
    n_groups = int(max(side.max(initial=0) for side in groups)) + 1
    deleted = []
    for group in range(n_groups):
        holdout, synthetic = (np.flatnonzero(side != group) for side in groups)
        deleted.append(
            estimates(
                (
                    holdout_holdout[np.ix_(holdout, holdout)],
                    synthetic_holdout[np.ix_(synthetic, holdout)],
                    synthetic_synthetic[np.ix_(synthetic, synthetic)],
                )
            )
        )
    sizes = sum(np.bincount(side, minlength=n_groups) for side in groups)
    columns = np.array(deleted)
    return tuple(
        Score(name, float(whole[place]), standard_error=jackknife_standard_error(float(whole[place]), columns[:, place], sizes))
        for place, name in enumerate(names)
    )
