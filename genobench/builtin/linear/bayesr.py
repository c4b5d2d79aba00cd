"""BayesR: each variant has no effect, or a small, a middling or a large one, in shares that the data tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

from genobench import Classifier, SettingsError, check_lowest
from genobench.builtin.linear.score_predictors import covariates_left, score_predictor
from genobench.builtin.linear.variant_weights import CallTable, Unseen, unseen_scores
from genobench.statgen import fit_gblup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Predictor, Trial

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

VARIANCES: Final = (0.0, 1e-4, 1e-3, 1e-2)
"""Of effects of standardised calls, over the genetic variance, in the four classes of Erbe et al. 2012."""

_BEGIN: Final = (0.95, 0.02, 0.02, 0.01)
"""Shares of variants in the four classes that the sampler begins with."""

_PER_BLOCK: Final = 128
"""Variants whose products with one another are kept, so that a draw costs as much with many samples as with few."""

_EXPLAINED: Final = 1e-6
"""What is less, of a variance of 1, is rounding of calls in numbers of four bytes."""


class Posterior(NamedTuple):
    """What the data say of effects; means over the sweeps that are kept.

    Args:
        effects: Of calls with variance 1, shape (n_varying,).
        shares: Of variants in each of the four classes, shape (4,).
        residual_variance: Of the trait.
    """

    effects: Floats
    shares: Floats
    residual_variance: float


@dataclass(frozen=True)
class BayesR(Classifier):
    """A mixture of four normal effects on standardised calls, by Gibbs sampling; covariates are not penalised.

    Effects have variances of 0, .0001, .001 and .01 of the genetic variance, which restricted maximum likelihood gives (`fit_gblup`). Class
    and effect of one variant after the other, then the shares of the classes (a flat Dirichlet prior) and the residual variance (with
    density 1 / variance) are drawn given all else; weights are the mean effects of the sweeps that are kept. Covariates are projected out
    of calls and values first. Where no variant varies, covariates alone are used.

    Classes in order are fitted as values (0, 1, 2, ...), and the score becomes probabilities by a cumulative logit of scores of folds,
    which takes four fits for one. The processor time is about 6 microseconds a variant and sweep, and the calls take 4 bytes each.

    Args:
        n_sweeps: Over all variants.
        n_discarded: So many first ones are not kept.

    References:
        Erbe M. et al. 2012. Journal of Dairy Science 95: 4114-4129. https://doi.org/10.3168/jds.2011-5019 ; Moser G. et al. 2015. PLoS
        Genetics 11: e1004969. https://doi.org/10.1371/journal.pgen.1004969
    """

    n_sweeps: int = 500
    n_discarded: int = 100

    trait_kinds = frozenset({"ordinal", "quantitative"})

    def __post_init__(self) -> None:
        check_lowest(self, {"n_sweeps": 1, "n_discarded": 0})
        if not self.n_discarded < self.n_sweeps:
            raise SettingsError(f"n_discarded is {self.n_discarded}; it must be below n_sweeps, which is {self.n_sweeps}.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """How long the sampler runs; a fifth of its sweeps is not kept."""
        n_sweeps = trial.suggest_int("n_sweeps", 200, 2_000, log=True)
        return cls(n_sweeps=n_sweeps, n_discarded=n_sweeps // 5)

    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, values are too few, constant, or follow from the covariates, fewer than two classes
                occur, or there are neither covariates nor variants that vary.
        """
        table = CallTable.of(train, context)
        if not len(table.variants):
            return covariates_left(table)

        def weigh(table: CallTable, rows: Indices) -> Floats:
            return self.posterior(table, rows, seed=context.seed).effects[:, None]

        everyone = np.arange(len(table.values))
        weights = weigh(table, everyone)[:, 0]
        nothing = Unseen(values=np.zeros(0), scores=np.zeros((0, 1)), rows=everyone[:0])
        unseen = nothing if context.trait.kind == "quantitative" else unseen_scores(weigh, table, context)
        return score_predictor(table, weights, unseen, chosen=0)

    def posterior(self, table: CallTable, rows: Indices, *, seed: int) -> Posterior:
        """Of effects, learned at `rows`."""
        x = table.x if len(rows) == len(table.values) else np.asfortranarray(table.x[rows])
        residual = table.beside_covariates(rows, table.values[rows])
        if not np.ptp(x, axis=0).any():
            return Posterior(np.zeros(x.shape[1]), np.array(_BEGIN), float(residual @ residual) / len(rows))
        gblup = fit_gblup(table.known.genotypes.take_samples(rows).calls, table.values[rows], table.known.columns[rows])
        basis = _orthonormal(table.known.design[rows])
        n_left = len(rows) - basis.shape[1]
        variance = float(residual @ residual) / n_left
        mixture = _Mixture(np.array(VARIANCES) * gblup.heritability * variance, np.array(_BEGIN), (1 - gblup.heritability) * variance)
        rng = np.random.default_rng(seed)
        blocks = [slice(start, start + _PER_BLOCK) for start in range(0, x.shape[1], _PER_BLOCK)]
        grams = [_gram(x[:, block], basis) for block in blocks]
        effects, total_effects, total_shares, total_variance = np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.zeros(len(VARIANCES)), 0.0
        for sweep in range(self.n_sweeps):
            counts = np.zeros(len(VARIANCES))
            for block, gram in zip(blocks, grams, strict=True):
                drawn, drawn_counts = mixture.draw(x[:, block].T @ residual, gram, effects[block], rng)
                residual = residual - x[:, block] @ (drawn - effects[block])
                residual -= basis @ (basis.T @ residual)
                effects[block] = drawn
                counts += drawn_counts
            mixture = _Mixture(mixture.variances, rng.dirichlet(counts + 1), float(residual @ residual) / rng.chisquare(n_left))
            if sweep >= self.n_discarded:
                total_effects += effects
                total_shares += mixture.shares
                total_variance += mixture.residual_variance
        kept = self.n_sweeps - self.n_discarded
        return Posterior(effects=total_effects / kept, shares=total_shares / kept, residual_variance=total_variance / kept)


