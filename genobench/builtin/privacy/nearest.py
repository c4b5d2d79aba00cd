"""Privacy by nearest distance: the membership attack, near copies, and who stands out from every nonmember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from genobench import Comparison, Metric, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import missing
from genobench.builtin.privacy.attacks import attack_scores, attack_specs
from genobench.statgen import (
    nearest_distance,
    share_above_all,
    true_positive_rate,
    true_positive_rate_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPECS: Final = attack_specs(
    "membership", "the distance to the nearest synthetic sample", rates=("0_1pct", "1pct", "10pct"), is_primary=True
)
_NEAR_RATE: Final = 0.01
_NONMEMBERS_FOR_NEAR: Final = 100


@dataclass(frozen=True)
class MembershipDistance(Metric):
    """An attacker who calls those people or animals members of training that have a synthetic sample near by.

    Threat model: the attacker has the synthetic samples and a target's genotype, and nothing else. Chen D. et al. 2020. GAN-Leaks, the
    full black-box attack. https://doi.org/10.1145/3372297.3417238

    Members are the training samples; the others are nonmembers from the same families, which are exchangeable with them: an AUC above 0.5
    is what the generator leaked. An AUC near 0.5 means that this attack, the simplest, found nothing; it is no proof that none would.
    A true-positive rate at a small false-positive rate sees a leak of a few samples that the AUC averages away (Carlini N. et al. 2022.
    https://doi.org/10.1109/SP46214.2022.9833649), but needs enough nonmembers to place the threshold. `worst_hit_share` asks the same of
    the single samples that are hit worst: which share of members is more exposed than every one of n nonmembers; 1 / (n + 1) by chance,
    but then with a long tail, P(share > s) = (1 - s)^n, so that boards show it and do not mark leaks by it.

    A near copy is nearer to its nearest training sample than all but one in a hundred nonmembers are to
    theirs: a synthetic sample that is as far from training as unseen relatives are is one with a chance of (floor(n / 100) + 1) / (n + 1),
    n nonmembers, since any of those n + 1 is as likely to be that near. Its interval takes synthetic samples as independent.

    Args:
        distance: `manhattan` or `squared-euclidean`.
    """

    distance: Literal["manhattan", "squared-euclidean"] = "manhattan"

    family = "privacy"
    scores: ClassVar = (
        *_SPECS,
        ScoreSpec(
            name="worst_hit_share",
            summary="share of training samples nearer to a synthetic sample than every nonmember; 1 / (nonmembers + 1) by chance",
            # Not "share": boards mark leaks by normal noise, and this one, above a single extreme, is exponential by chance.
            unit="share of training samples",
            direction="lower",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="near_copied_share",
            summary="share of synthetic samples nearer to a training sample than 99 % of nonmembers are; about 1 % for unseen real samples",
            unit="share",
            direction="lower",
            ideal=_NEAR_RATE,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of members and nonmembers to the synthetic samples, and of nonmembers to members."""
        return (
            Pairwise("train", "synthetic", self.distance),
            Pairwise("nonmembers", "synthetic", self.distance),
            Pairwise("nonmembers", "train", self.distance),
        )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The attack's scores, the share of samples that stand out, and the share of near copies."""
        if 0 in (comparison.synthetic.n_samples, comparison.train.n_samples):
            absent = "synthetic" if comparison.synthetic.n_samples == 0 else "training"
            return tuple(missing(spec.name, f"There is no {absent} sample.") for spec in self.scores)
        to_train, to_nonmembers, between = (comparison.results[request] for request in self.needs(comparison.trait))
        members = -nearest_distance(to_train).astype(np.float64)
        others = -nearest_distance(to_nonmembers).astype(np.float64) if len(to_nonmembers) else np.zeros(0)
        return (
            *attack_scores(_SPECS, members, others, comparison),
            _worst_hit(members, others),
            _near_copied(to_train, between),
        )


def _worst_hit(members: NDArray[np.float64], others: NDArray[np.float64]) -> Score:
    if len(others) == 0:
        return missing("worst_hit_share", "Nobody stands out from nonmembers where there are none.")
    above = share_above_all(members, others)
    return Score("worst_hit_share", above.share, interval=above.interval)


def _near_copied(to_train: NDArray[np.int32], nonmembers_to_train: NDArray[np.int32]) -> Score:
    """The share of near copies: true positives at 1 % false positives where nonmembers stand for synthetic samples."""
    if len(nonmembers_to_train) < _NONMEMBERS_FOR_NEAR:
        reason = f"To say what is near takes {_NONMEMBERS_FOR_NEAR} nonmembers; there are {len(nonmembers_to_train)}."
        return missing("near_copied_share", reason)
    found, usual = -to_train.min(axis=0).astype(np.float64), -nearest_distance(nonmembers_to_train).astype(np.float64)
    rate = true_positive_rate(found, usual, false_positive_rate=_NEAR_RATE)
    return Score("near_copied_share", rate, interval=true_positive_rate_interval(found, usual, false_positive_rate=_NEAR_RATE))
