"""What every attack on single samples has in common: an exposure of each target, and the scores that are read off exposures.

The attacker has the synthetic samples and the genotype of a target, and asks whether the target was in training. An exposure is a number
per target, higher for "was in training". Members are the training samples; the others are nonmembers, exchangeable with them, so whatever
tells the two apart comes from the generator. An attack that does no better than guessing is inconclusive: another may do better.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from genobench import Comparison, Metric, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import all_missing, missing
from genobench.statgen import auc_with_interval, best_advantage, true_positive_rate, true_positive_rate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Clue = Literal["manhattan", "opposing-homozygotes", "shared-segment", "king"]
    Exposures = NDArray[np.float64]

FALSE_POSITIVE_RATES: Final = {"0_1pct": 0.001, "1pct": 0.01, "10pct": 0.1}
"""By the name that a score has for them. Each needs ten false positives: 10 / rate nonmembers."""

_FALSE_POSITIVES_NEEDED: Final = 10


def attack_specs(
    prefix: str, clue: str, *, rates: Sequence[str] = ("1pct", "10pct"), is_primary: bool = False, version: int = 1
) -> tuple[ScoreSpec, ...]:
    """What an attack declares: AUC, advantage, and the true-positive rate at small false-positive rates.

    Args:
        prefix: Of the scores' names.
        clue: What the attack goes by, after "by".
        rates: Keys of `FALSE_POSITIVE_RATES`.
        is_primary: Whether boards rank by the AUC.
        version: Of the definition.
    """
    return (
        ScoreSpec(
            name=f"{prefix}_auc",
            summary=f"AUC of telling training samples from nonmembers by {clue}; above 0.5 is a leak, 0.5 is inconclusive",
            unit="AUC",
            direction="lower",
            ideal=0.5,
            version=version,
            is_primary=is_primary,
            chance=0.5,
        ),
        ScoreSpec(
            name=f"{prefix}_advantage",
            summary="largest true-positive less false-positive rate of this attack over all thresholds; above the band is a leak",
            unit="advantage",
            direction="lower",
            ideal=None,
            version=version,
        ),
        *(
            ScoreSpec(
                name=f"{prefix}_tpr_at_{rate}_fpr",
                summary=f"share of training samples that this attack finds while it wrongly accuses at most {_percent(rate)} of nonmembers",
                unit="share",
                direction="lower",
                ideal=FALSE_POSITIVE_RATES[rate],
                version=version,
            )
            for rate in rates
        ),
    )


def attack_scores(
    specs: Sequence[ScoreSpec], members: Exposures, others: Exposures, comparison: Comparison, *, widening: float = 1.0
) -> tuple[Score, ...]:
    """The scores that `attack_specs` declares, from the exposures of members and of nonmembers.

    Args:
        specs: As `attack_specs` gave them.
        members: Exposures of the training samples, shape (n_train,).
        others: Exposures of the nonmembers, shape (n_nonmembers,).
        comparison: Whose samples they are; its groups say who is related.
        widening: Of the AUC's interval, where exposures of different targets hang together.
    """
    if min(len(members), len(others)) < 2:
        reason = f"The attack needs two members and two nonmembers; there are {len(members)} and {len(others)}."
        return all_missing([spec.name for spec in specs], reason)
    auc, (low, high) = auc_with_interval(members, others, families=families_of(comparison))
    interval = (max(0.0, auc - widening * (auc - low)), min(1.0, auc + widening * (high - auc)))
    advantage, advantage_interval = best_advantage(members, others)
    return (
        Score(specs[0].name, auc, interval=interval),
        Score(specs[1].name, advantage, interval=advantage_interval),
        *(_true_positives(spec.name, members, others) for spec in specs[2:]),
    )


def families_of(comparison: Comparison) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """The number that relatives share, for each training sample and each nonmember; None where nobody knows."""
    members, others = comparison.groups.get("train"), comparison.groups.get("nonmembers")
    return None if members is None or others is None else (members, others)


@dataclass(frozen=True)
class RecordAttack(Metric):
    """An attack on single samples by numbers for pairs of samples.

    `clues` names measures between targets and synthetic samples, `reference_clues` those between targets and the holdout, whom the
    attacker knows to be in no training set.
    """

    family = "privacy"
    clues: ClassVar[tuple[Clue, ...]]
    reference_clues: ClassVar[tuple[Clue, ...]] = ()

    @abstractmethod
    def exposures(self, matrices: Sequence[NDArray[np.int32]]) -> tuple[Exposures, Exposures]:
        """Exposures of members and of nonmembers.

        Args:
            matrices: For each of `clues` and then of `reference_clues`: members x synthetic (holdout), nonmembers x synthetic (holdout).
        """

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Members and nonmembers against synthetic samples, then against the reference."""
        return (
            *(Pairwise(part, "synthetic", clue) for clue in self.clues for part in ("train", "nonmembers")),
            *(Pairwise(part, "holdout", clue) for clue in self.reference_clues for part in ("train", "nonmembers")),
        )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """AUC, advantage and true-positive rates of the attack; NaN where a part is too small."""
        reason = self.reason_for_none(comparison)
        if reason is not None:
            return all_missing([spec.name for spec in self.scores], reason)
        members, others = self.exposures([comparison.results[request] for request in self.needs(comparison.trait)])
        return attack_scores(self.scores, members, others, comparison)

    def reason_for_none(self, comparison: Comparison) -> str | None:
        """Why there is no score; None where there may be one."""
        if comparison.synthetic.n_samples == 0:
            return "There is no synthetic sample."
        n_members, n_others = comparison.train.n_samples, comparison.nonmembers.n_samples
        if min(n_members, n_others) < 2:
            return f"The attack needs two members and two nonmembers; there are {n_members} and {n_others}."
        if self.reference_clues and comparison.holdout.n_samples == 0:
            return "The attack compares with reference samples that nobody trained on, and the holdout has none."
        return None


def _true_positives(name: str, members: Exposures, others: Exposures) -> Score:
    key = name.rsplit("_tpr_at_", 1)[1].removesuffix("_fpr")
    false_positive_rate = FALSE_POSITIVE_RATES[key]
    n_needed = round(_FALSE_POSITIVES_NEEDED / false_positive_rate)
    if len(others) < n_needed:
        reason = f"A false-positive rate of {_percent(key)} needs {n_needed:,} nonmembers; there are {len(others):,}."
        enough = [rate for rate, value in FALSE_POSITIVE_RATES.items() if len(others) * value >= _FALSE_POSITIVES_NEEDED]
        return missing(name, f"{reason} The next that has enough is {_percent(enough[0])}." if enough else reason)
    rate = true_positive_rate(members, others, false_positive_rate=false_positive_rate)
    return Score(name, rate, interval=true_positive_rate_interval(members, others, false_positive_rate=false_positive_rate))


def _percent(rate: str) -> str:
    return f"{100 * FALSE_POSITIVE_RATES[rate]:g} %"
