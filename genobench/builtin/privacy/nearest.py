"""Privacy by nearest distance: the membership attack, exact and near copies, and who stands out from every nonmember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from genobench import MISSING, Comparison, Metric, PackedCalls, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import missing
from genobench.builtin.privacy.attacks import attack_scores, attack_specs
from genobench.statgen import (
    nearest_distance,
    sample_call_rate,
    share_above_all,
    true_positive_rate,
    true_positive_rate_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes

_SPECS: Final = attack_specs(
    "membership", "the distance to the nearest synthetic sample", rates=("0_1pct", "1pct", "10pct"), is_primary=True
)
_NEAR_RATE: Final = 0.01
_NONMEMBERS_FOR_NEAR: Final = 100
_FEWEST_CALLED: Final = 0.5
_MOST_A_CALL_ADDS: Final = {"manhattan": 2, "squared-euclidean": 4}
_SCREENED_VARIANTS: Final = 256
_CALLS_PER_BLOCK: Final = 1 << 23


@dataclass(frozen=True)
class MembershipDistance(Metric):
    """An attacker who calls those people or animals members of training that have a synthetic sample near by.

    Threat model: the attacker has the synthetic samples and a target's genotype, and nothing else. Chen D. et al. 2020. GAN-Leaks, the
    full black-box attack. https://doi.org/10.1145/3372297.3417238

    Members are the training samples; the others are nonmembers from the same families, which are exchangeable with them: an AUC above 0.5
    is what the generator leaked. An AUC near 0.5 means that this attack, the simplest, found nothing; it is no proof that none would.
    A true-positive rate at a small false-positive rate sees a leak of a few samples that the AUC averages away (Carlini N. et al. 2022.
    https://doi.org/10.1109/SP46214.2022.9833649), but needs enough nonmembers to place the threshold. `worst_hit_share` asks the same of
    the single samples that are hit worst: which share of members is more exposed than every one of n nonmembers; 1 / (n + 1) by chance.

    A copy equals a training sample at every variant at which both have a call; imputed calls do not count, nor training samples with a call
    at fewer than half of the variants. A near copy is nearer to its nearest training sample than all but one in a hundred nonmembers are to
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
            unit="share",
            direction="lower",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="copied_share",
            summary="share of synthetic samples that equal a training sample in every call that both have",
            unit="share",
            direction="lower",
            ideal=0.0,
            version=2,
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
        """The attack's scores, the share of samples that stand out, and the shares of copies and of near copies."""
        if 0 in (comparison.synthetic.n_samples, comparison.train.n_samples):
            absent = "synthetic" if comparison.synthetic.n_samples == 0 else "training"
            return tuple(missing(spec.name, f"There is no {absent} sample.") for spec in self.scores)
        to_train, to_nonmembers, between = (comparison.results[request] for request in self.needs(comparison.trait))
        members = -nearest_distance(to_train).astype(np.float64)
        others = -nearest_distance(to_nonmembers).astype(np.float64) if len(to_nonmembers) else np.zeros(0)
        is_copy = copies(comparison.synthetic, comparison.train, to_train, distance=self.distance)
        n_copies = int(np.count_nonzero(is_copy))
        return (
            *attack_scores(_SPECS, members, others, comparison),
            _worst_hit(members, others),
            Score("copied_share", n_copies / len(is_copy), interval=wilson_interval(n_copies, len(is_copy))),
            _near_copied(to_train, between),
        )


def copies(
    synthetic: Genotypes, train: Genotypes, distances: NDArray[np.int32], *, distance: Literal["manhattan", "squared-euclidean"]
) -> NDArray[np.bool_]:
    """Which synthetic samples equal a training sample at every variant at which both have a call.

    Distances are between completed calls, and a generator may complete missing calls another way; so whoever is as near as missing calls
    may hide is compared call by call.

    Args:
        synthetic: Synthetic samples; those with a call at fewer than half of the variants are passed over.
        train: Training samples; likewise.
        distances: Of completed calls, shape (n_train, n_synthetic).
        distance: Which they are.

    Returns:
        Shape (n_synthetic,).
    """
    rates = [sample_call_rate(part.calls) for part in (train, synthetic)]
    # Where a call is missing, what completed it may be as far as this from what a copy has there.
    most = [np.ceil(_MOST_A_CALL_ADDS[distance] * train.n_variants * (1 - rate)).astype(np.int32) for rate in rates]
    for hidden, rate in zip(most, rates, strict=True):
        hidden[~(rate >= _FEWEST_CALLED)] = np.iinfo(np.int32).min // 2
    is_copy = np.zeros(synthetic.n_samples, dtype=bool)
    for row in np.flatnonzero(nearest_distance(distances) <= most[0] + most[1].max()):
        columns = np.flatnonzero((distances[row] <= most[0][row] + most[1]) & ~is_copy)
        is_exact = distances[row, columns] == 0
        is_copy[columns[is_exact]] = True
        doubtful = columns[~is_exact]
        if len(doubtful):
            is_copy[doubtful] = _are_equal(train, int(row), synthetic, doubtful)
    return is_copy


def _are_equal(train: Genotypes, row: int, synthetic: Genotypes, columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of these synthetic samples equal the training sample; a first look at few variants parts most of them from it."""
    own = train.calls.rows(slice(row, row + 1))
    is_equal = np.ones(len(columns), dtype=bool)
    n_bytes = -(-_SCREENED_VARIANTS // 4)
    for n_screened in (n_bytes, synthetic.calls.packed.shape[1]):
        places = np.flatnonzero(is_equal)
        step = max(1, _CALLS_PER_BLOCK // max(1, 4 * n_screened))
        for start in range(0, len(places), step):
            some = places[start : start + step]
            n_shown = min(4 * n_screened, synthetic.n_variants)
            theirs = PackedCalls(packed=synthetic.calls.packed[columns[some], :n_screened], n_variants=n_shown).rows(slice(None))
            mine = own[:, :n_shown]
            is_equal[some] = ((theirs == mine) | (theirs == MISSING) | (mine == MISSING)).all(axis=1)
    return is_equal


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
