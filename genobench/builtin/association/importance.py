"""Utility: does a model of synthetic samples put weight on the stretches of the genome that a model of unseen samples puts it on?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.stats import rankdata

from genobench import Covariates, DatasetError, GenotypesError, Metric, Score, ScoreSpec, check_positive, check_share
from genobench.builtin.association.cohorts import paired_cohorts
from genobench.builtin.association.loci import Genome
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.statgen import fit_gblup, genome_blocks, wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Comparison, Part, Trait
    from genobench.builtin.association.cohorts import Cohort

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]


@dataclass(frozen=True)
class VariantImportance(Metric):
    """Which windows of the genome ridge regression on calls names predictive, from synthetic and from holdout samples.

    The model is GBLUP beside the trait's covariates, learned from as many samples of each. It spreads the effect of a causal variant over
    all that are linked with it, so that a single weight says little; what counts is the variance, among the samples of the model, of the
    sum of a window's calls times their weights. A window of many linked variants has much of that even if the trait is noise, so that any
    two models would agree; a window's importance is therefore that variance over what noise gives it. With Z its centred calls and
    residuals e that are dealt out among unrelated samples, weights are Z'e but for a factor, and Z Z'e has a variance proportional to the
    sum of squares of Z'Z. Of classes that are neither two nor ordered each is learned against the rest, and the variances are added up.

    The share of top windows that both models name is corrected for chance as by Kuncheva: 0 is what two models name in common that know
    nothing of one another, 1 the same windows. It has Wilson's interval over the top windows, the correlation of ranks a jackknife over
    blocks of the genome.

    Args:
        window_bp: Length of a window.
        top_share: Of the windows that hold variants; so many are named, one at least.

    References:
        Variance of windows: Fernando R.L., Garrick D. 2013. Methods in Molecular Biology 1019: 237-274.
        https://doi.org/10.1007/978-1-62703-447-0_10. Correction for chance: Kuncheva L.I. 2007. A stability index for feature selection.
        Proceedings of the 25th IASTED International Multi-Conference: Artificial Intelligence and Applications: 390-395.
    """

    window_bp: float = 1_000_000.0
    top_share: float = 0.05

    family = "utility"
    scores: ClassVar = (
        ScoreSpec(
            name="importance_overlap",
            summary="share of the top windows that models of synthetic and of holdout samples both name, corrected for chance",
            unit="share above chance",
            direction="higher",
            ideal=None,
            version=2,
        ),
        ScoreSpec(
            name="importance_correlation",
            summary="rank correlation over windows of their importance in models of synthetic and of holdout samples",
            unit="rank correlation",
            direction="higher",
            ideal=None,
            version=2,
        ),
    )
    most_samples: ClassVar = 1_000

    def __post_init__(self) -> None:
        check_positive(self, ["window_bp", "top_share"])
        check_share(self, ["top_share"])

    @property
    def parts(self) -> tuple[Part, ...]:
        """Samples that no fit has seen, for train shares its noise with copies of it."""
        return ("holdout", "synthetic")

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Overlap and rank correlation."""
        names = [spec.name for spec in self.scores]
        windows, chromosomes = Genome.of(comparison.holdout).windows(self.window_bp)
        if len(chromosomes) < 3:
            return all_missing(names, f"Variants with a known position lie in {len(chromosomes)} windows; a comparison needs 3.")
        try:
            cohorts = paired_cohorts(comparison, seed=seed)
        except DatasetError as error:
            return all_missing(names, str(error))
        found = []
        for side, cohort in zip(("holdout", "synthetic"), cohorts, strict=True):
            try:
                found.append(_importance(cohort, comparison.trait, windows))
            except (DatasetError, GenotypesError) as error:
                return all_missing(names, f"No model of {cohort.genotypes.n_samples} {side} samples: {error}")
        holdout, synthetic = found
        n_top = min(max(1, round(self.top_share * len(holdout))), len(holdout) - 1)
        return _overlap(names[0], holdout, synthetic, n_top), _rank_correlation(names[1], holdout, synthetic, chromosomes)


def _importance(cohort: Cohort, trait: Trait, windows: Places) -> Floats:
    """Variance of the weighted calls of each window, summed over contrasts, over that of noise; shape (n_windows,).

    Raises:
        DatasetError: If there are too few samples, the trait does not vary, or no variant does.
        GenotypesError: If shapes differ.
    """
    genotypes = cohort.genotypes
    columns = Covariates.fit(genotypes, trait).matrix(genotypes)
    models = [fit_gblup(genotypes.calls, response, columns) for response in cohort.responses]
    importance = np.zeros(int(windows.max()) + 1)
    order = np.argsort(windows, kind="stable")[np.count_nonzero(windows < 0) :]
    for places in np.split(order, np.flatnonzero(np.diff(windows[order])) + 1):
        calls = genotypes.calls.columns(places)
        centred = np.where(calls < 0, 0.0, calls - models[0].means[places])
        of_noise = np.square(centred.T @ centred).sum()
        if of_noise > 0:
            importance[windows[places[0]]] = sum(float((centred @ model.weights[places]).var()) for model in models) / of_noise
    return importance


def _overlap(name: str, holdout: Floats, synthetic: Floats, n_top: int) -> Score:
    """Of equally important windows the first in the genome counts as the more important one."""
    one, other = (set(np.argsort(-each, kind="stable")[:n_top].tolist()) for each in (holdout, synthetic))
    n_shared, chance = len(one & other), n_top / len(holdout)
    value, low, high = ((share - chance) / (1 - chance) for share in (n_shared / n_top, *wilson_interval(n_shared, n_top)))
    return Score(name, float(value), interval=(float(low), float(high)))


def _rank_correlation(name: str, holdout: Floats, synthetic: Floats, chromosomes: NDArray[np.object_]) -> Score:
    blocks = genome_blocks(chromosomes)
    sizes = np.bincount(blocks)
    deleted = [_spearman(holdout[blocks != block], synthetic[blocks != block]) for block in range(len(sizes))]
    reason = "All windows are of one importance in one of the two models."
    return jackknifed(name, _spearman(holdout, synthetic), deleted, sizes, limits=(-1.0, 1.0), reason=reason)


def _spearman(one: Floats, other: Floats) -> float:
    first, second = rankdata(one), rankdata(other)
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1.0, 1.0))
