"""Fidelity: Hardy-Weinberg proportions within populations, and heterozygosity and inbreeding of single samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import CallMatrix, Comparison, Metric, PackedCalls, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.builtin.fidelity.frequencies import share_of_variants
from genobench.builtin.fidelity.populations import POPULATION_COLUMNS, Population, counts_of, left_out, no_population, populations, rows_of
from genobench.statgen import (
    expected_heterozygosity_from_counts,
    genome_blocks,
    hardy_weinberg_log10_p,
    heterozygosity_components,
    is_autosome,
    sample_heterozygosity,
    sample_inbreeding,
    wasserstein_distance,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Rows = NDArray[np.intp]

_LOG10_LEVEL: Final = -6.0
_NO_AUTOSOMES: Final = "No variant lies on an autosome (a chromosome with a number)."


@dataclass(frozen=True)
class HardyWeinberg(Metric):
    """How far genotypes depart from Hardy-Weinberg proportions, in synthetic samples and in the holdout, within populations.

    A generator that draws the two alleles of a sample apart loses the inbreeding of real herds and the excess of heterozygotes in crosses;
    one that draws genotypes without their frequencies makes departures that no herd has. F_IS is Weir and Cockerham's f, a ratio of
    averages over the autosomal variants that vary in the population's holdout samples; where there are several populations, their mean
    weighted by holdout samples. The test is Wigginton's exact one, at p < 1e-6: genotyping errors, selection and families give a few such
    variants in real samples too, so the holdout's share stands beside. Standard errors leave out a block of the genome at a time.

    Args:
        population_columns: The first of these columns that both sides have says the population.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="f_is_error",
            summary="|F_IS in synthetic - in holdout|, within populations",
            unit="F",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="f_is",
            summary="F_IS of synthetic samples within populations; below 0 is an excess of heterozygotes",
            unit="F",
            direction="target",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="hwe_departure",
            summary="share of variants with exact Hardy-Weinberg p < 1e-6 in synthetic samples, within populations",
            unit="share of variants",
            direction="target",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="hwe_departure_holdout",
            summary="the same share in the holdout: the level to compare with",
            unit="share of variants",
            direction="target",
            ideal=None,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The four scores, over the autosomal variants that vary in the holdout."""
        names = tuple(spec.name for spec in self.scores)
        found = populations(comparison, self.population_columns)
        if not found:
            return all_missing(names, no_population(comparison))
        chromosomes = comparison.holdout.variants["chromosome"].to_numpy(dtype=object)
        is_autosomal = is_autosome(chromosomes)
        blocks = genome_blocks(chromosomes)
        n_blocks = int(blocks.max(initial=-1)) + 1
        estimates, sizes, n_weighted = np.zeros((len(names), n_blocks + 1)), np.zeros(n_blocks), 0
        for population in found:
            counts = [counts_of(comparison.holdout.calls, population.holdout), counts_of(comparison.synthetic.calls, population.synthetic)]
            n_alt = counts[0][1] + 2 * counts[0][2]
            is_used = is_autosomal & (n_alt > 0) & (n_alt < 2 * counts[0].sum(axis=0)) & (counts[0].sum(axis=0) > 1)
            is_used &= counts[1].sum(axis=0) > 1
            if not is_used.any():
                continue
            estimates += len(population.holdout) * _estimates([side[:, is_used] for side in counts], blocks[is_used], n_blocks)
            sizes += np.bincount(blocks[is_used], minlength=n_blocks)
            n_weighted += len(population.holdout)
        if not n_weighted:
            return all_missing(names, "No autosomal variant varies in the holdout and has calls in the synthetic samples.")
        estimates /= n_weighted
        reason = "No variant that varies in the holdout varies in the synthetic samples."
        f_error, f_is, *shares = [(name, float(row[0]), row[1:], sizes) for name, row in zip(names, estimates, strict=True)]
        return (
            jackknifed(*f_error, limits=(0.0, 2.0), reason=reason),
            jackknifed(*f_is, limits=(-1.0, 1.0), reason=reason),
            *(share_of_variants(*share) for share in shares),
        )


def _estimates(counts: list[Counts], blocks: Rows, n_blocks: int) -> Floats:
    """The four scores of one population, from everything and without each block, shape (4, n_blocks + 1)."""
    f_is, shares = [], []
    for side in counts:
        observed, expected = (_with_and_without(part, blocks, n_blocks) for part in heterozygosity_components(side))
        f_is.append(1 - np.divide(observed, expected, out=np.full(n_blocks + 1, np.nan), where=expected > 0))
        n_departing = _with_and_without((hardy_weinberg_log10_p(side) < _LOG10_LEVEL).astype(np.float64), blocks, n_blocks)
        n_variants = _with_and_without(np.ones(side.shape[1]), blocks, n_blocks)
        shares.append(np.divide(n_departing, n_variants, out=np.full(n_blocks + 1, np.nan), where=n_variants > 0))
    return np.stack([np.abs(f_is[1] - f_is[0]), f_is[1], shares[1], shares[0]])


def _with_and_without(values: Floats, blocks: Rows, n_blocks: int) -> Floats:
    """The sum of the values, and the sum without each block, shape (n_blocks + 1,)."""
    sums = np.bincount(blocks, weights=values, minlength=n_blocks)
    return np.concatenate([[sums.sum()], sums.sum() - sums])


@dataclass(frozen=True)
class Heterozygosity(Metric):
    """Heterozygosity and inbreeding coefficients of single samples: their distributions in synthetic samples and in the holdout.

    A collapsed generator makes samples too much alike in these, one that mixes families makes them too heterozygous. Distances are
    Wasserstein-1, on the scale of the number itself. F is that of the method of moments, each side against its own expectation, so it
    says how samples differ within their population and not how the frequencies differ. Autosomes only; where there are several
    populations all is done within each and averaged by their share of the holdout. Standard errors leave out a group of the holdout at a
    time, relatives together, with as many groups of synthetic samples, and find frequencies anew each time.

    Args:
        population_columns: The first of these columns that both sides have says the population.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="heterozygosity_distance",
            summary="Wasserstein distance between synthetic and holdout samples in the share of heterozygous calls, within populations",
            unit="share of calls",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="f_distance",
            summary="Wasserstein distance between synthetic and holdout samples in the inbreeding coefficient F, within populations",
            unit="F",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="f_variance_ratio",
            summary="variance of F among synthetic samples over that in the holdout, within populations; below 1: too much alike",
            unit="ratio",
            direction="target",
            ideal=1.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The three scores."""
        names = tuple(spec.name for spec in self.scores)
        found = populations(comparison, self.population_columns)
        if not found:
            return all_missing(names, no_population(comparison))
        is_autosomal = is_autosome(comparison.holdout.variants["chromosome"].to_numpy(dtype=object))
        if not is_autosomal.any():
            return all_missing(names, _NO_AUTOSOMES)
        sides = [comparison.holdout.calls, comparison.synthetic.calls]
        if not is_autosomal.all():
            sides = [PackedCalls.from_calls(side.columns(np.flatnonzero(is_autosomal))) for side in sides]
        groups = left_out(comparison, seed=seed)
        parts = [_Part.of(sides, groups, groups.n_groups, population) for population in found]
        share = np.array([len(population.holdout) for population in found]) / sum(len(population.holdout) for population in found)
        distances = [share @ np.stack([getattr(part, which) for part in parts]) for which in ("heterozygosity", "inbreeding")]
        squares, freedom = (np.stack([getattr(part, which) for part in parts]).sum(axis=0) for which in ("squares", "freedom"))
        variances = np.divide(squares, freedom, out=np.full(squares.shape, np.nan), where=freedom > 0)
        ratio = np.divide(variances[1], variances[0], out=np.full(variances.shape[1], np.nan), where=variances[0] > 0)
        reasons = (
            "No sample has a call.",
            "Nothing varies within populations.",
            "F is not defined in the synthetic samples, or does not vary in the holdout.",
        )
        return tuple(
            jackknifed(name, float(row[0]), row[1:], groups.sizes, limits=(0.0, np.inf), reason=reason)
            for name, row, reason in zip(names, (*distances, ratio), reasons, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """One population, from everything and without each group.

    Distances have shape (n_groups + 1,); sums of squares of F and their degrees of freedom, on both sides, (2, n_groups + 1).
    """

    heterozygosity: Floats
    inbreeding: Floats
    squares: Floats
    freedom: Floats

    @classmethod
    def of(cls, sides: list[CallMatrix], groups: tuple[Rows, Rows], n_groups: int, population: Population) -> _Part:
        rows = (population.holdout, population.synthetic)
        within = [group[row] for group, row in zip(groups, rows, strict=True)]
        heterozygosity, inbreeding, weights = [], [], []
        for side, row, group in zip(sides, rows, within, strict=True):
            calls = rows_of(side, row)
            rates = sample_heterozygosity(calls)
            f = sample_inbreeding(calls, expected_heterozygosity_from_counts(_counts_without(calls, group, n_groups)))
            is_kept = np.concatenate([np.ones((1, len(row)), dtype=np.bool_), group != np.arange(n_groups)[:, None]])
            heterozygosity.append(np.nan_to_num(rates))
            inbreeding.append(np.nan_to_num(f))
            weights.append((is_kept & np.isfinite(rates), is_kept & np.isfinite(f)))
        spreads = [_spread(f, weight[1]) for f, weight in zip(inbreeding, weights, strict=True)]
        return cls(
            heterozygosity=wasserstein_distance(*heterozygosity, left_weights=weights[0][0], right_weights=weights[1][0]),
            inbreeding=wasserstein_distance(*inbreeding, left_weights=weights[0][1], right_weights=weights[1][1]),
            squares=np.stack([squares for squares, _ in spreads]),
            freedom=np.stack([freedom for _, freedom in spreads]),
        )


def _counts_without(calls: CallMatrix, groups: Rows, n_groups: int) -> Counts:
    """Genotype counts of all samples, and without each group, shape (n_groups + 1, 3, n_variants)."""
    counts = np.zeros((n_groups + 1, 3, calls.shape[1]), dtype=np.int64)
    for group in range(n_groups):
        counts[group + 1] = counts_of(calls, np.flatnonzero(groups == group))
        counts[0] += counts[group + 1]
    np.subtract(counts[:1], counts[1:], out=counts[1:])
    return counts


def _spread(values: Floats, weights: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Sum of squares about the mean and degrees of freedom, along the last axis."""
    n = weights.sum(axis=-1)
    mean = (values * weights).sum(axis=-1) / np.maximum(n, 1)
    return (weights * (values - mean[..., None]) ** 2).sum(axis=-1), np.maximum(n - 1.0, 0)
