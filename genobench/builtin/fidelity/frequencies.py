"""Fidelity: allele and genotype frequencies, over all variants, by frequency, by chromosome, and within classes and populations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

from genobench import Comparison, Metric, Score, ScoreSpec
from genobench.builtin.estimates import jackknifed, missing
from genobench.builtin.fidelity.populations import MIN_SAMPLES, POPULATION_COLUMNS, by_label, counts_of, shared_column
from genobench.statgen import alt_frequency_from_counts, genome_blocks, genotype_counts, genotype_frequencies_from_counts, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Blocks = NDArray[np.intp]

MIN_VARIANTS: Final = 20
"""A score over fewer variants than this is not given."""

_MAF_EDGES: Final = (0.0, 0.01, 0.05, 0.1, 0.5)
_MAF_BINS: Final = ("maf_below_1pct", "maf_1_to_5pct", "maf_5_to_10pct", "maf_above_10pct")
_RARE: Final = {"rare_variant_recall_1pct": 0.01, "rare_variant_recall_5pct": 0.05}
_PIECES_OF_CHROMOSOME: Final = 10
_NO_CALLS: Final = "No variant has a call in both synthetic and holdout samples."


def _error(name: str, summary: str, unit: str = "allele frequency", *, is_primary: bool = False) -> ScoreSpec:
    return ScoreSpec(name=name, summary=summary, unit=unit, direction="lower", ideal=0.0, version=1, is_primary=is_primary)


def _agreement(name: str, summary: str, unit: str) -> ScoreSpec:
    return ScoreSpec(name=name, summary=summary, unit=unit, direction="higher", ideal=1.0, version=1)


@dataclass(frozen=True)
class AlleleFrequency(Metric):
    """Differences in allele and genotype frequencies between synthetic samples and the holdout.

    Among unrelated samples no generator quite reaches the real band: it draws anew from what it learned of the training samples, where the
    band draws those samples themselves. Even the exact training frequencies give sqrt(1 + n_holdout / (2 n_train)) times the band's mean,
    9 % above it for 390 and 1,072 samples.

    Bins of minor allele frequency (MAF) are of the holdout; the first holds the variants that do not vary there. Correlations are dominated
    by the spread of frequencies among variants, and are near 1 for poor generators too. Rare variants are recalled if the synthetic samples
    have both alleles; among few samples no real ones would recall all, which the band shows. A difference of genotype frequencies is half
    the sum over the three genotypes, the share of samples that would have to change. The worst chromosome, class or population is the worst
    of those with at least 20 variants, or 10 samples on both sides; it is picked, so its noise is in it, and in the band as well.

    Standard errors leave out a block of the genome at a time: at least 20, or 10 pieces of the worst chromosome.

    Args:
        population_columns: The first of these columns that both sides have says the population.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS

    family = "fidelity"
    scores: ClassVar = (
        _error("allele_frequency_error", "mean over variants of |ALT frequency in synthetic - in holdout|", is_primary=True),
        _agreement("allele_frequency_correlation", "correlation over variants of ALT frequencies in synthetic and holdout samples", "r"),
        _error("allele_frequency_error_maf_below_1pct", "the error over variants with MAF below 1 % in the holdout"),
        _error("allele_frequency_error_maf_1_to_5pct", "the error over variants with MAF of 1 to 5 % in the holdout"),
        _error("allele_frequency_error_maf_5_to_10pct", "the error over variants with MAF of 5 to 10 % in the holdout"),
        _error("allele_frequency_error_maf_above_10pct", "the error over variants with MAF from 10 % in the holdout"),
        _error("allele_frequency_error_worst_chromosome", "the error on the chromosome where it is largest"),
        _error("allele_frequency_error_worst_class", "the error within the class of the trait where it is largest"),
        _error("allele_frequency_error_worst_population", "the error within the population where it is largest"),
        _error(
            "genotype_frequency_error",
            "mean over variants of half the summed |difference| of the three genotype frequencies",
            "share of samples",
        ),
        _agreement(
            "genotype_frequency_correlation",
            "correlation of all genotype frequencies (three a variant) in synthetic and holdout samples",
            "r",
        ),
        _agreement(
            "rare_variant_recall_1pct",
            "share of variants with 0 < MAF < 1 % in the holdout that vary in the synthetic samples",
            "share of variants",
        ),
        _agreement(
            "rare_variant_recall_5pct",
            "share of variants with 0 < MAF < 5 % in the holdout that vary in the synthetic samples",
            "share of variants",
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """All of them, over the variants that have a call on both sides."""
        chromosomes = comparison.holdout.variants["chromosome"].to_numpy(dtype=object)
        table = _Frequencies.of(genotype_counts(comparison.holdout.calls), genotype_counts(comparison.synthetic.calls))
        blocks = genome_blocks(chromosomes)
        maf = np.minimum(table.holdout, 1 - table.holdout)
        scores = [_mean_score("allele_frequency_error", table.errors, blocks, table.is_known, n_least=1)]
        bins = np.digitize(maf, _MAF_EDGES[1:-1])
        for place, name in enumerate(_MAF_BINS):
            is_inside = table.is_known & (bins == place)
            what = _named(*_MAF_EDGES[place : place + 2])
            scores.append(_mean_score(f"allele_frequency_error_{name}", table.errors, blocks, is_inside, what=what))
        is_varying = (table.synthetic > 0) & (table.synthetic < 1)
        for name, below in _RARE.items():
            is_rare = table.is_known & (maf > 0) & (maf < below)
            scores.append(_mean_score(name, is_varying.astype(float), blocks, is_rare, what=_named(0, below), score_of=share_of_variants))
        genotypes = [genotype_frequencies_from_counts(counts) for counts in (table.holdout_counts, table.synthetic_counts)]
        distances = np.abs(genotypes[0] - genotypes[1]).sum(axis=0) / 2
        scores.append(_mean_score("genotype_frequency_error", distances, blocks, table.is_known, n_least=1))
        pairs = {"allele": (table.holdout[None], table.synthetic[None]), "genotype": (genotypes[0], genotypes[1])}
        scores += [_correlation_score(f"{kind}_frequency_correlation", *pair, blocks, table.is_known) for kind, pair in pairs.items()]
        scores.append(_worst_chromosome(table, chromosomes))
        scores.append(_worst_label(comparison, "class", (comparison.trait.column,) if comparison.trait.classes else (), blocks))
        scores.append(_worst_label(comparison, "population", self.population_columns, blocks))
        return tuple(scores)


class _Frequencies(NamedTuple):
    """ALT frequencies of both sides, their absolute differences, and where both are known, shape (n_variants,) each."""

    holdout_counts: NDArray[np.int64]
    synthetic_counts: NDArray[np.int64]
    holdout: Floats
    synthetic: Floats
    errors: Floats
    is_known: NDArray[np.bool_]

    @classmethod
    def of(cls, holdout_counts: NDArray[np.int64], synthetic_counts: NDArray[np.int64]) -> _Frequencies:
        holdout, synthetic = (alt_frequency_from_counts(counts) for counts in (holdout_counts, synthetic_counts))
        errors = np.abs(synthetic - holdout)
        return cls(holdout_counts, synthetic_counts, holdout, synthetic, errors, np.isfinite(errors))


def _named(low: float, high: float) -> str:
    return f"variants with a minor allele frequency of {100 * low:g} to {100 * high:g} % in the holdout"


def _mean_score(
    name: str,
    values: Floats,
    blocks: Blocks,
    chosen: NDArray[np.bool_],
    *,
    what: str = "variants",
    n_least: int = MIN_VARIANTS,
    score_of: Callable[[str, float, Floats, Blocks], Score] | None = None,
) -> Score:
    """The mean of the chosen variants' values, leaving out a block at a time.

    Args:
        name: As declared.
        values: Of each variant, shape (n_variants,).
        blocks: The block of each variant.
        chosen: Which variants count.
        what: Their name in the plural.
        n_least: With fewer than this there is no score.
        score_of: Makes the score of its name, the mean, the means without each block, and the blocks' sizes; by default a number from 0 on.
    """
    n_chosen = int(np.count_nonzero(chosen))
    if n_chosen < n_least:
        return missing(name, f"There are {n_chosen} {what}; {n_least} are needed." if n_least > 1 else _NO_CALLS)
    sums, sizes = np.bincount(blocks[chosen], weights=values[chosen]), np.bincount(blocks[chosen])
    with np.errstate(invalid="ignore"):
        without = (sums.sum() - sums) / (n_chosen - sizes)
    mean = float(sums.sum() / n_chosen)
    return score_of(name, mean, without, sizes) if score_of else jackknifed(name, mean, without, sizes, limits=(0.0, np.inf))


def share_of_variants(name: str, value: float, deleted: ArrayLike, sizes: ArrayLike, *, reason: str = "") -> Score:
    """A share of variants; where no block left out moves it from 0 or 1 it has Wilson's interval, since the jackknife then sees no noise.

    Args:
        name: As declared.
        value: The share.
        deleted: The share without each block, shape (n_blocks,).
        sizes: Variants in each block, shape (n_blocks,).
        reason: Why the value is NaN, where it is.
    """
    score = jackknifed(name, value, deleted, sizes, limits=(0.0, 1.0), reason=reason)
    if score.value in (0, 1) and not score.standard_error:
        n_variants = round(float(np.sum(sizes)))
        return Score(name, score.value, interval=wilson_interval(round(score.value * n_variants), n_variants))
    return score


def _correlation_score(name: str, holdout: Floats, synthetic: Floats, blocks: Blocks, chosen: NDArray[np.bool_]) -> Score:
    """Pearson's r over rows and chosen variants of two tables of shape (n_rows, n_variants), leaving out a block at a time."""
    x, y = (side[:, chosen] - side[:, chosen].mean() if chosen.any() else side[:, chosen] for side in (holdout, synthetic))
    sizes = np.bincount(blocks[chosen])
    columns = [x.sum(axis=0), y.sum(axis=0), (x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)]
    sums = np.stack([sizes * float(len(x)), *(np.bincount(blocks[chosen], weights=column) for column in columns)])
    total = sums.sum(axis=1, keepdims=True)
    n, sx, sy, sxx, syy, sxy = np.concatenate([total, total - sums], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        spreads = [s2 - s * s / n for s2, s in ((sxx, sx), (syy, sy))]
        r = (sxy - sx * sy / n) / np.sqrt(np.where(np.minimum(*spreads) > 1e-12, spreads[0] * spreads[1], np.nan))
    if not len(r) or not np.isfinite(r[0]):
        return missing(name, "Frequencies are the same at all variants, in synthetic or in holdout samples." if chosen.any() else _NO_CALLS)
    return jackknifed(name, float(np.clip(r[0], -1, 1)), r[1:], sizes, limits=(-1.0, 1.0))


def _worst_chromosome(table: _Frequencies, chromosomes: NDArray[np.object_]) -> Score:
    name = "allele_frequency_error_worst_chromosome"
    _, numbered = np.unique(chromosomes.astype(str), return_inverse=True)
    known = numbered[table.is_known]
    sizes = np.bincount(known)
    sums = np.bincount(known, weights=table.errors[table.is_known])
    if sizes.max(initial=0) < MIN_VARIANTS:
        return missing(name, f"No chromosome has {MIN_VARIANTS} variants with a call in both synthetic and holdout samples.")
    worst = int(np.argmax(np.where(sizes >= MIN_VARIANTS, sums / np.maximum(sizes, 1), -1)))
    is_there = numbered == worst
    pieces = genome_blocks(chromosomes[is_there], largest_share=1 / _PIECES_OF_CHROMOSOME)
    return _mean_score(name, table.errors[is_there], pieces, table.is_known[is_there])


def _worst_label(comparison: Comparison, kind: str, columns: tuple[str, ...], blocks: Blocks) -> Score:
    name = f"allele_frequency_error_worst_{kind}"
    column = shared_column(comparison, columns)
    if column is None:
        return missing(name, f"No column that both sample tables have says the {kind}.")
    tables = [
        _Frequencies.of(counts_of(comparison.holdout.calls, label.holdout), counts_of(comparison.synthetic.calls, label.synthetic))
        for label in by_label(comparison, column)
    ]
    means = [table.errors[table.is_known].mean() if table.is_known.any() else -1.0 for table in tables]
    if not means or max(means) < 0:
        return missing(name, f"No {kind} in column '{column}' has {MIN_SAMPLES} samples on both sides.")
    worst = tables[int(np.argmax(means))]
    return _mean_score(name, worst.errors, blocks, worst.is_known, n_least=1)
