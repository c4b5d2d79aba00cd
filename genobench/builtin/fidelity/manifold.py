"""Fidelity: do synthetic samples and the holdout cover one another? Neighbourhoods, and who is nearest to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genobench import Comparison, Metric, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import all_missing
from genobench.builtin.fidelity.neighbourhoods import Distance, TwoSets, neighbour_requests, score_at


@dataclass(frozen=True)
class PrecisionRecall(Metric):
    """Precision, recall, density and coverage of the k-nearest-neighbour manifolds of synthetic samples and the holdout.

    Precision and recall saturate where there are many variants: two real sets reach 1 at large k, and then tell no generator from another.
    The band, real samples in the place of synthetic ones, says how much room is left. A holdout sample far from all
    others has a ball that holds everything: precision takes it for the whole manifold, density for one ball, coverage for one sample.

    Standard errors leave out a group of the holdout at a time, relatives together, and the same share of the synthetic samples. A jackknife
    errs on the wide side (Efron B., Stein C. 1981. Annals of Statistics 9: 586-596. https://doi.org/10.1214/aos/1176345462), for statistics
    of neighbours by much: over pairs of fresh draws of 200 and 200 samples, 300 variants, unrelated or in families of ten, the errors were
    1.2 to 2.1 times the spread (density: 1.0 to 1.2), and the 95 % intervals held the mean in 97 to 100 % of 400 pairs (density: 95 %)
    (tests/benchmarks/neighbour_intervals.py).

    Args:
        k: A sample's ball reaches to its k-th nearest other sample of its own set; 10 by default.
        distance: `manhattan` or `squared-euclidean` (which ranks as Euclidean distance does).
    """

    k: int = 10
    distance: Distance = "manhattan"

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="precision",
            summary="share of synthetic samples inside the neighbourhood of some holdout sample (k = 10 unless set)",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
        ScoreSpec(
            name="recall",
            summary="share of holdout samples inside the neighbourhood of some synthetic sample (k = 10 unless set)",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
        ScoreSpec(
            name="precision_recall_f1",
            summary="harmonic mean of precision and recall (k = 10 unless set)",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
            is_primary=True,
        ),
        ScoreSpec(
            name="density",
            summary="mean number of holdout neighbourhoods that a synthetic sample lies in, over k (k = 10 unless set); above 1: crowded",
            unit="neighbourhoods per k",
            direction="target",
            ideal=1.0,
            version=1,
        ),
        ScoreSpec(
            name="coverage",
            summary="share of holdout samples whose neighbourhood holds some synthetic sample (k = 10 unless set)",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances within and between the two sets."""
        return neighbour_requests("holdout", self.distance)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The five scores; NaN where a set has no k other samples."""
        sets = TwoSets.of(comparison, "holdout", self.distance, seed=seed)
        names = tuple(spec.name for spec in self.scores)
        if not 1 <= self.k < sets.smallest:
            return all_missing(names, f"k is {self.k}, but the smaller set has {sets.smallest} samples; k must be from 1 to one less.")
        estimates = sets.manifold_estimates(self.k)
        largest = {"density": float("inf")}
        return tuple(score_at(estimates, place, name, largest=largest.get(name, 1.0)) for place, name in enumerate(names))


@dataclass(frozen=True)
class AdversarialAccuracy(Metric):
    """Nearest-neighbour adversarial accuracy of synthetic samples against the holdout, with both halves; ties count one half.

    Below 0.5 the synthetic samples lie closer to the holdout than it does to itself, above 0.5 the two sets can be told apart. With
    relatives in the holdout even real samples do not score 0.5, which is why the band says what is ideal. Each half also depends on the
    sizes of the sets, so of the larger one so many samples are drawn as the smaller has. No score here is primary: samples without linkage
    lie between all others, score 1 and 0 in the halves, and 0.5 in the mean. Standard errors are those of `PrecisionRecall`: 1.3 to
    2.5 times the spread over fresh draws, and the intervals held the mean in 98 to 100 % of pairs.

    Args:
        distance: `manhattan` or `squared-euclidean`.
    """

    distance: Distance = "manhattan"

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="aats",
            summary="mean of the two halves of nearest-neighbour adversarial accuracy; two halves far apart can cancel",
            unit="share",
            direction="target",
            ideal=None,
            version=2,
        ),
        ScoreSpec(
            name="aats_real",
            summary="share of holdout samples nearer to another holdout sample than to any synthetic one",
            unit="share",
            direction="target",
            ideal=None,
            version=2,
        ),
        ScoreSpec(
            name="aats_synthetic",
            summary="share of synthetic samples nearer to another synthetic sample than to any holdout one",
            unit="share",
            direction="target",
            ideal=None,
            version=2,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances within and between the two sets."""
        return neighbour_requests("holdout", self.distance)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The mean and its halves; NaN where a set has fewer than two samples."""
        sets = TwoSets.of(comparison, "holdout", self.distance, seed=seed).of_equal_size(seed=seed)
        names = tuple(spec.name for spec in self.scores)
        if sets.smallest < 2:
            return all_missing(names, f"Each set needs two samples at least; the smaller one has {sets.smallest}.")
        estimates = sets.adversarial_estimates(tie=0.5)
        return tuple(score_at(estimates, place, name) for place, name in enumerate(names))
