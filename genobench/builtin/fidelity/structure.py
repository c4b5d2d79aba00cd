"""Fidelity: population structure, by where samples lie on principal components and by Fst."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Comparison, Components, Metric, Score, ScoreSpec, Trait
from genobench.builtin.estimates import all_missing, jackknifed, missing
from genobench.builtin.fidelity.populations import MIN_SAMPLES, POPULATION_COLUMNS, by_label, counts_of, left_out, shared_column
from genobench.statgen import SlicedClouds, genome_blocks, genotype_counts, hudson_fst, is_autosome, weir_cockerham_fst

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.builtin.fidelity.populations import Population
    from genobench.statgen import FstTerms

    Floats = NDArray[np.float64]
    Blocks = NDArray[np.intp]

_SMALLEST_FST: Final = -1.0


@dataclass(frozen=True)
class PrincipalComponentFidelity(Metric):
    """Whether synthetic samples lie where the holdout lies on the principal components of the training samples.

    The components are those of train; holdout and synthetic samples are projected alike, and so shrink alike towards the middle. Copies of
    training samples do not shrink, and score worse than other samples of the same population. The distance is that of the whole clouds, in
    standard deviations of the holdout (the root of its mean variance over the components), so that a component with more variance weighs
    more. The spectrum's error compares the eigenvalues of the two clouds' covariances, largest with largest: 1 for samples that are all
    alike. Both are above 0 for real samples too, which the band shows.

    Standard errors leave out a group of the holdout at a time, relatives together, and as many synthetic samples.

    Args:
        n_components: How many principal components.
        n_directions: Directions that the sliced Wasserstein distance is a mean over.
    """

    n_components: int = 10
    n_directions: int = 64

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="pca_distance",
            summary="sliced Wasserstein distance between holdout and synthetic samples on train's principal components",
            unit="SD of the holdout",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="pca_spectrum_error",
            summary="summed |difference| of the eigenvalues of both clouds on train's components, over the holdout's sum",
            unit="share of the holdout's variance",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Components, ...]:  # noqa: ARG002 - the same for every trait
        """Scores on the components of train."""
        return (Components(self.n_components),)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Both; NaN where the samples are too few or the holdout has no variance on the components."""
        names = tuple(spec.name for spec in self.scores)
        points = comparison.results[Components(self.n_components)]
        holdout, synthetic = points["holdout"], points["synthetic"]
        if min(len(holdout), len(synthetic)) < MIN_SAMPLES:
            return all_missing(names, f"Both sets need {MIN_SAMPLES} samples; they have {len(holdout)} and {len(synthetic)}.")
        if not np.ptp(holdout, axis=0).any():
            return all_missing(names, "The holdout samples all lie at one point of the training samples' components.")
        groups = left_out(comparison, seed=seed)
        clouds = SlicedClouds.of(holdout, synthetic, seed=seed, n_directions=self.n_directions)
        left_out_pairs = ((groups.holdout == group, groups.synthetic == group) for group in range(groups.n_groups))
        distances = [clouds.distance(), *(clouds.without(pair) for pair in left_out_pairs)]
        spectra = [_eigenvalues_without(cloud, side) for cloud, side in ((holdout, groups.holdout), (synthetic, groups.synthetic))]
        totals = spectra[0].sum(axis=1)
        spread = np.sqrt(totals / self.n_components)
        with np.errstate(invalid="ignore", divide="ignore"):
            estimates = (np.array(distances) / spread, np.abs(spectra[0] - spectra[1]).sum(axis=1) / totals)
        return tuple(
            jackknifed(name, float(values[0]), values[1:], groups.sizes, limits=(0.0, np.inf))
            for name, values in zip(names, estimates, strict=True)
        )


def _eigenvalues_without(points: Floats, groups: Blocks) -> Floats:
    """Eigenvalues of the covariance of points, falling: of all, then without each group, shape (n_groups + 1, n_dimensions)."""
    n_groups = int(groups.max()) + 1
    centred = points - points.mean(axis=0)
    members = [centred[groups == group] for group in range(n_groups)]
    counts = np.array([len(points), *(len(points) - len(member) for member in members)], dtype=np.float64)
    sums = np.stack([np.zeros(points.shape[1]), *(-member.sum(axis=0) for member in members)])
    squares = centred.T @ centred
    products = np.stack([squares, *(squares - member.T @ member for member in members)])
    means = sums / counts[:, None]
    covariances = products / counts[:, None, None] - means[:, :, None] * means[:, None, :]
    return np.linalg.eigvalsh(covariances)[:, ::-1].astype(np.float64, copy=False)


