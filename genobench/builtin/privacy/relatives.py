"""Privacy by kinship: synthetic samples as relatives of training samples, by shared segments, opposing homozygotes, and kinship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy.special import gammaln

from genobench import Comparison, Metric, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import jackknifed, missing
from genobench.builtin.privacy.attacks import RecordAttack, attack_specs, families_of
from genobench.statgen import sample_groups, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]
    Kinship = NDArray[np.float32]

_N_GROUPS: Final = 20
_MOST_IN_A_BYTE: Final = 255
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class SharedSegment(RecordAttack):
    """An attacker who calls members those who share a long stretch of genome with some synthetic sample.

    Threat model: the attacker has the synthetic samples and the target's genotype, unphased. A stretch is shared as long as no variant of a
    chromosome has one homozygote against the other, as in the search for segments identical by descent by homozygous differences. Roach
    J.C. et al. 2010. Science 328: 636-639. https://doi.org/10.1126/science.1186802 ; Kong A. et al. 2008. Nature Genetics 40: 1068-1075.
    https://doi.org/10.1038/ng.216

    The exposure is the number of variants in the longest stretch. It cannot be longer than the longest chromosome, which near relatives
    share too, so those who share as much are told apart by their distance.
    """

    most_samples = 2_000
    scores = attack_specs("shared_segment", "the longest stretch without opposing homozygotes that they share with a synthetic sample")
    clues = ("shared-segment", "manhattan")

    def exposures(self, matrices: Sequence[NDArray[np.int32]]) -> tuple[Floats, Floats]:
        """The longest stretch with any synthetic sample, and distance where stretches are equal."""
        members, others, members_away, others_away = matrices
        return _most(members, members_away), _most(others, others_away)


@dataclass(frozen=True)
class OpposingHomozygotes(RecordAttack):
    """An attacker who calls members those who could be parent or child of some synthetic sample.

    Threat model: the attacker has the synthetic samples and the target's genotype. Parent and child have no variant where one is homozygous
    for one allele and the other for the other; the exposure is the fewest such variants with any synthetic sample, negated. A copy has
    none either, so those who have as many are told apart by their distance. Hayes B.J. 2011. Efficient parentage assignment and pedigree
    reconstruction with dense single nucleotide polymorphism data. Journal of Dairy Science 94: 2114-2117.
    https://doi.org/10.3168/jds.2010-3896
    """

    scores = attack_specs("opposing_homozygotes", "the fewest opposing homozygotes with any synthetic sample")
    clues = ("opposing-homozygotes", "manhattan")

    def exposures(self, matrices: Sequence[NDArray[np.int32]]) -> tuple[Floats, Floats]:
        """The fewest opposing homozygotes, negated, and distance where they are as many."""
        members, others, members_away, others_away = matrices
        return _most(-members, members_away), _most(-others, others_away)


@dataclass(frozen=True)
class KinshipReplay(Metric):
    """Are synthetic samples closer kin to training samples than to unseen ones?

    Threat model: the attacker has the synthetic samples and the genotypes of a family, and asks whether relatives of a synthetic sample
    were in training: one that replays a training sample, whole or in part, betrays its kin as well. For each synthetic sample its closest
    kinship (KING-robust) to training samples is held against that to nonmembers, as many of both, family by family; a tie counts one
    half. Kinship: Manichaikul A. et al. 2010. Bioinformatics 26: 2867-2873. https://doi.org/10.1093/bioinformatics/btq559

    The value is the mean over all draws of as many training samples as there are nonmembers, which needs no drawing: the chance that n
    draws from N hold none of r closer kin is C(N - r, n) / C(N, n). Nonmembers are exchangeable with such a draw, so 0.5 is chance. A few
    real samples are the closest kin of many synthetic ones, so the standard error leaves out families of real samples, with as large a
    share of the synthetic ones.
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="kinship_replay",
            summary="share of synthetic samples closer kin to a training sample than to any of as many nonmembers; above 0.5 is a leak",
            unit="share",
            direction="lower",
            ideal=0.5,
            version=1,
            chance=0.5,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Kinship of members and nonmembers with synthetic samples."""
        return (Pairwise("train", "synthetic", "king"), Pairwise("nonmembers", "synthetic", "king"))

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The share, with the error of a jackknife over families and synthetic samples together."""
        n_real = (comparison.train.n_samples, comparison.nonmembers.n_samples)
        if comparison.synthetic.n_samples == 0 or min(n_real) < 2:
            counts = f"there are {comparison.synthetic.n_samples}, {n_real[0]} and {n_real[1]}"
            return (missing("kinship_replay", f"It takes a synthetic sample, two training samples and two nonmembers; {counts}."),)
        members, others = (_known(comparison.results[request]) for request in self.needs(comparison.trait))
        families = families_of(comparison) or (np.arange(n_real[0]), n_real[0] + np.arange(n_real[1]))
        value = float(kinship_replay(members, others, families=families).mean())
        real = sample_groups([str(label) for label in np.concatenate(families)], sum(n_real), seed=seed, n_groups=_N_GROUPS)
        parts = (real[: n_real[0]], real[n_real[0] :], sample_groups(None, members.shape[1], seed=seed + 1, n_groups=_N_GROUPS))
        deleted, sizes = [], []
        for group in range(int(real.max()) + 1):
            kept = [np.flatnonzero(part != group) for part in parts]
            if min(map(len, kept)) == 0:
                continue
            chances = kinship_replay(members, others, families=families, kept=(kept[0], kept[1]))
            deleted.append(float(chances[kept[2]].mean()))
            sizes.append(sum(len(part) for part in parts) - sum(map(len, kept)))
        score = jackknifed("kinship_replay", value, deleted, sizes, limits=(0.0, 1.0))
        if max(abs(value - round(value)), score.standard_error or 0.0) < _ROUNDING:
            # Leaving out a group shows no noise; a share of 0 or 1 among as many groups says how sure that is.
            n_groups, share = max(1, len(deleted)), round(value)
            score = Score(score.name, float(share), interval=wilson_interval(share * n_groups, n_groups))
        return (score,)


