"""Numbers that are often given for privacy and do not measure it: none has an attacker. Kept for comparison with published figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from genobench import Comparison, Metric, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.builtin.privacy.attacks import families_of
from genobench.statgen import adversarial_accuracy, adversarial_accuracy_without, nearest_distances, sample_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Distances = NDArray[np.int32]
    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]

_N_GROUPS: Final = 20
_FEWEST: Final = 6


@dataclass(frozen=True)
class ClosestRecords(Metric):
    """Diagnostic, not privacy: how near the closest training record is to a synthetic sample.

    Threat model: none; a median over synthetic samples cannot see that a few of them are copies, and an attack with an AUC of 1 may leave
    it where it is. Distances are Manhattan. `dcr` is the median distance to the closest training record over the median distance to the
    closest nonmember, as many of both; `nndr` the median ratio of the distances to the closest and the second closest training record,
    where two records at distance 0 count as 1.

    Zhao Z. et al. 2021. CTAB-GAN: effective table data synthesizing, section 4.1. PMLR 157: 97-112.
    https://doi.org/10.48550/arXiv.2102.08369 ; why these fall short: Yao Z. et al. 2025. The DCR delusion: measuring the privacy risk of
    synthetic data. https://doi.org/10.48550/arXiv.2505.01524
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="dcr",
            summary="diagnostic, not privacy: median distance to the closest training record over that to the closest nonmember",
            unit="ratio",
            direction="target",
            ideal=1.0,
            version=1,
        ),
        ScoreSpec(
            name="nndr",
            summary="diagnostic, not privacy: median ratio of the distances to the closest and the second closest training record",
            unit="ratio",
            direction="target",
            ideal=None,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of members and nonmembers to the synthetic samples."""
        return (Pairwise("train", "synthetic"), Pairwise("nonmembers", "synthetic"))

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Both ratios, with the error of a jackknife over groups of real and of synthetic samples together."""
        reason = _reason_for_none(comparison)
        if reason is not None:
            return all_missing([spec.name for spec in self.scores], reason)
        members, others = (comparison.results[request] for request in self.needs(comparison.trait))
        drawn = _Drawn.of(comparison, members, others, n_synthetic=members.shape[1], seed=seed)
        closest, to_nonmembers = (_medians_without(matrix[rows], groups, drawn) for matrix, rows, groups in drawn.sides(members, others))
        ratios = np.divide(closest, to_nonmembers, out=np.full(len(closest), np.nan), where=to_nonmembers > 0)
        two = nearest_distances(members.T, 2)
        of_two = np.divide(two[:, 0], two[:, 1], out=np.ones(len(two)), where=two[:, 1] > 0)
        neighbours = [float(np.median(of_two[drawn.synthetic_groups != group])) for group in range(drawn.n_groups)]
        n_synthetic = np.bincount(drawn.synthetic_groups, minlength=drawn.n_groups)
        undefined = "The median distance to the closest nonmember is 0."
        return (
            jackknifed("dcr", float(ratios[0]), ratios[1:], drawn.sizes, limits=(0.0, np.inf), reason=undefined),
            jackknifed("nndr", float(np.median(of_two)), neighbours, n_synthetic, limits=(0.0, 1.0)),
        )


@dataclass(frozen=True)
class AdversarialAccuracyLoss(Metric):
    """Diagnostic, not privacy: how much nearer synthetic samples are to training samples than to unseen ones, by adversarial accuracy.

    Threat model: none; a mean over samples. The nearest-neighbour adversarial accuracy (AATS, a tie counting one half, Manhattan distance)
    of synthetic samples against nonmembers, less that against as many training samples; all three sets hold as many samples. Positive
    where synthetic samples are nearer to training: a leak.

    Yale A. et al. 2020. Generation and evaluation of privacy preserving synthetic health data. Neurocomputing 416: 244-255, section 3.
    https://doi.org/10.1016/j.neucom.2019.12.136
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="aats_privacy_loss",
            summary="diagnostic, not privacy: adversarial accuracy against nonmembers less that against train; above 0 is a leak",
            unit="accuracy",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances between and within members, nonmembers and synthetic samples."""
        return (
            Pairwise("train", "synthetic"),
            Pairwise("nonmembers", "synthetic"),
            Pairwise("train", "train"),
            Pairwise("nonmembers", "nonmembers"),
            Pairwise("synthetic", "synthetic"),
        )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The difference of the two accuracies, with the error of a jackknife over groups of real and of synthetic samples together."""
        reason = _reason_for_none(comparison)
        if reason is not None:
            return all_missing(["aats_privacy_loss"], reason)
        members, others, within_members, within_others, within_synthetic = (
            comparison.results[request] for request in self.needs(comparison.trait)
        )
        n_each = min(len(members), len(others), members.shape[1])
        drawn = _Drawn.of(comparison, members, others, n_synthetic=n_each, seed=seed, n_each=n_each)
        columns = drawn.synthetic
        accuracies, left = [], []
        for (across, rows, groups), own in zip(drawn.sides(members, others), (within_members, within_others), strict=True):
            triple = (own[np.ix_(rows, rows)], across[np.ix_(rows, columns)].T, within_synthetic[np.ix_(columns, columns)])
            accuracies.append(float(np.mean(adversarial_accuracy(*triple))))
            halves = adversarial_accuracy_without(*triple, reference_groups=groups, synthetic_groups=drawn.synthetic_groups)
            # The last groups may have nobody on this side: without them nothing changes.
            left.append(np.append(halves.mean(axis=1), np.full(drawn.n_groups - len(halves), accuracies[-1])))
        return (jackknifed("aats_privacy_loss", accuracies[1] - accuracies[0], left[1] - left[0], drawn.sizes, limits=(-1.0, 1.0)),)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """As many training samples as nonmembers, and groups to leave out.

    Args:
        members: Positions in train.
        others: Positions among the nonmembers, as many.
        synthetic: Positions of synthetic samples.
        member_groups: Of the drawn training samples; relatives share one, also with nonmembers.
        other_groups: Of the drawn nonmembers.
        synthetic_groups: Of the drawn synthetic samples.
    """

    members: Groups
    others: Groups
    synthetic: Groups
    member_groups: Groups
    other_groups: Groups
    synthetic_groups: Groups

    @classmethod
    def of(
        cls, comparison: Comparison, members: Distances, others: Distances, *, n_synthetic: int, seed: int, n_each: int | None = None
    ) -> Self:
        """Draw n_each real samples of either kind (by default as many as there are), and n_synthetic synthetic ones."""
        generator = np.random.default_rng(seed)
        n_each = min(len(members), len(others)) if n_each is None else n_each
        families = families_of(comparison)
        every = families or (np.zeros(len(members), dtype=np.intp), np.zeros(len(others), dtype=np.intp))
        # Drawn from samples in the order of their mean distances, so that their order in the file changes nothing.
        orders = [
            order[generator.permutation(len(order))]
            for order in (np.argsort(sums, kind="stable") for sums in (members.sum(axis=1), others.sum(axis=1), members.sum(axis=0)))
        ]
        drawn_others, synthetic = orders[1][:n_each], orders[2][:n_synthetic]
        drawn_members = orders[0][_as_many_of_each(every[0][orders[0]], every[1][drawn_others])]
        labels = None if families is None else [str(label) for label in (*every[0][drawn_members], *every[1][drawn_others])]
        real = sample_groups(labels, 2 * n_each, seed=seed, n_groups=_N_GROUPS)
        of_synthetic = sample_groups(None, n_synthetic, seed=seed + 1, n_groups=int(real.max()) + 1)
        return cls(drawn_members, drawn_others, synthetic, real[:n_each], real[n_each:], of_synthetic)

    @property
    def n_groups(self) -> int:
        """How many groups there are to leave out."""
        return 1 + int(max(groups.max() for groups in (self.member_groups, self.other_groups, self.synthetic_groups)))

    @property
    def sizes(self) -> Groups:
        """Samples in each group, of all three kinds."""
        every = np.concatenate([self.member_groups, self.other_groups, self.synthetic_groups])
        return np.bincount(every, minlength=self.n_groups)

    def sides(self, members: Distances, others: Distances) -> Iterator[tuple[Distances, Groups, Groups]]:
        """For training samples and for nonmembers: the matrix, the rows that are drawn, and their groups."""
        yield members, self.members, self.member_groups
        yield others, self.others, self.other_groups


def _as_many_of_each(members: Groups, others: Groups) -> Groups:
    """Positions of as many members as there are others, the first of each family as many as it has others, then the first of the rest."""
    order = np.argsort(members, kind="stable")
    labels, sizes = np.unique(members, return_counts=True)
    within = np.empty(len(members), dtype=np.intp)
    within[order] = np.arange(len(members)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    wanted = np.array([np.count_nonzero(others == label) for label in labels])
    is_chosen = within < wanted[np.searchsorted(labels, members)]
    places = np.concatenate([np.flatnonzero(is_chosen), np.flatnonzero(~is_chosen)])
    return places[: len(others)]


def _medians_without(distances: Distances, groups: Groups, drawn: _Drawn) -> Floats:
    """Median over columns of the least of a column, with everything and then without each group; NaN where nothing is left."""
    medians = [float(np.median(distances.min(axis=0)))]
    for group in range(drawn.n_groups):
        rows = np.flatnonzero(groups != group)
        columns = np.flatnonzero(drawn.synthetic_groups != group)
        left = distances[np.ix_(rows, columns)]
        medians.append(float(np.median(left.min(axis=0))) if left.size else np.nan)
    return np.array(medians)


def _reason_for_none(comparison: Comparison) -> str | None:
    sizes = (comparison.train.n_samples, comparison.nonmembers.n_samples, comparison.synthetic.n_samples)
    if min(sizes) >= _FEWEST:
        return None
    return f"It takes {_FEWEST} training samples, nonmembers and synthetic samples each; there are {sizes[0]}, {sizes[1]} and {sizes[2]}."
