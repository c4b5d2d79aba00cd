"""A Gaussian copula of genotypes: families and genome-wide factors, and a chain of blocks along each chromosome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch

from genobench import MISSING, FitContext, Generator, GenobenchError, Genotypes, PackedCalls, Sampler, SettingsError, Trial
from genobench.statgen import BlockLayout, steps_along
from genobench_classical.chains import Chain, fit_chain
from genobench_classical.conditioning import ClassStrata, Frame, cumulative_shares
from genobench_classical.gaussian import finite_thresholds, thresholds
from genobench_classical.latent import Families, LatentScores, fit_factors, held_loadings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

_MOST_SAMPLES: Final = 2048
"""Correlations, factors and families are read off at most this many training samples, drawn at random; genotype shares off all."""

_FEWEST_JUDGES: Final = 50
_JUDGED_SHARE: Final = 0.25
_LARGEST_EFFECT: Final = 0.5
_VALUES_PER_CHUNK: Final = 1 << 24
_FILES: Final = ("cut", "slopes", "loadings", "from_before", "from_noise", "variant_at", "is_followed", "sizes", "relationships")


@dataclass(frozen=True)
class Copula(Generator):
    """Gaussian copula (NORTA) of genotypes: each call is a latent normal variable, cut at two thresholds.

    A latent variable is the sum of

    - the effects of quantitative columns of the condition (the trait, covariates): conditioning of normal variables, that is, linear
      regression of the latent variable;
    - genome-wide factors: the principal components of training scores, each with the variance that samples outside of training families
      show along it (validation samples, or else a quarter of training families set apart);
    - a chain of blocks along the chromosome, whose weights are fitted so that calls have the correlations of training calls.

    Thresholds are those of the genotype shares in the sample's stratum (its combination of classes), drawn towards the shares of all
    samples as far as strata are alike. Thresholding keeps the shares exactly; rounding of component scores would draw calls to the mean.

    With `least_relationship` below 1 samples are generated in families: the correlation of latent variables between members is that of the
    members of some training family, and every genome is new. Relationships are nearer to training then, but fewer families than an endless
    population cover less of it (precision and recall fall), so that the default generates unrelated samples. No score of a training sample
    is kept. The copula knows pairs of variants only; blocks of few haplotypes are beyond it.

    Args:
        n_components: The most genome-wide factors tried; never more than one for 50 training samples.
        block_size: The most variants in a block; a variant is linked directly with those of its block and the one before.
        n_rounds: Steps of Adam for each block's weights.
        least_relationship: Groups of training samples that are less related than this on average are not one family; 1: no families.
        ridge: Penalty of the regression on quantitative columns, in samples.

    References:
        Nelsen R.B. 2006. An Introduction to Copulas. Springer. https://doi.org/10.1007/0-387-28678-0 ; Cario M.C., Nelson B.L. 1997.
        Modeling and generating random vectors with arbitrary marginal distributions and correlation matrix (NORTA). Northwestern
        University. Components of genotypes, thresholded, stand for simulations by rounded component scores.
    """

    n_components: int = 100
    block_size: int = 128
    n_rounds: int = 50
    least_relationship: float = 1.0
    ridge: float = 10.0

    def __post_init__(self) -> None:
        for name, low in (("n_components", 0), ("block_size", 4), ("n_rounds", 1)):
            if not getattr(self, name) >= low:
                raise SettingsError(f"copula: {name} is {getattr(self, name)}; it must be at least {low}.")
        if not 0 < self.least_relationship <= 1:
            raise SettingsError(f"copula: least_relationship is {self.least_relationship}; it must lie in (0, 1].")
        if not self.ridge > 0:
            raise SettingsError(f"copula: ridge is {self.ridge}; it must be above 0.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Factors, blocks and families, around the defaults."""
        return cls(
            n_components=trial.suggest_int("n_components", 10, 300, log=True),
            block_size=trial.suggest_categorical("block_size", [64, 128, 192]),
            least_relationship=trial.suggest_categorical("least_relationship", [0.2, 0.4, 1.0]),
            ridge=trial.suggest_float("ridge", 1.0, 100.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> CopulaSampler:
        """Learn from training samples; a missing call is left out of shares and counts as the average in correlations."""
        frame = Frame.of_training(train, context.trait)
        strata = ClassStrata.of_encoder(frame.encoder)
        encoded = frame.encoder.encode(train.samples)
        at_most = cumulative_shares(train, strata.places(encoded), strata.n_strata)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        rows = _drawn_rows(train.n_samples, context.seed)
        calls = PackedCalls(packed=np.asarray(train.calls.packed[rows]), n_variants=train.n_variants)
        scores = LatentScores.of_training(calls, strata=strata.places(encoded[rows]), at_most=at_most, layout=layout)
        slopes = self._slopes(scores, encoded[rows][:, list(strata.quantitative)])
        families, family_of = Families.of_gram(scores.gram(), least=self.least_relationship)
        loadings = self._loadings(scores, context, frame, strata, family_of)
        chain = self._chain(scores, np.concatenate([slopes.T, loadings], axis=1), at_most, context)
        return CopulaSampler(
            frame=frame,
            layout=layout,
            cut=thresholds(at_most).astype(np.float32),
            slopes=slopes,
            loadings=loadings,
            chain=chain,
            families=families,
        )

    @classmethod
    def load(cls, folder: Path) -> CopulaSampler:
        """The sampler that was saved in `folder`."""
        frame, _ = Frame.load(folder)
        try:
            arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _FILES}
        except (OSError, ValueError) as error:
            raise GenobenchError(f"The folder {folder} holds no whole sampler: {error}") from error
        return CopulaSampler(
            frame=frame,
            layout=BlockLayout(variant_at=arrays["variant_at"], is_followed=arrays["is_followed"]),
            cut=arrays["cut"],
            slopes=arrays["slopes"],
            loadings=arrays["loadings"],
            chain=Chain(from_before=torch.from_numpy(arrays["from_before"]), from_noise=torch.from_numpy(arrays["from_noise"])),
            families=Families(sizes=arrays["sizes"], relationships=arrays["relationships"]),
        )

    def _slopes(self, scores: LatentScores, quantitative: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change of latent variables by standard deviation of each quantitative column, shape (n_columns, n_places)."""
        layout = scores.layout
        n_columns = quantitative.shape[1]
        penalty = self.ridge * np.eye(n_columns)
        regress = np.linalg.solve(quantitative.T @ quantitative + penalty, quantitative.T).astype(np.float32)
        by_block = [regress @ scores.of_block(block) for block in range(layout.n_blocks)]
        slopes = np.concatenate(by_block, axis=1)
        spread = np.zeros(slopes.shape[1])
        spread[layout.place_of] = scores.spread
        slopes *= np.where(spread > 0, 1 / np.maximum(spread, 0.2), 0).astype(np.float32)
        return held_loadings(slopes.T, _LARGEST_EFFECT).T.astype(np.float32)

    def _loadings(
        self, scores: LatentScores, context: FitContext, frame: Frame, strata: ClassStrata, family_of: Places
    ) -> NDArray[np.float32]:
        judges = _validation_scores(scores, context, frame, strata)
        if judges is None:
            is_judge = _set_apart(family_of, context.seed)
            scores, judges = _some(scores, ~is_judge), _some(scores, is_judge)
        return fit_factors(scores, judges, scores.gram(), n_components=self.n_components)

    def _chain(self, scores: LatentScores, loadings: NDArray[np.float32], at_most: Floats, context: FitContext) -> Chain:
        layout = scores.layout
        shape = (layout.n_blocks, layout.block_size)
        weight = np.bincount(scores.strata, minlength=len(at_most)) / len(scores.strata)
        finite = np.clip(thresholds(at_most), -8, 8)
        cut = np.full((2, layout.variant_at.size), 8.0)
        cut[:, layout.place_of] = np.einsum("s,scv->cv", weight, finite)
        total = len(steps_along(layout.is_followed))
        mean = np.zeros((len(at_most), layout.variant_at.size), dtype=np.float32)
        mean[:, layout.place_of] = 2 - at_most.sum(axis=1)
        return fit_chain(
            lambda block: _standardised(scores, mean, block),
            cut=finite_thresholds(cut.reshape(2, *shape).transpose(1, 0, 2)),
            loadings=torch.from_numpy(held_loadings(loadings, 0.9).astype(np.float32)).view(*shape, -1),
            layout=layout,
            n_rounds=self.n_rounds,
            report=lambda step, error: context.report(step, {"correlation error": error, "total_steps": total}),
        )


@dataclass(frozen=True, eq=False)
class CopulaSampler(Sampler):
    """Draws latent variables family by family and cuts them.

    Args:
        frame: Conditions and variants.
        layout: Where variants lie.
        cut: Thresholds of each stratum, shape (n_strata, 2, n_variants).
        slopes: Effects of quantitative columns, shape (n_columns, n_places).
        loadings: Of genome-wide factors, shape (n_places, n_factors).
        chain: Latent variables along chromosomes.
        families: Sizes and relationships.
    """

    frame: Frame
    layout: BlockLayout
    cut: NDArray[np.float32]
    slopes: NDArray[np.float32]
    loadings: NDArray[np.float32]
    chain: Chain
    families: Families

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training."""
        table = self.frame.table(n_samples, condition, seed=seed)
        encoded = self.frame.encoder.encode(table)
        strata = ClassStrata.of_encoder(self.frame.encoder)
        places = strata.places(encoded)
        effects = encoded[:, list(strata.quantitative)]
        rng = np.random.default_rng(seed)
        random = torch.Generator().manual_seed(seed)
        order = rng.permutation(n_samples)
        packed = self.frame.packed_rows(n_samples)
        start = 0
        with torch.inference_mode():
            for chunk in self._family_chunks(n_samples, rng):
                rows = order[start : start + sum(size for _, size in chunk)]
                latent = self._latent(chunk, random)
                latent += effects[rows] @ self.slopes
                packed[rows] = PackedCalls.from_calls(self._calls(latent, places[rows])).packed
                start += len(rows)
        return self.frame.genotypes(packed, table)

    def save(self, folder: Path) -> None:
        """Arrays as npy, tables as Parquet and JSON."""
        self.frame.save(folder)
        arrays: dict[str, Any] = {
            "cut": self.cut,
            "slopes": self.slopes,
            "loadings": self.loadings,
            "from_before": self.chain.from_before.numpy(),
            "from_noise": self.chain.from_noise.numpy(),
            "variant_at": self.layout.variant_at,
            "is_followed": self.layout.is_followed,
            "sizes": self.families.sizes,
            "relationships": self.families.relationships,
        }
        for name in _FILES:
            np.save(folder / f"{name}.npy", arrays[name], allow_pickle=False)

    def _family_chunks(self, n_samples: int, rng: np.random.Generator) -> Iterator[list[tuple[int, int]]]:
        """Families (which, how many members) in chunks of bounded size; each training family comes as often as another."""
        most = max(1, _VALUES_PER_CHUNK // self.layout.variant_at.size)
        chunk: list[tuple[int, int]] = []
        n_here = 0
        while n_samples > 0:
            family = int(rng.integers(len(self.families.sizes)))
            size = min(int(self.families.sizes[family]), n_samples)
            n_samples -= size
            chunk.append((family, size))
            n_here += size
            if n_here >= most or n_samples == 0:
                yield chunk
                chunk, n_here = [], 0

    def _latent(self, chunk: list[tuple[int, int]], random: torch.Generator) -> NDArray[np.float32]:
        """Latent variables without the condition's effects, shape (n_rows, n_places)."""
        n_rows = sum(size for _, size in chunk)
        width = self.layout.block_size
        latent = torch.randn(n_rows, self.loadings.shape[1], generator=random) @ torch.from_numpy(self.loadings).T
        local = torch.zeros(n_rows, width)
        is_followed = False
        for block in range(self.layout.n_blocks):
            drawn = torch.randn(n_rows, width, generator=random) @ self.chain.from_noise[block].T
            local = drawn + local @ self.chain.from_before[block].T if is_followed else drawn
            latent[:, block * width : (block + 1) * width] += local
            is_followed = bool(self.layout.is_followed[block])
        start = 0
        for family, size in chunk:
            if size > 1:
                factor = torch.from_numpy(self.families.factor(family)[:size, :size])
                latent[start : start + size] = factor @ latent[start : start + size]
            start += size
        values: NDArray[np.float32] = latent.numpy()
        return values

    def _calls(self, latent: NDArray[np.float32], strata: Places) -> NDArray[np.int8]:
        chosen = latent[:, self.layout.place_of]
        calls = np.empty(chosen.shape, dtype=np.int8)
        for stratum in np.unique(strata):
            rows = np.flatnonzero(strata == stratum)
            low, high = self.cut[stratum]
            calls[rows] = (chosen[rows] > low).view(np.int8) + (chosen[rows] > high).view(np.int8)
        return calls


def _drawn_rows(n_samples: int, seed: int) -> Places:
    if n_samples <= _MOST_SAMPLES:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(seed).choice(n_samples, _MOST_SAMPLES, replace=False))


def _some(scores: LatentScores, is_wanted: NDArray[np.bool_]) -> LatentScores:
    calls = PackedCalls(packed=np.asarray(scores.calls.packed[is_wanted]), n_variants=scores.calls.shape[1])
    return LatentScores(calls=calls, strata=scores.strata[is_wanted], means=scores.means, layout=scores.layout, spread=scores.spread)


def _set_apart(family_of: Places, seed: int) -> NDArray[np.bool_]:
    """Which samples judge: whole families, until a quarter of the samples is reached."""
    order = np.random.default_rng(seed).permutation(int(family_of.max()) + 1)
    sizes = np.bincount(family_of)[order]
    chosen = order[np.cumsum(sizes) <= max(1.0, _JUDGED_SHARE * len(family_of))]
    is_judge = np.isin(family_of, chosen)
    if not is_judge.any():
        is_judge[: max(1, len(is_judge) // 4)] = True
    return is_judge


def _validation_scores(scores: LatentScores, context: FitContext, frame: Frame, strata: ClassStrata) -> LatentScores | None:
    """Scores of validation samples; None where they are too few. Those of a class that training lacks are of the stratum of all samples."""
    validation = context.validation
    if validation is None or validation.n_samples < _FEWEST_JUDGES:
        return None
    places = strata.places(frame.encoder.encode_known(validation.samples))
    return LatentScores(calls=validation.calls, strata=places, means=scores.means, layout=scores.layout, spread=scores.spread)


def _standardised(scores: LatentScores, mean: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Training calls less the mean of the stratum, over their standard deviation, shape (n_samples, block_size)."""
    places = slice(block * scores.layout.block_size, (block + 1) * scores.layout.block_size)
    variants = scores.layout.variant_at[block]
    calls = scores.calls.columns(np.maximum(variants, 0)).astype(np.float32)
    is_called = (calls != MISSING) & (variants >= 0)
    centred = np.where(is_called, calls - mean[:, places][scores.strata], 0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(is_called.sum(axis=0), 1))
    # A missing call takes part with 0, which is made up for by its variant's other samples.
    spread *= np.sqrt(is_called.mean(axis=0))
    standardised: NDArray[np.float32] = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-4)
    return standardised
