"""Privacy by a learned attack: a classifier that is shown what all the other attacks go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from scipy.special import expit

from genobench import Comparison, Metric, Pairwise, Score, Trait
from genobench.builtin.estimates import all_missing
from genobench.builtin.privacy.attacks import attack_scores, attack_specs, families_of
from genobench.builtin.privacy.density import log_density_ratios
from genobench.statgen import nearest_distances, sample_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.builtin.privacy.attacks import Clue

    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]

_TARGETS: Final[tuple[Literal["train"], Literal["nonmembers"]]] = ("train", "nonmembers")
_MEASURES: Final[tuple[Clue, ...]] = ("manhattan", "opposing-homozygotes", "shared-segment", "king")
_NEIGHBOURS: Final = (1, 2, 5, 20)
_N_FOLDS: Final = 5
_FEWEST_IN_A_FOLD: Final = 4
_WIDENING: Final = 2**0.5
"""What two folds have in common by chance raises the AUC of both, for each is judged by what was learned from the other. Without a leak the
sum over folds thus counts every pair of folds twice, and its variance is twice that of as many samples with a fixed model."""

_MOST_DEVIATIONS: Final = 10.0
_RIDGE: Final = 1.0
_MOST_STEPS: Final = 50
_LONGEST_STEP: Final = 5.0
_CLOSE: Final = 1e-6
_TINY: Final = 1e-12


@dataclass(frozen=True)
class LearnedAttack(Metric):
    """An attacker who has learned from targets whose membership is known how those in training look beside the synthetic samples.

    Threat model: the strongest here. The attacker has the synthetic samples, the target's genotype, reference samples that were in no
    training set (the holdout, where there is one), and other targets of the same population, known to be members or nonmembers. After
    Stadler T., Oprisanu B., Troncoso C. 2022. Synthetic data: anonymisation groundhog day. USENIX Security 31: 1451-1468.
    https://doi.org/10.48550/arXiv.2011.07018 ; on genotypes Oprisanu B., Ganev G., De Cristofaro E. 2022. On utility and privacy in
    synthetic genomic data. NDSS. https://doi.org/10.14722/ndss.2022.24092

    Shown are the distances to the 1st, 2nd, 5th and 20th nearest synthetic and reference sample, the density ratio, the fewest opposing
    homozygotes, the longest shared segment, and the closest kinship with a synthetic sample. A logistic regression is fitted in five folds
    of whole families (of single samples where families are too few): nobody is judged by a model that saw them. Folds are put on one scale
    by ranks within each, members and nonmembers weighing alike. Folds are no independent trials (Bengio Y., Grandvalet Y. 2004. Journal of
    Machine Learning Research 5: 1089-1105), so the AUC's interval is DeLong's, wider by the square root of 2.
    """

    family = "privacy"
    most_samples = 2_000
    scores = attack_specs("learned", "a classifier on distances, densities, segments and kinship that was trained on other targets")

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """All measures against synthetic samples, and distances to the reference."""
        return (
            *(Pairwise(part, "synthetic", measure) for measure in _MEASURES for part in _TARGETS),
            *(Pairwise(part, "holdout", "manhattan") for part in _TARGETS),
        )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """AUC, advantage and true-positive rates of the attack; NaN where a fold would hold too few."""
        names = [spec.name for spec in self.scores]
        if comparison.synthetic.n_samples == 0:
            return all_missing(names, "There is no synthetic sample.")
        sizes = (comparison.train.n_samples, comparison.nonmembers.n_samples)
        n_needed = _N_FOLDS * _FEWEST_IN_A_FOLD
        if min(sizes) < n_needed:
            counts = f"there are {sizes[0]} and {sizes[1]}"
            return all_missing(names, f"A learned attack needs {n_needed} members and as many nonmembers; {counts}.")
        clues = _clues(comparison)
        is_member = np.arange(sum(sizes)) < sizes[0]
        families = families_of(comparison)
        # Folds are dealt to targets in the order of their clues, so that their order in the file changes nothing.
        order = np.lexsort((*clues.T, is_member))
        exposures = np.empty(sum(sizes))
        exposures[order] = _cross_fitted(
            clues[order],
            is_member[order],
            _folds(is_member[order], None if families is None else np.concatenate(families)[order], seed),
        )
        return attack_scores(self.scores, exposures[is_member], exposures[~is_member], comparison, widening=_WIDENING)


def _folds(is_member: NDArray[np.bool_], families: Groups | None, seed: int) -> Groups:
    """The fold of each target, whole families together where that leaves enough of both kinds in each; shape (n_targets,)."""
    labels = None if families is None else [str(label) for label in families]
    folds = sample_groups(labels, len(is_member), seed=seed, n_groups=_N_FOLDS)
    fewest = min(int(np.bincount(folds[side], minlength=_N_FOLDS).min()) for side in (is_member, ~is_member))
    if labels is not None and fewest >= _FEWEST_IN_A_FOLD:
        return folds
    # Members and nonmembers are dealt out apart, so that each fold has its share of both.
    folds = np.empty(len(is_member), dtype=np.intp)
    for place, side in enumerate((is_member, ~is_member)):
        folds[side] = sample_groups(None, int(side.sum()), seed=seed + place, n_groups=_N_FOLDS)
    return folds


def _clues(comparison: Comparison) -> Floats:
    """What the classifier is shown, members first, shape (n_members + n_nonmembers, n_clues)."""

    def of_both(reference: Literal["synthetic", "holdout"], measure: Clue) -> list[NDArray[Any]]:
        return [comparison.results[Pairwise(part, reference, measure)] for part in _TARGETS]

    distances, to_reference = of_both("synthetic", "manhattan"), of_both("holdout", "manhattan")
    columns = _nearest(distances)
    columns.append(np.concatenate([-matrix.min(axis=1) for matrix in of_both("synthetic", "opposing-homozygotes")]))
    columns.append(np.concatenate([matrix.max(axis=1) for matrix in of_both("synthetic", "shared-segment")]))
    # Kinship has no lower end; that of a pair without heterozygous calls is not defined.
    columns.append(np.concatenate([np.nan_to_num(matrix, nan=-1.0).max(axis=1).clip(-1.0) for matrix in of_both("synthetic", "king")]))
    if comparison.holdout.n_samples:
        columns += _nearest(to_reference)
        columns.append(np.concatenate(log_density_ratios(*distances, *to_reference)))
    return np.column_stack(columns).astype(np.float64)


def _nearest(distances: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Distances of all targets to their nearest samples, one array for each of `_NEIGHBOURS`."""
    ks = sorted({min(k, distances[0].shape[1]) for k in _NEIGHBOURS})
    nearest = np.concatenate([nearest_distances(matrix, ks[-1]) for matrix in distances])
    return [nearest[:, k - 1] for k in ks]


