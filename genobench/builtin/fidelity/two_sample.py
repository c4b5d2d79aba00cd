"""Fidelity: can a classifier that sees both tell synthetic samples from the holdout?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy.stats import rankdata

from genobench import MISSING, Components, Metric, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.statgen import sample_groups, sample_heterozygosity, wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import CallMatrix, Comparison, Genotypes, Trait

    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]

_N_FOLDS: Final = 20
_PENALTY: Final = 1.0
_FEWEST: Final = 10
_ROUNDING: Final = 1e-10
_CALLS_PER_BLOCK: Final = 1 << 22


@dataclass(frozen=True)
class TwoSampleTest(Metric):
    """AUC of a discriminant between holdout and synthetic samples, on samples that it was not trained on.

    It is told each sample's scores on the principal components of train, its heterozygosity, how often neighbouring variants are alike in
    being heterozygous (linkage, as one sample shows it), and the squares of all of these: where samples lie, and how widely they spread.
    It is Fisher's linear discriminant with a small ridge penalty, trained on 19 of 20 groups of samples and asked about the other;
    relatives in the holdout stay in one group. The AUC is taken within each group and averaged by the number of pairs, so that it is 0.5
    where nothing can be told (below that is noise). Its standard error leaves out a group at a time and is widened for what the trained
    discriminants share, as Nadeau and Bengio do: to .033 at 300 against 300 draws without anything to tell, which spread by .034 to .041.

    Real samples from other families than the holdout's are told from it too; the band says how well (.57 on rat-demo, with a standard
    deviation of .04). The components are train's, so samples that follow train more closely than unseen ones can spread more widely along
    them and are told apart by that (copies of train .68).

    Args:
        n_components: Principal components.

    References:
        Lopez-Paz D., Oquab M. 2017. Revisiting classifier two-sample tests. ICLR. https://arxiv.org/abs/1610.06545 ; Nadeau C.,
        Bengio Y. 2003. Inference for the generalization error. Machine Learning 52: 239-281. https://doi.org/10.1023/A:1024068626366
    """

    n_components: int = 10

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="two_sample_auc",
            summary="AUC of telling synthetic from holdout samples by components, heterozygosity, neighbouring calls, and their squares",
            unit="AUC",
            direction="target",
            ideal=None,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Components, ...]:  # noqa: ARG002 - the same for every trait
        """Scores of all samples on the components of train."""
        return (Components(self.n_components),)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The AUC over held-out samples."""
        name, sizes = self.scores[0].name, (comparison.holdout.n_samples, comparison.synthetic.n_samples)
        if min(sizes) < _FEWEST:
            reason = f"The test needs {_FEWEST} holdout and {_FEWEST} synthetic samples; there are {sizes[0]} and {sizes[1]}."
            return all_missing((name,), reason)
        components = comparison.results[self.needs(comparison.trait)[0]]
        described = _standardised(
            np.concatenate([_described(comparison.part(part), components[part]) for part in ("holdout", "synthetic")])
        )
        folds = np.concatenate(
            [
                sample_groups(comparison.groups.get("holdout"), sizes[0], seed=seed, n_groups=_N_FOLDS),
                sample_groups(None, sizes[1], seed=seed + 1, n_groups=_N_FOLDS),
            ]
        )
        is_synthetic = np.arange(sum(sizes)) >= sizes[0]
        won, n_pairs = held_out_pairs(described, is_synthetic, folds)
        if n_pairs.sum() == 0:
            return all_missing((name,), "No group of samples holds both holdout and synthetic ones, so nothing can be told apart.")
        if won.sum() in {0.0, n_pairs.sum()}:
            # Full separation leaves the jackknife no variance; a share of 0 or 1 in the smaller part says how sure that is.
            auc, n_smaller = float(won.sum() > 0), min(sizes)
            return (Score(name, auc, interval=wilson_interval(round(auc) * n_smaller, n_smaller)),)
        auc, n_folds = float(won.sum() / n_pairs.sum()), int(np.count_nonzero(n_pairs))
        without = (won.sum() - won) / np.maximum(1, n_pairs.sum() - n_pairs)
        # The folds share most of what they are trained on, which adds a variance like that of their mean.
        widened = auc + (without - auc) * np.sqrt(1 + n_folds / max(1, n_folds - 1))
        return (jackknifed(name, auc, widened, n_pairs, limits=(0.0, 1.0)),)


