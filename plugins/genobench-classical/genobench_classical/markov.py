"""Markov chains of genotypes along chromosomes, of an order that samples set apart choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    PackedCalls,
    Sampler,
    SamplerTables,
    Trial,
    check_below,
    check_lowest,
    check_positive,
    whole_sampler,
)
from genobench.statgen import GeneticPath
from genobench_classical.histories import calls_along, first_order_slopes, history_tables, log_likelihoods, stratum_ratios
from genobench_classical.set_apart import FEWEST_VALIDATION, set_apart
from genobench_classical.stored_arrays import load_arrays, save_arrays
from genobench_classical.strata import ClassStrata
from genobench_classical.tilts import stratum_tilts

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LARGEST_ORDER: Final = 7
_TABLE_BYTES: Final = 1 << 26
_PRIORS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_MOST_SAMPLES: Final = 8192
_MOST_COMPARED: Final = 2000
"""Orders and priors are compared on so many variants in the middle of the path; all of them would take longer than the rest of the fit."""

_CALLS_PER_CHUNK: Final = 1 << 25
_SMALLEST_VARIANCE: Final = 1e-6
_ARRAYS: Final = {
    "columns_along": "int64 n_variants",
    "n_before": "int64 n_variants",
    "at_most": "float32 n_variants n_histories 2",
    "tilts": "float32 n_strata n_variants 3 3",
    "slopes": "float32 n_columns n_variants",
}
"""See `load_arrays`."""


@dataclass(frozen=True)
class Markov(Generator):
    """A Markov chain of genotypes along each chromosome.

    The chance of a call given the calls before it backs off from the longest history to none: the counts of training samples at each
    length are added to `prior` samples that follow the next shorter history (hierarchical Dirichlet smoothing; with it, Jelinek and
    Mercer's interpolation has the weight count / (count + prior)). The order (length of history) and the prior are those that make other
    samples' calls of 2,000 variants, in the middle of the path, most likely: validation samples, or else whole families of training
    samples set apart, up to a quarter (which are then counted in the tables too). A missing call is not counted, nor is what follows it.

    Classes: each stratum (combination of classes) has tables of its own for histories of one call, of its own counts and
    `stratum_prior` samples that follow the tables of all; the longer tables are multiplied by factors of the call and the one before, and
    made to sum to 1, so that longer linkage is shared while calls follow calls more or less often by the ratio of both. Shared histories
    of several calls also say which stratum a sample is like: where strata differ much, calls far apart are more alike within a stratum
    than in training. A combination not seen in training, or in fewer than 5 samples, has the tables of all samples.

    Quantitative columns: the log-odds of a call are tilted by slope x value x ALT alleles, the value being the difference from the mean
    of the stratum, whose tables hold what strata differ in. The slope is that of the call's regression on the column within strata,
    beside the call before, over the call's variance beside it: in the exponential family to which tilting leads, the mean then changes
    by the regression's slope, and what the call before has handed on is not counted twice. Averaged over values, a tilt would bring
    variants nearer to a frequency of one half, rare ones by a factor of exp(variance of the tilt / 2); to the second order this is taken
    off again, since slopes of rare alleles are mostly noise.

    Args:
        max_order: The longest history tried, in variants; shorter where tables of all variants would take more than 64 MiB.
        stratum_prior: Samples of all strata with which the counts of a stratum are pooled.
        ridge: Penalty of the regression on quantitative columns, in samples.

    References:
        Jelinek F., Mercer R.L. 1980. Interpolated estimation of Markov source parameters from sparse data. In: Pattern Recognition in
        Practice, 381-397; MacKay D.J.C., Bauman Peto L.C. 1995. A hierarchical Dirichlet language model. Natural Language Engineering
        1: 289-308. https://doi.org/10.1017/S1351324900000218
    """

    max_order: int = 6
    stratum_prior: float = 20.0
    ridge: float = 10.0

    def __post_init__(self) -> None:
        check_lowest(self, {"max_order": 0})
        check_below(self, {"max_order": _LARGEST_ORDER + 1})
        check_positive(self, ("stratum_prior", "ridge"))

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """The longest history and both strengths."""
        return cls(
            max_order=trial.suggest_int("max_order", 1, _LARGEST_ORDER),
            stratum_prior=trial.suggest_float("stratum_prior", 5.0, 100.0, log=True),
            ridge=trial.suggest_float("ridge", 1.0, 100.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> MarkovSampler:
        """Choose order and prior, then count training samples (at most 8,192, drawn at random)."""
        tables = SamplerTables.of_training(train, context.trait)
        strata = ClassStrata.of_encoder(tables.encoder)
        path = GeneticPath.of_variants(train.variants)
        rows = np.sort(np.random.default_rng(context.seed).permutation(train.n_samples)[:_MOST_SAMPLES])
        counted = train.take_samples(rows)
        calls = calls_along(counted.calls, path)
        order, prior = self._choice(calls, counted, path, context)
        stratum_of, values = strata.read(tables.encoder, counted.samples)
        at_most = history_tables(calls, path.n_before, order=order, prior=prior)
        ratios = stratum_ratios(calls, path.n_before, stratum_of, n_strata=strata.n_strata, prior=prior, stratum_prior=self.stratum_prior)
        slopes = first_order_slopes(calls, path.n_before, values, stratum_of=stratum_of, ridge=self.ridge)
        return MarkovSampler(
            tables=tables,
            columns_along=path.order,
            n_before=path.n_before,
            at_most=at_most,
            tilts=stratum_tilts(at_most, path.n_before, ratios),
            slopes=slopes,
        )

    @classmethod
    def load(cls, folder: Path) -> MarkovSampler:
        """The sampler that was saved in `folder`.

        Raises:
            GenobenchError: If the folder holds no whole sampler of this version.
        """
        tables, _ = SamplerTables.load(folder)
        strata = ClassStrata.of_encoder(tables.encoder)
        sizes = {"n_variants": len(tables.variants), "n_strata": strata.n_strata, "n_columns": len(strata.columns)}
        arrays: dict[str, Any] = load_arrays(folder, _ARRAYS, **sizes)
        with whole_sampler(folder):
            _check_path(arrays["columns_along"], arrays["n_before"])
        return MarkovSampler(tables=tables, **arrays)

    def _choice(self, calls: NDArray[np.int8], counted: Genotypes, path: GeneticPath, context: FitContext) -> tuple[int, float]:
        """The order and the prior that make samples which were not counted most likely.

        Args:
            calls: Those of `counted` along the path, shape (n_samples, n_variants).
            counted: Training samples.
            path: Where variants lie.
            context: Of the fit.
        """
        longest = self.max_order
        while longest > 0 and 8 * counted.n_variants * 3**longest > _TABLE_BYTES:
            longest -= 1
        n_compared = min(_MOST_COMPARED, counted.n_variants)
        start = (counted.n_variants - n_compared) // 2
        middle = slice(start, start + n_compared)
        n_before = np.minimum(path.n_before[middle], np.arange(n_compared))
        validation = context.validation
        if validation is not None and validation.n_samples >= FEWEST_VALIDATION:
            learned, others = calls[:, middle], calls_along(validation.calls, path)[:, middle]
        else:
            is_apart = set_apart(counted, context.trait, seed=context.seed)
            learned, others = calls[~is_apart][:, middle], calls[is_apart][:, middle]
        best = (-np.inf, 0, 1.0)
        for number, prior in enumerate(_PRIORS, start=1):
            scores = log_likelihoods(learned, others, n_before, order=longest, prior=prior)
            order = int(scores.argmax())
            best = max(best, (float(scores[order]), order, prior))
            context.report(number, {"log-likelihood a call": best[0], "order": float(best[1]), "total_steps": len(_PRIORS)})
        return best[1], best[2]


@dataclass(frozen=True, eq=False)
class MarkovSampler(Sampler):
    """Draws calls one after the other along all chromosomes at a time.

    Args:
        tables: Conditions and variants.
        columns_along: The variant at each place along the chromosomes, shape (n_variants,).
        n_before: Places before it on its chromosome.
        at_most: Chance of at most 0 and of at most 1 ALT allele after each history, shape (n_variants, 3 ** order, 2), along the path.
        tilts: What log-odds of 0, 1 and 2 ALT alleles gain in each stratum after 0, 1 and 2 at the place before, shape (n_strata,
            n_variants, 3, 3).
        slopes: What log-odds gain by ALT allele and standard deviation of each quantitative column, shape (n_columns, n_variants).
    """

    tables: SamplerTables
    columns_along: NDArray[np.int64]
    n_before: NDArray[np.int64]
    at_most: NDArray[np.float32]
    tilts: NDArray[np.float32]
    slopes: NDArray[np.float32]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition has another number of rows, or a class that no training sample has.
        """
        conditions = self.tables.conditions(n_samples, condition, seed=seed)
        strata = ClassStrata.of_encoder(self.tables.encoder)
        stratum_of, values = strata.read(self.tables.encoder, conditions)
        rng = np.random.default_rng(seed)
        packed = self.tables.packed_rows(n_samples)
        n_rows = max(1, _CALLS_PER_CHUNK // len(self.n_before))
        for start in range(0, n_samples, n_rows):
            rows = slice(start, start + n_rows)
            packed[rows] = PackedCalls.from_calls(self._calls(stratum_of[rows], values[rows], rng)).packed
        return self.tables.genotypes(packed, conditions)

    def save(self, folder: Path) -> None:
        """Arrays as safetensors, tables as Parquet and JSON."""
        self.tables.save(folder, {})
        save_arrays(folder, {name: getattr(self, name) for name in _ARRAYS})

    def _calls(self, stratum_of: NDArray[np.intp], values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int8]:
        """Calls of some samples, shape (n_rows, n_variants), in the order of the variant table."""
        calls = np.empty((len(stratum_of), len(self.n_before)), dtype=np.int8)
        # Of the columns within strata; the encoder has them in the same order.
        covariance = np.array(self.tables.encoder.covariance).reshape(len(self.slopes), len(self.slopes))
        spread = np.einsum("cv,cd,dv->v", self.slopes, covariance, self.slopes).astype(np.float32)
        starts = np.flatnonzero(self.n_before == 0)
        lengths = np.diff([*starts, len(self.n_before)])
        n_histories = self.at_most.shape[1]
        history = np.zeros((len(stratum_of), len(starts)), dtype=np.intp)
        previous = np.zeros_like(history)
        for step in range(int(lengths.max())):
            is_on = lengths > step
            if not is_on.all():
                starts, lengths, history, previous = starts[is_on], lengths[is_on], history[:, is_on], previous[:, is_on]
            places = starts + step
            at_most = self.at_most[places, history]
            if len(self.tilts) > 1 or len(self.slopes):
                at_most = self._tilted(at_most, places=places, previous=previous, stratum_of=stratum_of, values=values, spread=spread)
            draws = rng.random(history.shape, dtype=np.float32)
            previous = (draws >= at_most[..., 0]).astype(np.intp) + (draws >= at_most[..., 1])
            calls[:, self.columns_along[places]] = previous
            # The newest call is the lowest digit; the oldest falls out.
            history = (history * 3 + previous) % n_histories
        return calls

    def _tilted(
        self,
        at_most: NDArray[np.float32],
        *,
        places: NDArray[np.intp],
        previous: NDArray[np.intp],
        stratum_of: NDArray[np.intp],
        values: NDArray[np.float32],
        spread: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """`at_most`, shape (n_rows, n_chromosomes, 2), as the conditions of the rows tilt it.

        Args:
            at_most: Chance of at most 0 and of at most 1 ALT allele.
            places: One of each chromosome, shape (n_chromosomes,).
            previous: The calls before, shape (n_rows, n_chromosomes).
            stratum_of: Shape (n_rows,).
            values: Less their stratum's mean, shape (n_rows, n_columns).
            spread: Variance of slopes times values at each place, shape (n_variants,).
        """
        chance = np.stack([at_most[..., 0], at_most[..., 1] - at_most[..., 0], 1 - at_most[..., 1]], axis=-1)
        if len(self.tilts) > 1:
            chance = chance * np.exp(self.tilts[stratum_of[:, None], places, previous])
        if len(self.slopes):
            alleles = np.arange(3, dtype=np.float32)
            tilt = values @ self.slopes[:, places] - spread[places] * _skewness(chance) / 2
            chance = chance * np.exp(tilt[..., None] * alleles)
        # What cannot occur stays exactly impossible: sums of the same terms are equal.
        total = chance.sum(axis=-1)
        return np.stack([chance[..., 0] / total, np.where(chance[..., 2] == 0, 1, (chance[..., 0] + chance[..., 1]) / total)], axis=-1)


def _check_path(columns_along: NDArray[np.int64], n_before: NDArray[np.int64]) -> None:
    """Raise a ValueError if what is stored of a path is of none."""
    places = np.arange(len(n_before))
    starts = np.maximum.accumulate(np.where(n_before == 0, places, 0))
    if not np.array_equal(np.sort(columns_along), places) or not np.array_equal(n_before, places - starts):
        raise ValueError("columns_along and n_before are of no path along chromosomes.")


def _skewness(chance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Third central moment of ALT alleles over their variance, given weights of 0, 1 and 2 of shape (..., 3); 0 where only one occurs."""
    share = chance / chance.sum(axis=-1, keepdims=True)
    mean = share[..., 1] + 2 * share[..., 2]
    away = np.arange(3, dtype=np.float32) - mean[..., None]
    variance, third = (share * away**2).sum(axis=-1), (share * away**3).sum(axis=-1)
    skewness: NDArray[np.float32] = np.divide(third, variance, out=np.zeros_like(third), where=variance > _SMALLEST_VARIANCE)
    return skewness
