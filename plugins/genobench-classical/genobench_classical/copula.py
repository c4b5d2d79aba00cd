"""A Gaussian copula of genotypes: genome-wide factors, and a chain of blocks along each chromosome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch

from genobench import (
    MISSING,
    FitContext,
    Generator,
    Genotypes,
    Sampler,
    SamplerTables,
    Trial,
    check_lowest,
    check_positive,
)
from genobench.statgen import BlockLayout, steps_along
from genobench_classical.chains import Chain, fit_chain
from genobench_classical.copula_sampling import CopulaSampler
from genobench_classical.gaussian import finite_thresholds, thresholds
from genobench_classical.latent import LatentScores, bounded_loadings, fit_factors
from genobench_classical.set_apart import FEWEST_VALIDATION, set_apart
from genobench_classical.strata import ClassStrata, cumulative_shares

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

_MOST_SAMPLES: Final = 2048
"""Correlations, factors and slopes are read off at most this many training samples, drawn at random; genotype shares off all."""

_LARGEST_EFFECT: Final = 0.5
"""Of a latent variable's variance, what quantitative columns may explain."""

_LARGEST_SHARED: Final = 0.9
"""Of a latent variable's variance, what columns and factors may explain together; the rest is the chain's."""


@dataclass(frozen=True)
class Copula(Generator):
    """Gaussian copula (NORTA) of genotypes: each call is a latent normal variable, cut at two thresholds.

    A latent variable is the sum of

    - the effects of quantitative columns of the condition (the trait, covariates), as differences from the mean of the sample's stratum
      (its combination of classes): conditioning of normal variables, that is, linear regression of the latent variable within strata;
    - genome-wide factors: the principal components of training scores, each with the variance that samples outside of training families
      show along it (validation samples, or else whole families of training samples set apart, up to a quarter);
    - a chain of blocks along the chromosome, whose weights are fitted so that calls have the correlations of training calls.

    Thresholds are those of the genotype shares in the stratum, drawn towards the shares of all samples as far as strata are alike. The
    three parts have variance 1 together where columns vary and go together as they do within training strata; thresholding then keeps the
    shares exactly, if columns are normal.

    Samples are unrelated but for the factors. No score of a training sample is kept. The copula knows pairs of variants only; blocks of
    few haplotypes are beyond it.

    Args:
        n_components: The most genome-wide factors tried; never more than one for 200 training samples.
        block_size: The most variants in a block; a variant is linked directly with those of its block and the one before.
        n_rounds: Steps of Adam for each block's weights.
        ridge: Penalty of the regression on quantitative columns, in samples.

    References:
        Nelsen R.B. 2006. An Introduction to Copulas. Springer. https://doi.org/10.1007/0-387-28678-0 ; Cario M.C., Nelson B.L. 1997.
        Modeling and generating random vectors with arbitrary marginal distributions and correlation matrix (NORTA). Northwestern
        University.
    """

    n_components: int = 10
    block_size: int = 128
    n_rounds: int = 50
    ridge: float = 10.0

    def __post_init__(self) -> None:
        check_lowest(self, {"n_components": 0, "block_size": 4, "n_rounds": 1})
        check_positive(self, ("ridge",))

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Factors, blocks and the penalty, around the defaults."""
        return cls(
            n_components=trial.suggest_int("n_components", 0, 10),
            block_size=trial.suggest_categorical("block_size", [64, 128, 192]),
            ridge=trial.suggest_float("ridge", 1.0, 100.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> CopulaSampler:
        """Learn from training samples; missing calls are left out, and what is summed over calls is made up for by call rates."""
        tables = SamplerTables.of_training(train, context.trait)
        strata = ClassStrata.of_encoder(tables.encoder)
        stratum_of, columns = strata.read(tables.encoder, train.samples)
        at_most = cumulative_shares(train, stratum_of, strata.n_strata)
        rows = _drawn_rows(train.n_samples, context.seed)
        read = train.take_samples(rows)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        scores = LatentScores.of_training(read.calls, stratum_of=stratum_of[rows], at_most=at_most, layout=layout)
        slopes, effects = self._slopes(scores, columns[rows])
        loadings = self._loadings(scores, read=read, context=context, tables=tables, strata=strata)
        shared = np.concatenate([effects, loadings], axis=1)
        bounded = bounded_loadings(shared, _LARGEST_SHARED).astype(np.float32)
        # The bound takes off slopes what it takes off effects.
        ratio = np.divide(bounded, shared, out=np.ones_like(bounded), where=shared != 0).min(axis=1, initial=1)
        return CopulaSampler(
            tables=tables,
            layout=layout,
            cut=thresholds(at_most).astype(np.float32),
            slopes=slopes * ratio,
            loadings=bounded[:, effects.shape[1] :],
            chain=self._chain(scores, bounded, at_most, context),
        )

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return CopulaSampler.load(folder)

    def _slopes(self, scores: LatentScores, columns: Singles) -> tuple[Singles, Singles]:
        """Changes of latent variables by the quantitative columns, and the same for uncorrelated columns of variance 1.

        Args:
            scores: Of training samples.
            columns: Standardised, less the mean of the sample's stratum, shape (n_samples, n_columns).

        Returns:
            Slopes, shape (n_columns, n_places), and effects as loadings, shape (n_places, n_columns): slopes times a root of the
            columns' covariance, so that their squares add up to the variance that the columns give.
        """
        layout, products = scores.layout, columns.T @ columns
        regress = np.linalg.solve(products + self.ridge * np.eye(len(products)), columns.T).astype(np.float32)
        slopes = np.concatenate([regress @ scores.of_block(block) for block in range(layout.n_blocks)], axis=1)
        spread = layout.placed(scores.spread, 0).reshape(-1)
        slopes *= np.where(spread > 0, 1 / np.maximum(spread, 0.2), 0).astype(np.float32)
        variances, axes = np.linalg.eigh(products / len(columns))
        effects = slopes.T @ (axes * np.sqrt(np.maximum(variances, 0)))
        bounded = bounded_loadings(effects, _LARGEST_EFFECT)
        length, shorter = np.linalg.norm(effects, axis=1), np.linalg.norm(bounded, axis=1)
        slopes *= np.divide(shorter, length, out=np.ones_like(length), where=length > 0)
        return slopes.astype(np.float32), bounded.astype(np.float32)

    def _loadings(
        self, scores: LatentScores, *, read: Genotypes, context: FitContext, tables: SamplerTables, strata: ClassStrata
    ) -> Singles:
        """Of genome-wide factors, shape (n_places, n_factors).

        Args:
            scores: Of the training samples that were read.
            read: These samples.
            context: Of the fit, with validation samples where there are any.
            tables: Conditions as numbers.
            strata: Of training samples.
        """
        validation = context.validation
        if validation is not None and validation.n_samples >= FEWEST_VALIDATION:
            # A class that training lacks reads as missing here: such samples are of the stratum of all samples.
            stratum_of = strata.stratum_of(tables.encoder.encode_known(validation.samples))
            others = scores.of_others(validation.calls, stratum_of)
        else:
            is_apart = set_apart(read, context.trait, seed=context.seed)
            apart, rest = np.flatnonzero(is_apart), np.flatnonzero(~is_apart)
            others = scores.of_others(read.take_samples(apart).calls, scores.stratum_of[apart])
            scores = scores.of_others(read.take_samples(rest).calls, scores.stratum_of[rest])
        return fit_factors(scores, others, n_components=self.n_components)

    def _chain(self, scores: LatentScores, loadings: Singles, at_most: Floats, context: FitContext) -> Chain:
        """The chain that, with these loadings, of shape (n_places, n_factors), has the correlations of training calls."""
        layout = scores.layout
        weight = np.bincount(scores.stratum_of, minlength=len(at_most)) / len(scores.stratum_of)
        cut = np.einsum("s,scv->cv", weight, np.clip(thresholds(at_most), -8, 8))
        mean = layout.placed((2 - at_most.sum(axis=1)).astype(np.float32), 0)
        total = len(steps_along(layout.is_followed))
        return fit_chain(
            lambda block: _standardised(scores, mean[:, block], block),
            cut=finite_thresholds(layout.placed(cut, 8.0).transpose(1, 0, 2)),
            loadings=torch.from_numpy(loadings).view(layout.n_blocks, layout.block_size, -1),
            layout=layout,
            n_rounds=self.n_rounds,
            report=lambda step, error: context.report(step, {"correlation error": error, "total_steps": total}),
        )


def _drawn_rows(n_samples: int, seed: int) -> NDArray[np.intp]:
    if n_samples <= _MOST_SAMPLES:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(seed).choice(n_samples, _MOST_SAMPLES, replace=False))


def _standardised(scores: LatentScores, mean: Singles, block: int) -> Singles:
    """Training calls less the mean of the stratum, over their standard deviation; NaN where missing, 0 for constant variants and padding.

    Args:
        scores: Of training samples.
        mean: Of each stratum in this block, shape (n_strata, block_size).
        block: Which block.

    Returns:
        Shape (n_samples, block_size).
    """
    variants = scores.layout.variant_at[block]
    calls = scores.calls.columns(np.maximum(variants, 0)).astype(np.float32)
    is_called = calls != MISSING
    centred = np.where(is_called, calls - mean[scores.stratum_of], 0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(is_called.sum(axis=0), 1))
    is_used = (spread > 1e-4) & (variants >= 0)
    standardised = np.where(is_called, centred / np.where(is_used, spread, 1), np.float32(np.nan)).astype(np.float32)
    standardised[:, ~is_used] = 0
    return standardised