def held_out_pairs(described: Floats, is_positive: NDArray[np.bool_], folds: Groups) -> tuple[Floats, Floats]:
    """How a discriminant ranks the samples of each fold that it was trained without.

    Args:
        described: Numbers that describe each sample, on one scale, shape (n_samples, n_numbers).
        is_positive: The label, shape (n_samples,).
        folds: The fold of each sample, numbered from 0, shape (n_samples,).

    Returns:
        In each fold the pairs of a positive and a negative that are ranked right, a tie counting one half, and the number of pairs; two
        arrays of shape (n_folds,).
    """
    n_folds = int(folds.max()) + 1
    won, n_pairs = np.zeros(n_folds), np.zeros(n_folds)
    totals = [_moments(described[is_positive == label]) for label in (False, True)]
    for fold in range(n_folds):
        is_inside = folds == fold
        sides = [is_inside & (is_positive == label) for label in (False, True)]
        n_negative, n_inside = (int(np.count_nonzero(side)) for side in sides)
        if not n_negative or not n_inside:
            continue
        trained = [
            tuple(total - part for total, part in zip(whole, _moments(described[side]), strict=True))
            for whole, side in zip(totals, sides, strict=True)
        ]
        if min(float(moments[0]) for moments in trained) < 2:
            continue
        direction = _discriminant(*trained)
        ranks = rankdata(np.concatenate([described[side] @ direction for side in sides]))
        won[fold] = ranks[n_negative:].sum() - n_inside * (n_inside + 1) / 2
        n_pairs[fold] = n_negative * n_inside
    return won, n_pairs


def _described(genotypes: Genotypes, components: Floats) -> Floats:
    """What the discriminant is told of each sample, shape (n_samples, n_components + 2); NaN where it has no calls."""
    agreement = _neighbour_agreement(genotypes.calls, genotypes.variants["chromosome"].to_numpy(dtype=object))
    return np.column_stack([components, sample_heterozygosity(genotypes.calls), agreement])


def _neighbour_agreement(calls: CallMatrix, chromosomes: NDArray[np.object_]) -> Floats:
    """Share of neighbouring variants, both with a call, that are both heterozygous or both homozygous, shape (n_samples,)."""
    n_samples, n_variants = calls.shape
    is_pair = chromosomes[1:] == chromosomes[:-1]
    n_alike, n_pairs = np.zeros((2, n_samples))
    rows_per_block = max(1, _CALLS_PER_BLOCK // max(1, n_variants))
    for start in range(0, n_samples, rows_per_block):
        rows = slice(start, start + rows_per_block)
        block = calls.rows(rows)
        is_known = (block != MISSING)[:, 1:] & (block != MISSING)[:, :-1] & is_pair
        is_heterozygous = block == 1
        n_alike[rows] = np.count_nonzero(is_known & (is_heterozygous[:, 1:] == is_heterozygous[:, :-1]), axis=1)
        n_pairs[rows] = np.count_nonzero(is_known, axis=1)
    share: Floats = np.divide(n_alike, n_pairs, out=np.full(n_samples, np.nan), where=n_pairs > 0)
    return share


def _standardised(values: Floats) -> Floats:
    """Numbers with mean 0 and spread 1, and their squares likewise; what does not vary is 0."""
    is_known = np.isfinite(values)
    means = np.where(is_known, values, 0).sum(axis=0) / np.maximum(1, is_known.sum(axis=0))
    # What is not known of a sample is put at the mean, so that it tells nothing.
    centred = np.where(is_known, values - means, 0)
    both = np.hstack([centred, centred**2])
    both -= both.mean(axis=0)
    spread = both.std(axis=0)
    scaled: Floats = np.divide(both, spread, out=np.zeros_like(both), where=spread > _ROUNDING * (1 + np.append(np.abs(means), means**2)))
    return scaled


def _moments(described: Floats) -> tuple[Floats, Floats, Floats]:
    """Number of samples, sums, and sums of products."""
    return np.array(float(len(described))), described.sum(axis=0), described.T @ described


def _discriminant(negative: tuple[Floats, ...], positive: tuple[Floats, ...]) -> Floats:
    """Fisher's direction: the pooled covariance within sides, with a ridge, divided out of the difference of means."""
    means = [sums / count for count, sums, _ in (negative, positive)]
    within = sum(products - count * np.outer(mean, mean) for (count, _, products), mean in zip((negative, positive), means, strict=True))
    n_samples = float(negative[0] + positive[0])
    penalised = within + _PENALTY * np.sqrt(n_samples) * np.eye(len(means[0]))
    return np.asarray(np.linalg.solve(penalised, means[1] - means[0]), dtype=np.float64)
