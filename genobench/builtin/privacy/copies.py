"""Privacy at its plainest: which synthetic samples are training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import MISSING, Comparison, Metric, PackedCalls, Pairwise, Part, Score, ScoreSpec, Trait
from genobench.statgen import nearest_distance, sample_call_rate, wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes

_FEWEST_CALLED: Final = 0.5
_MOST_A_CALL_ADDS: Final = 2
_SCREENED_VARIANTS: Final = 256
_CALLS_PER_BLOCK: Final = 1 << 23
_REQUEST: Final = Pairwise("train", "synthetic")


@dataclass(frozen=True)
class Copies(Metric):
    """The share of synthetic samples that are copies of training samples.

    Threat model: none is needed; whoever holds the synthetic samples holds the training samples themselves. So this is a count and no
    attack: it takes no nonmembers, and no self-check can withdraw it.

    A copy equals a training sample at every variant at which both have a call; imputed calls do not count, nor samples with a call at fewer
    than half of the variants. The interval is Wilson's and takes synthetic samples as independent.
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="copied_share",
            summary="share of synthetic samples that equal a training sample in every call that both have",
            unit="share",
            direction="lower",
            ideal=0.0,
            version=2,
        ),
    )

    @property
    def parts(self) -> tuple[Part, ...]:
        """Train and the synthetic samples."""
        return ("train", "synthetic")

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of training samples to synthetic ones."""
        return (_REQUEST,)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The share of copies."""
        is_copy = copies(comparison.synthetic, comparison.train, comparison.results[_REQUEST])
        if not len(is_copy):
            return (Score("copied_share", float("nan"), reason="There is no synthetic sample."),)
        n_copies = int(np.count_nonzero(is_copy))
        return (Score("copied_share", n_copies / len(is_copy), interval=wilson_interval(n_copies, len(is_copy))),)


def copies(synthetic: Genotypes, train: Genotypes, distances: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which synthetic samples equal a training sample at every variant at which both have a call.

    Distances are between completed calls, and a generator may complete missing calls another way; so whoever is as near as missing calls
    may hide is compared call by call.

    Args:
        synthetic: Synthetic samples; those with a call at fewer than half of the variants are passed over.
        train: Training samples; likewise.
        distances: Manhattan, of completed calls, shape (n_train, n_synthetic).

    Returns:
        Shape (n_synthetic,).
    """
    rates = [sample_call_rate(part.calls) for part in (train, synthetic)]
    # Where a call is missing, what completed it may be as far as this from what a copy has there.
    most = [np.ceil(_MOST_A_CALL_ADDS * train.n_variants * (1 - rate)).astype(np.int32) for rate in rates]
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
