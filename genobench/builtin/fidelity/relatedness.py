"""Fidelity: how related samples are among themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from genobench import Comparison, Genotypes, Metric, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.builtin.fidelity.populations import MIN_SAMPLES
from genobench.statgen import is_autosome, sample_groups, sorted_wasserstein, vanraden_1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]


@dataclass(frozen=True)
class Relatedness(Metric):
    """Whether synthetic samples are related among themselves as the holdout's samples are; autosomes only.

    Relationship is VanRaden's by his first method, each side with its own allele frequencies, so that what frequencies get wrong is not
    counted again. The spectrum's error compares the eigenvalues of the two matrices, largest with largest, all of them: families and
    populations make a few large ones, independent variants make them flat. The distribution's error is the Wasserstein distance of the
    relationships of all pairs: the mean over quantiles of |difference|. Both need as many samples on one side as on the other: of a larger
    side so many are drawn.

    Standard errors leave out a group of the holdout at a time, relatives together, and as many synthetic samples. For the spectrum an
    eigenvalue without a group is taken as less by the group's share in its vector, as first-order perturbation has it. They err on the wide
    side: of the distribution's error they are about one and a half times the spread over fresh draws, of the spectrum's two to four times,
    since eigenvalues of fewer samples than variants keep each other in place, which leaving samples out does not show (El Karoui N.,
    Purdom E. 2016. The bootstrap, covariance matrices and PCA in moderate and high-dimensions. https://arxiv.org/abs/1608.00948).
    """

    family = "fidelity"
    most_samples = 1_000
    scores: ClassVar = (
        ScoreSpec(
            name="grm_spectrum_error",
            summary="summed |difference| of the eigenvalues of both relationship matrices, over the holdout's sum",
            unit="share of the holdout's variance",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="relatedness_distribution_error",
            summary="Wasserstein distance between the relationships of all pairs within synthetic samples and within the holdout",
            unit="relationship",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Both; NaN where samples are too few or nothing varies."""
        names = tuple(spec.name for spec in self.scores)
        n_samples = min(comparison.holdout.n_samples, comparison.synthetic.n_samples)
        if n_samples < MIN_SAMPLES:
            return all_missing(names, f"Relationships need {MIN_SAMPLES} samples on both sides; there are {n_samples} on one.")
        is_used = is_autosome(comparison.holdout.variants["chromosome"])
        generator = np.random.default_rng(seed)
        rows = [_drawn(side, n_samples, generator) for side in (comparison.holdout, comparison.synthetic)]
        calls = [side.calls.rows(chosen) for side, chosen in zip((comparison.holdout, comparison.synthetic), rows, strict=True)]
        for name, side in zip(("holdout", "synthetic"), calls, strict=True):
            if not is_used.any() or not _varies(side[:, is_used]):
                return all_missing(names, f"No autosomal variant varies among the {name} samples.")
        matrices = [vanraden_1(side, is_used=is_used).astype(np.float64) for side in calls]
        families = comparison.groups.get("holdout")
        holdout = sample_groups(None if families is None else families[rows[0]], n_samples, seed=seed)
        # The same sizes on both sides, so that pairs can be matched in order whatever is left out.
        groups = (holdout, generator.permutation(holdout))
        sizes = np.bincount(holdout)
        estimates = (_spectrum_errors(matrices, groups), _distribution_errors(matrices, groups))
        return tuple(
            jackknifed(name, float(values[0]), values[1:], sizes, limits=(0.0, np.inf))
            for name, values in zip(names, estimates, strict=True)
        )


def _drawn(genotypes: Genotypes, n_samples: int, generator: np.random.Generator) -> NDArray[np.intp]:
    if genotypes.n_samples == n_samples:
        return np.arange(n_samples)
    return np.sort(generator.permutation(genotypes.n_samples)[:n_samples])


def _varies(calls: NDArray[np.int8]) -> bool:
    """Whether some variant has two different alleles among the calls that are not missing."""
    return bool(np.any(((calls == 0) | (calls == 1)).any(axis=0) & (calls >= 1).any(axis=0)))


def _spectrum_errors(matrices: list[Floats], groups: tuple[Groups, Groups]) -> Floats:
    """The error of everything, then without each group, shape (n_groups + 1,)."""
    spectra = []
    for matrix, side in zip(matrices, groups, strict=True):
        values, vectors = np.linalg.eigh(matrix)
        values = np.maximum(values[::-1], 0)
        shares = np.stack([(vectors[side == group, ::-1] ** 2).sum(axis=0) for group in range(int(side.max()) + 1)])
        spectra.append(np.vstack([values, values * (1 - shares)]))
    errors: Floats = np.abs(spectra[0] - spectra[1]).sum(axis=1) / spectra[0].sum(axis=1)
    return errors


def _distribution_errors(matrices: list[Floats], groups: tuple[Groups, Groups]) -> Floats:
    """The error over all pairs, then over the pairs without a sample of each group, shape (n_groups + 1,)."""
    first, second = np.triu_indices(len(matrices[0]), k=1)
    sides = []
    for matrix, side in zip(matrices, groups, strict=True):
        values = matrix[first, second]
        order = np.argsort(values)
        sides.append((values[order], side[first][order], side[second][order]))
    errors = [float(sorted_wasserstein(sides[0][0], sides[1][0], power=1))]
    for group in range(int(groups[0].max()) + 1):
        kept = [values[(one != group) & (other != group)] for values, one, other in sides]
        errors.append(float(sorted_wasserstein(kept[0], kept[1], power=1)))
    return np.array(errors)