def _cross_fitted(clues: Floats, is_member: NDArray[np.bool_], folds: Groups) -> Floats:
    """Exposure of each target by a model that was fitted without its fold, shape (n_targets,)."""
    exposures = np.empty(len(clues))
    for fold in range(int(folds.max()) + 1):
        fitted, judged = folds != fold, folds == fold
        centre, spread = clues[fitted].mean(axis=0), clues[fitted].std(axis=0)
        scaled = np.clip((clues - centre) / np.where(spread > 0, spread, 1.0), -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        weights = _logistic_weights(scaled[fitted], is_member[fitted])
        exposures[judged] = _mid_ranks(scaled[judged] @ weights, is_member[judged])
    return exposures


def _logistic_weights(clues: Floats, is_member: NDArray[np.bool_]) -> Floats:
    """Weights of an L2 logistic regression in which both classes weigh alike, without the intercept, by Newton's method."""
    n, n_clues = clues.shape
    shown = np.column_stack([clues, np.ones(n)])
    class_weights = np.where(is_member, n / (2 * is_member.sum()), n / (2 * (~is_member).sum()))
    ridge = np.append(np.full(n_clues, _RIDGE), 0.0)
    weights = np.zeros(n_clues + 1)
    for _ in range(_MOST_STEPS):
        chances = expit(shown @ weights)
        gradient = shown.T @ (class_weights * (chances - is_member)) + ridge * weights
        curvature = (shown * (class_weights * chances * (1 - chances))[:, None]).T @ shown + np.diag(ridge + _TINY)
        step = np.linalg.solve(curvature, gradient)
        # A step of Newton's that would leap over the minimum is cut: logits then move by no more than a few.
        weights -= step * min(1.0, _LONGEST_STEP / max(_TINY, float(np.abs(shown @ step).max())))
        if np.abs(step).max() < _CLOSE:
            break
    return weights[:-1]


def _mid_ranks(values: Floats, is_member: NDArray[np.bool_]) -> Floats:
    """Mean over the two classes of the share of the class below each value, a tie counting one half."""
    below = np.zeros(len(values))
    for side in (is_member, ~is_member):
        ordered = np.sort(values[side])
        below += (np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")) / (4 * len(ordered))
    return below
