"""Markov chains of genotypes along chromosomes, of an order that samples set apart choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench import FitContext, Generator, GenobenchError, Genotypes, PackedCalls, Sampler, SettingsError, Trial
from genobench_classical.conditioning import ClassStrata, Frame
from genobench_classical.histories import Path as GenomePath
from genobench_classical.histories import calls_along, first_order_slopes, history_tables, log_likelihoods, stratum_tilts

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LARGEST_ORDER: Final = 7
_TABLE_BYTES: Final = 1 << 26
_PRIORS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_FEWEST_JUDGES: Final = 20
_MOST_SAMPLES: Final = 8192
_JUDGED_VARIANTS: Final = 2000
_CALLS_PER_CHUNK: Final = 1 << 25
_FILES: Final = ("order_along", "n_before", "tables", "tilts", "slopes")


@dataclass(frozen=True)
class Markov(Generator):
    """A Markov chain of genotypes along each chromosome.

    The chance of a call given the calls before it backs off from the longest history to none: the counts of training samples at each
    length are added to `prior` samples that follow the next shorter history (hierarchical Dirichlet smoothing; with it, Jelinek and
    Mercer's interpolation has the weight count / (count + prior)). The order (length of history) and the prior are those that make samples
    that were not counted most likely: validation samples, or else a fifth of the training samples. A missing call is not counted, nor
    is what follows it.

    Classes: each stratum (combination of classes) has tables of its own for histories of one call, of its own counts and
    `stratum_prior` samples that follow the tables of all; the longer tables are multiplied by the ratio of both and made to sum to 1, so
    that linkage is shared and frequencies are the stratum's. A combination not seen in training has the tables of all samples.

    Quantitative columns: the log-odds of a call are tilted by slope x value x ALT alleles. The slope is that of the call's regression on
    the column beside the call before, over the call's variance beside it: in the exponential family to which tilting leads, the
    mean then changes by the regression's slope, and what the call before has handed on is not counted twice.

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
        if not 0 <= self.max_order <= _LARGEST_ORDER:
            raise SettingsError(f"markov: max_order is {self.max_order}; it must be from 0 to {_LARGEST_ORDER}.")
        for name in ("stratum_prior", "ridge"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"markov: {name} is {getattr(self, name)}; it must be above 0.")

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
        frame = Frame.of_training(train, context.trait)
        strata = ClassStrata.of_encoder(frame.encoder)
        path = GenomePath.of_variants(train.variants)
        rng = np.random.default_rng(context.seed)
        rows = np.sort(rng.permutation(train.n_samples)[:_MOST_SAMPLES])
        calls = calls_along(train.calls, rows, path)
        order, prior = self._choice(calls, train, path, context, rng)
        encoded = frame.encoder.encode(train.samples)[rows]
        places = strata.places(encoded)
        tables = history_tables(calls, path.n_before, order=order, prior=prior)
        tilts = stratum_tilts(calls, path.n_before, places, n_strata=strata.n_strata, prior=prior, stratum_prior=self.stratum_prior)
        slopes = first_order_slopes(calls, path.n_before, encoded[:, list(strata.quantitative)], ridge=self.ridge)
        return MarkovSampler(frame=frame, order_along=path.order, n_before=path.n_before, tables=tables, tilts=tilts, slopes=slopes)

    @classmethod
    def load(cls, folder: Path) -> MarkovSampler:
        """The sampler that was saved in `folder`."""
        frame, _ = Frame.load(folder)
        try:
            arrays: dict[str, Any] = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _FILES}
        except (OSError, ValueError) as error:
            raise GenobenchError(f"The folder {folder} holds no whole sampler: {error}") from error
        return MarkovSampler(frame=frame, **arrays)

    def _choice(
        self, calls: NDArray[np.int8], train: Genotypes, path: GenomePath, context: FitContext, rng: np.random.Generator
    ) -> tuple[int, float]:
        """The order and the prior that make samples which were not counted most likely."""
        longest = self.max_order
        while longest > 0 and 8 * train.n_variants * 3**longest > _TABLE_BYTES:
            longest -= 1
        n_judged = min(_JUDGED_VARIANTS, train.n_variants)
        start = (train.n_variants - n_judged) // 2
        judged = slice(start, start + n_judged)
        n_before = np.minimum(path.n_before[judged], np.arange(n_judged))
        validation = context.validation
        if validation is not None and validation.n_samples >= _FEWEST_JUDGES:
            counted, judges = calls[:, judged], calls_along(validation.calls, np.arange(validation.n_samples), path)[:, judged]
        else:
            is_judge = np.zeros(len(calls), dtype=bool)
            is_judge[rng.permutation(len(calls))[: max(1, len(calls) // 5)]] = True
            counted, judges = calls[~is_judge][:, judged], calls[is_judge][:, judged]
        best = (-np.inf, 0, 1.0)
        for number, prior in enumerate(_PRIORS, start=1):
            scores = log_likelihoods(counted, judges, n_before, order=longest, prior=prior)
            order = int(scores.argmax())
            best = max(best, (float(scores[order]), order, prior))
            context.report(number, {"log-likelihood a call": best[0], "order": float(best[1]), "total_steps": len(_PRIORS)})
        return best[1], best[2]


@dataclass(frozen=True, eq=False)
class MarkovSampler(Sampler):
    """Draws calls one after the other along all chromosomes at a time.

    Args:
        frame: Conditions and variants.
        order_along: The variant at each place along the chromosomes, shape (n_variants,).
        n_before: Places before it on its chromosome.
        tables: Chance of at most 0 and of at most 1 ALT allele after each history, shape (n_variants, 3 ** order, 2), along the path.
        tilts: What log-odds of 0, 1 and 2 ALT alleles gain in each stratum after 0, 1 and 2 at the place before, shape (n_strata,
            n_variants, 3, 3).
        slopes: What log-odds gain by ALT allele and standard deviation of each quantitative column, shape (n_columns, n_variants).
    """

    frame: Frame
    order_along: NDArray[np.int64]
    n_before: NDArray[np.int64]
    tables: NDArray[np.float32]
    tilts: NDArray[np.float32]
    slopes: NDArray[np.float32]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training."""
        table = self.frame.table(n_samples, condition, seed=seed)
        encoded = self.frame.encoder.encode(table)
        strata = ClassStrata.of_encoder(self.frame.encoder)
        places, values = strata.places(encoded), encoded[:, list(strata.quantitative)]
        rng = np.random.default_rng(seed)
        packed = self.frame.packed_rows(n_samples)
        n_rows = max(1, _CALLS_PER_CHUNK // len(self.n_before))
        for start in range(0, n_samples, n_rows):
            rows = slice(start, start + n_rows)
            packed[rows] = PackedCalls.from_calls(self._calls(places[rows], values[rows], rng)).packed
        return self.frame.genotypes(packed, table)

    def save(self, folder: Path) -> None:
        """Arrays as npy, tables as Parquet and JSON."""
        self.frame.save(folder)
        for name in _FILES:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    def _calls(self, strata: NDArray[np.intp], values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int8]:
        """Calls of some samples, shape (n_rows, n_variants), in the order of the variant table."""
        calls = np.empty((len(strata), len(self.n_before)), dtype=np.int8)
        starts = np.flatnonzero(self.n_before == 0)
        lengths = np.diff([*starts, len(self.n_before)])
        n_histories = self.tables.shape[1]
        history = np.zeros((len(strata), len(starts)), dtype=np.intp)
        previous = np.zeros_like(history)
        for step in range(int(lengths.max())):
            is_on = lengths > step
            if not is_on.all():
                starts, lengths, history, previous = starts[is_on], lengths[is_on], history[:, is_on], previous[:, is_on]
            places = starts + step
            at_most = self.tables[places, history]
            if len(self.tilts) > 1 or len(self.slopes):
                at_most = self._tilted(at_most, places, previous, strata, values)
            draws = rng.random(history.shape, dtype=np.float32)
            previous = (draws >= at_most[..., 0]).astype(np.intp) + (draws >= at_most[..., 1])
            calls[:, self.order_along[places]] = previous
            # The newest call is the lowest digit; the oldest falls out.
            history = (history * 3 + previous) % n_histories
        return calls

    def _tilted(
        self,
        at_most: NDArray[np.float32],
        places: NDArray[np.intp],
        previous: NDArray[np.intp],
        strata: NDArray[np.intp],
        values: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        alleles = np.arange(3, dtype=np.float32)
        tilt = (values @ self.slopes[:, places])[..., None] * alleles
        if len(self.tilts) > 1:
            tilt = tilt + self.tilts[strata[:, None], places, previous]
        chance = np.stack([at_most[..., 0], at_most[..., 1] - at_most[..., 0], 1 - at_most[..., 1]], axis=-1) * np.exp(tilt)
        # What cannot occur stays exactly impossible: sums of the same terms are equal.
        total = chance.sum(axis=-1)
        return np.stack([chance[..., 0] / total, np.where(chance[..., 2] == 0, 1, (chance[..., 0] + chance[..., 1]) / total)], axis=-1)