class _Mixture(NamedTuple):
    """Variances of effects in each class, the shares of the classes, and the residual variance."""

    variances: Floats
    shares: Floats
    residual_variance: float

    def draw(self, slopes: Floats, gram: Floats, effects: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Effects of a block of variants, each given all others, and how many are in each class.

        Args:
            slopes: Products of the block's calls with the residual, shape (n_block,).
            gram: Products of its calls, shape (n_block, n_block); 0 for a variant without content.
            effects: Those before, shape (n_block,).
            rng: Draws.
        """
        # Numbers of Python: an array of four costs ten times as much as its arithmetic.
        variances, log_shares = self.variances.tolist(), np.log(np.maximum(self.shares, np.finfo(float).tiny)).tolist()
        drawn, counts = effects.tolist(), [0] * len(variances)
        uniform, normal, squares = rng.random(len(drawn)).tolist(), rng.standard_normal(len(drawn)).tolist(), np.diag(gram).tolist()
        for place, square in enumerate(squares):
            if not square > 0:
                continue
            error = self.residual_variance / square
            alone = float(slopes[place]) / square + drawn[place]
            logs = [
                log_share - 0.5 * (math.log(variance + error) + alone * alone / (variance + error))
                for log_share, variance in zip(log_shares, variances, strict=True)
            ]
            highest = max(logs)
            odds = [math.exp(log - highest) for log in logs]
            left, chosen = uniform[place] * sum(odds), 0
            while chosen < len(odds) - 1 and left > odds[chosen]:
                left -= odds[chosen]
                chosen += 1
            counts[chosen] += 1
            shrunk = variances[chosen] / (variances[chosen] + error)
            effect = alone * shrunk + math.sqrt(shrunk * error) * normal[place]
            if effect != drawn[place]:
                slopes = slopes - gram[place] * (effect - drawn[place])
                drawn[place] = effect
        return np.array(drawn), np.array(counts, dtype=np.float64)


def _gram(x: NDArray[np.float32], basis: Floats) -> Floats:
    """Products of calls beside the fixed effects, 0 for a variant that these explain."""
    calls = x.astype(np.float64)
    within = basis.T @ calls
    gram: Floats = calls.T @ calls - within.T @ within
    explained = np.diag(gram) < _EXPLAINED * len(x)
    gram[explained] = 0.0
    gram[:, explained] = 0.0
    return gram


def _orthonormal(design: Floats) -> Floats:
    """Columns that span those of a design."""
    columns, spreads, _ = np.linalg.svd(design, full_matrices=False)
    return columns[:, spreads > _EXPLAINED * spreads.max()]