@dataclass(frozen=True)
class FixationIndex(Metric):
    """Fst between synthetic samples and the holdout, and between populations on either side; autosomes only.

    Both estimators take off what numbers of samples do, so they lie about 0, and below it as well, where synthetic samples and the holdout
    come from one population; relatives in the holdout lift them a little, as they do in the band. Within populations it is the mean by
    their share of the holdout. Between populations it is how far apart the synthetic ones are compared with those of the holdout: the mean
    over pairs of |difference of Hudson's Fst|.

    Standard errors leave out a block of the genome at a time. They say how well these samples' Fst is known, not what other samples would
    give; the band does.

    Args:
        population_columns: The first of these columns that both sides have says the population.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="fst_hudson",
            summary="Hudson's Fst between synthetic samples and the holdout",
            unit="Fst",
            direction="target",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="fst_weir_cockerham",
            summary="Weir and Cockerham's Fst between synthetic samples and the holdout",
            unit="Fst",
            direction="target",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="fst_within_populations",
            summary="Hudson's Fst between synthetic samples and the holdout of the same population, mean over populations",
            unit="Fst",
            direction="target",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="fst_between_populations_error",
            summary="mean over pairs of populations of |Hudson's Fst among synthetic samples - among the holdout|",
            unit="Fst",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """All four; the last two NaN where no column says the population."""
        chromosomes = comparison.holdout.variants["chromosome"].to_numpy(dtype=object)
        is_used = is_autosome(chromosomes)
        names = tuple(spec.name for spec in self.scores)
        if not is_used.any():
            return all_missing(names, "No variant lies on an autosome.")
        blocks = genome_blocks(chromosomes[is_used])
        sizes = np.bincount(blocks)
        holdout, synthetic = (genotype_counts(side.calls)[:, is_used] for side in (comparison.holdout, comparison.synthetic))
        of_all = (hudson_fst(synthetic, holdout), weir_cockerham_fst([synthetic, holdout]))
        scores = [_fst_score(name, _estimates(terms, blocks), sizes) for name, terms in zip(names, of_all, strict=False)]
        return (*scores, *self._of_populations(comparison, is_used, blocks, sizes))

    def _of_populations(self, comparison: Comparison, is_used: NDArray[np.bool_], blocks: Blocks, sizes: Blocks) -> tuple[Score, Score]:
        within, between = (spec.name for spec in self.scores[2:])
        column = shared_column(comparison, self.population_columns)
        if column is None:
            known = ", ".join(self.population_columns)
            reason = f"Holdout and synthetic samples have no column in common that says the population (one of {known})."
            return missing(within, reason), missing(between, reason)
        found = by_label(comparison, column)
        if not found:
            reason = f"No population of the column '{column}' has {MIN_SAMPLES} samples in both synthetic and holdout."
            return missing(within, reason), missing(between, reason)
        counts = [_counts_of_both(comparison, population, is_used) for population in found]
        shares = np.array([len(population.holdout) for population in found], dtype=np.float64)
        means = np.average([_estimates(hudson_fst(*pair), blocks) for pair in counts], axis=0, weights=shares)
        score = _fst_score(within, means, sizes)
        if len(found) < 2:
            reason = f"Only one population of the column '{column}' has {MIN_SAMPLES} samples in both synthetic and holdout."
            return score, missing(between, reason)
        errors = []
        for one, other in combinations(counts, 2):
            sides = [_estimates(hudson_fst(one[side], other[side]), blocks) for side in (0, 1)]
            errors.append(np.abs(sides[0] - sides[1]))
        return score, _fst_score(between, np.mean(errors, axis=0), sizes, lowest=0.0)


def _counts_of_both(
    comparison: Comparison, population: Population, is_used: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Genotype counts of one population among synthetic samples and in the holdout."""
    synthetic = counts_of(comparison.synthetic.calls, population.synthetic)
    return synthetic[:, is_used], counts_of(comparison.holdout.calls, population.holdout)[:, is_used]


def _estimates(terms: FstTerms, blocks: Blocks) -> Floats:
    """Fst of everything, then without each block, shape (n_blocks + 1,)."""
    return np.concatenate([[terms.fst], terms.without(blocks)])


def _fst_score(name: str, estimates: Floats, sizes: Blocks, *, lowest: float = _SMALLEST_FST) -> Score:
    reason = "No autosomal variant varies among samples that have calls on both sides."
    return jackknifed(name, float(estimates[0]), estimates[1:], sizes, limits=(lowest, 1.0), reason=reason)
