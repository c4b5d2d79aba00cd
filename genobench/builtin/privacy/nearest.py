"""Privacy: what the synthetic samples give away about who was in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from genobench import Comparison, Pairwise, Metric, Score, ScoreSpec, Trait
from genobench.statgen import (
    auc_with_standard_error,
    nearest_distance,
    true_positive_rate,
    true_positive_rate_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Z_95: Final = 1.959963984540054


@dataclass(frozen=True)
class MembershipDistance(Metric):
    """An attacker who calls those people or animals members of training that have a synthetic sample near by.

    Members are the training samples; the others are nonmembers from the same families, which are exchangeable with them: an AUC above 0.5
    is what the generator leaked. An AUC near 0.5 means that this attack, the simplest, found nothing; it is no proof that none would.
    DeLong's interval takes samples as independent; nonmembers are spread over the training families, so with families it errs on the wide
    side. A true-positive rate at a small false-positive rate sees a leak of a few samples that the AUC averages away (Carlini N. et al.
    2022. https://doi.org/10.1109/SP46214.2022.9833649), but needs enough nonmembers to place the threshold.

    Args:
        distance: `manhattan` or `squared-euclidean`.
    """

    distance: Literal["manhattan", "squared-euclidean"] = "manhattan"

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="membership_auc",
            summary="AUC of telling training samples from nonmembers by the distance to the nearest synthetic sample; above 0.5 is a leak",
            unit="AUC",
            direction="lower",
            ideal=0.5,
            version=1,
            is_primary=True,
        ),
        ScoreSpec(
            name="membership_tpr_at_1pct_fpr",
            summary="share of training samples that this attack finds while it wrongly accuses at most 1 % of nonmembers",
            unit="share",
            direction="lower",
            ideal=0.01,
            version=1,
        ),
        ScoreSpec(
            name="membership_tpr_at_10pct_fpr",
            summary="share of training samples that this attack finds while it wrongly accuses at most 10 % of nonmembers",
            unit="share",
            direction="lower",
            ideal=0.1,
            version=1,
        ),
        ScoreSpec(
            name="copied_share",
            summary="share of synthetic samples that equal a training sample in every call",
            unit="share",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of members and nonmembers to the synthetic samples."""
        return (Pairwise("train", "synthetic", self.distance), Pairwise("nonmembers", "synthetic", self.distance))

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The attack's AUC with DeLong's interval, its true-positive rates, and the share of copies with Wilson's."""
        if comparison.synthetic.n_samples == 0:
            return tuple(Score(spec.name, float("nan"), reason="There is no synthetic sample.") for spec in self.scores)
        to_train, to_nonmembers = (comparison.results[request] for request in self.needs(comparison.trait))
        members = -nearest_distance(to_train).astype(np.float64)
        copied = np.count_nonzero((to_train == 0).any(axis=0))
        others = -nearest_distance(to_nonmembers).astype(np.float64) if len(to_nonmembers) else np.zeros(0)
        return (
            _auc(members, others),
            _true_positives("membership_tpr_at_1pct_fpr", members, others, false_positive_rate=0.01, n_required=1000),
            _true_positives("membership_tpr_at_10pct_fpr", members, others, false_positive_rate=0.10, n_required=100),
            _share("copied_share", int(copied), comparison.synthetic.n_samples),
        )


def _auc(members: NDArray[np.float64], others: NDArray[np.float64]) -> Score:
    if min(len(members), len(others)) < 2:
        reason = f"The attack needs two members and two nonmembers; there are {len(members)} and {len(others)}."
        return Score("membership_auc", float("nan"), reason=reason)
    auc, standard_error = auc_with_standard_error(members, others)
    if auc in {0.0, 1.0}:
        # Full separation leaves DeLong no variance; a share of 0 or 1 in the smaller group says how sure that is.
        n_smaller = min(len(members), len(others))
        return Score("membership_auc", auc, interval=wilson_interval(int(auc) * n_smaller, n_smaller))
    margin = _Z_95 * standard_error
    return Score("membership_auc", auc, interval=(max(0.0, auc - margin), min(1.0, auc + margin)))


def _true_positives(
    name: str, members: NDArray[np.float64], others: NDArray[np.float64], *, false_positive_rate: float, n_required: int
) -> Score:
    if len(others) < n_required:
        reason = f"A false-positive rate of {false_positive_rate:.0%} needs {n_required:,} nonmembers; there are {len(others):,}."
        return Score(name, float("nan"), reason=reason)
    rate = true_positive_rate(members, others, false_positive_rate=false_positive_rate)
    return Score(name, rate, interval=true_positive_rate_interval(members, others, false_positive_rate=false_positive_rate))


def _share(name: str, n_found: int, n: int) -> Score:
    return Score(name, n_found / n, interval=wilson_interval(n_found, n))