def kinship_replay(
    members: Kinship, others: Kinship, *, families: tuple[Groups, Groups], kept: tuple[Groups, Groups] | None = None
) -> Floats:
    """For each column, the chance that its largest value among members, drawn as many as there are others, is above that among others.

    Args:
        members: Shape (n_members, n_synthetic).
        others: Shape (n_others, n_synthetic).
        families: The family of each member and of each other; as many members are drawn from a family as it has others. Families with
            fewer members than others, and those without others, are thrown together.
        kept: Positions of the members and of the others that there are; all for None.

    Returns:
        Chances over all draws, a tie counting one half, shape (n_synthetic,).
    """
    rows, bars = (np.arange(len(members)), np.arange(len(others))) if kept is None else kept
    if len(bars) > len(rows):
        return 1 - kinship_replay(others, members, families=families[::-1], kept=(bars, rows))
    strata, n_drawn = _strata(families[0][rows], families[1][bars])
    order, sizes = rows[np.argsort(strata, kind="stable")], np.bincount(strata)
    closest = others[bars].max(axis=0)
    # Where nothing is tied, being as close is being closer.
    comparisons = (members > closest, members >= closest) if (members == closest).any() else (members > closest,)
    of_none = [np.exp(_log_chance_of_none(_counts(is_closer[order], sizes), sizes, n_drawn)) for is_closer in comparisons]
    chances: Floats = 1 - np.mean(of_none, axis=0)
    return chances


def _counts(is_closer: NDArray[np.bool_], sizes: Groups) -> NDArray[np.intp]:
    """How many rows of each stratum are set, shape (n_strata, n_synthetic); strata follow one another."""
    counts = np.zeros((len(sizes), is_closer.shape[1]), dtype=np.intp)
    codes = is_closer.view(np.uint8)
    for stratum, (end, size) in enumerate(zip(np.cumsum(sizes), sizes, strict=True)):
        # Sums of bytes are ten times as fast as sums of numbers, and hold 255.
        for start in range(end - size, end, _MOST_IN_A_BYTE):
            counts[stratum] += codes[start : min(end, start + _MOST_IN_A_BYTE)].sum(axis=0, dtype=np.uint8)
    return counts


def _strata(members: Groups, others: Groups) -> tuple[Groups, Groups]:
    """The stratum of each member, from 0 without a gap, and how many of each are drawn."""
    labels = np.unique(np.concatenate([members, others]))
    n_members, n_others = (np.bincount(np.searchsorted(labels, side), minlength=len(labels)) for side in (members, others))
    is_own = (n_others > 0) & (n_members >= n_others)
    drawn = np.append(n_others[is_own], n_others[~is_own].sum())
    present = np.append(n_members[is_own], n_members[~is_own].sum())
    if drawn[-1] > present[-1]:
        return np.zeros(len(members), dtype=np.intp), np.array([len(others)])
    number = np.where(is_own, np.cumsum(is_own) - 1, is_own.sum())
    strata: Groups = number[np.searchsorted(labels, members)]
    return strata, drawn if present[-1] else drawn[:-1]


def _log_chance_of_none(n_closer: NDArray[np.intp], sizes: Groups, n_drawn: Groups) -> Floats:
    """Logarithm of the chance that no closer kin is drawn, shape (n_synthetic,), from their number in each stratum."""
    # All strata's tables, for 0, 1, ..., size closer kin, one after the other.
    starts = np.cumsum(sizes + 1) - (sizes + 1)
    size, drawn = np.repeat(sizes, sizes + 1), np.repeat(n_drawn, sizes + 1)
    left = size - (np.arange(len(size)) - np.repeat(starts, sizes + 1))
    # The logarithm of a factorial below 0! is infinite: fewer are left than are drawn.
    table = gammaln(left + 1) - gammaln(np.maximum(left - drawn, -1) + 1) - gammaln(size + 1) + gammaln(size - drawn + 1)
    logs: Floats = table[starts[:, None] + n_closer].sum(axis=0)
    return logs


def _most(alike: NDArray[np.int32], distances: NDArray[np.int32]) -> Floats:
    """The most that a target is like any synthetic sample, less a part of 1 that is the nearer to 1 the farther that sample is."""
    most = alike.max(axis=1)
    nearest = np.where(alike == most[:, None], distances, np.iinfo(np.int32).max).min(axis=1).astype(np.float64)
    exposures: Floats = most - nearest / (1 + nearest)
    return exposures


def _known(kinship: Kinship) -> Kinship:
    """Kinship that is not defined counts as none at all."""
    return np.where(np.isnan(kinship), np.float32(-np.inf), kinship) if np.isnan(kinship).any() else kinship
