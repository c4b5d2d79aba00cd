"""Weights of variants, chosen by how well they predict samples that they were not learned from.

Whatever chooses variants (a penalty, a threshold) does so in the samples that it is fitted on: each fold of a cross-validation learns its
weights anew, so that what is told of a choice was not seen by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np

from genobench import DatasetError
from genobench.builtin.linear.call_span import CallScale
from genobench.builtin.linear.training import Known, design_of
from genobench.builtin.linear.value_predictors import CallPredictor, least_squares
from genobench.statgen import filled_positions_bp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes

    Floats = NDArray[np.float64]
    Calls32 = NDArray[np.float32]
    Indices = NDArray[np.intp]

_ROUNDING: Final = 1e-9
"""A score that varies by less, of the values' own spread, says nothing."""


class Weigh(Protocol):
    """Learns weights of variants from some of the training samples, for each of several choices."""

    def __call__(self, table: CallTable, rows: Indices) -> Floats:
        """From the training samples at `rows`, shape (n_varying, n_choices); of standardised calls."""
        ...


@dataclass(frozen=True, eq=False)
class CallTable:
    """The training samples of a trait, with standardised calls as one array: 4 bytes a call.

    Args:
        known: The samples.
        values: Of the trait, or the places of its classes in their order, shape (n_samples,).
        scale: How calls are standardised.
        variants: Those that vary, shape (n_varying,).
        x: Their calls with mean 0 and variance 1, shape (n_samples, n_varying), variant after variant in memory.
    """

    known: Known
    values: Floats
    scale: CallScale
    variants: Indices
    x: Calls32

    @classmethod
    def of(cls, train: Genotypes, context: FitContext) -> Self:
        """Read training samples.

        Raises:
            DatasetError: If a covariate is absent, values are too few or constant, or there are neither covariates nor variants that vary.
        """
        known = Known.of(train, context)
        values = known.values()
        scale = CallScale.fit(known.genotypes, is_needed=not known.covariates.width)
        variants = scale.varying
        x = scale.standardised(known.genotypes, variants)
        x *= np.float32(np.sqrt(max(1, len(variants))))
        return cls(known=known, values=values, scale=scale, variants=variants, x=x)

    def calls_of(self, others: Genotypes) -> Calls32:
        """Of other samples, as `x`."""
        x = self.scale.standardised(others, self.variants)
        x *= np.float32(np.sqrt(max(1, len(self.variants))))
        return x

    def beside_covariates(self, rows: Indices, columns: Floats) -> Floats:
        """What of columns over the samples at `rows`, an intercept and the covariates do not explain, same shape."""
        design = self.known.design[rows]
        return columns - design @ least_squares(design, columns)

    def of_variants(self, weights: Floats) -> Floats:
        """Weights of calls standardised by `scale`, shape (n_variants, 1), from those of `x`, shape (n_varying,)."""
        spread_out = np.zeros((len(self.scale.factors), 1))
        spread_out[self.variants, 0] = weights * np.sqrt(max(1, len(self.variants)))
        return spread_out

    def value_predictor(self, weights: Floats) -> CallPredictor:
        """Of the weights, shape (n_varying,), with effects of covariates by least squares beside them."""
        effects = least_squares(self.known.design, self.values - self.x @ weights)
        return CallPredictor(covariates=self.known.covariates, effects=effects, scale=self.scale, weights=self.of_variants(weights))


def known_positions(table: CallTable, classifier: str) -> Floats:
    """Positions of the variants that vary, from the genetic map where there are no others, shape (n_varying,); NaN where not known.

    Args:
        table: The training samples.
        classifier: Who needs them.

    Raises:
        DatasetError: If no variant has one.
    """
    variants = table.known.genotypes.variants
    positions = filled_positions_bp(
        chromosomes=variants["chromosome"],
        positions_bp=variants["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan),
        positions_cm=variants.get("position_cm"),
    )[table.variants]
    if not np.isfinite(positions).any():
        raise DatasetError(f"No variant has a position, so that none can be compared with its neighbours; {classifier} needs position_bp.")
    return positions


@dataclass(frozen=True, eq=False)
class Unseen:
    """Samples that weights were not learned from, less what covariates say of them.

    Args:
        values: Of the trait, shape (n_samples,).
        scores: Of each choice, shape (n_samples, n_choices).
        rows: Which training samples they are, shape (n_samples,); none where they are validation samples.
    """

    values: Floats
    scores: Floats
    rows: Indices

    @property
    def slopes(self) -> Floats:
        """Of values on the scores of each choice, at least 0, shape (n_choices,): what a score of any scale is multiplied by."""
        squares = (self.scores**2).sum(axis=0)
        says = squares > _ROUNDING * float(self.values @ self.values)
        return np.where(says, np.maximum(self.values @ self.scores, 0) / np.where(says, squares, 1.0), 0.0)

    def scaled(self, slopes: Floats) -> Unseen:
        """With the scores of each choice multiplied by its slope."""
        return replace(self, scores=self.scores * slopes)

    def errors(self) -> Floats:
        """Mean squared error of each choice, shape (n_choices,)."""
        residual = self.values[:, None] - self.scores
        means: Floats = np.einsum("ij,ij->j", residual, residual) / len(residual)
        return means


def unseen_scores(weigh: Weigh, table: CallTable, context: FitContext) -> Unseen:
    """Scores of the validation samples where there are any, else of each fold of training by weights learned from the others.

    For classes the folds are taken in any case: what turns a score into their probabilities needs more samples than a choice does. The
    score is 0, for each choice, in a fold without which all values are alike, as where it has all samples of a rare class.
    """
    validation = table.known.target.validation(context) if context.trait.kind == "quantitative" else None
    if validation is not None:
        design = design_of(table.known.covariates.matrix(validation))
        asked = _Asked(design=design, x=table.calls_of(validation), values=table.known.target.values(validation))
        values, scores = _unseen(table, np.arange(len(table.values)), weigh, asked)
        return Unseen(values=values, scores=scores, rows=np.zeros(0, dtype=np.intp))
    folds = list(table.known.folds(context.seed))
    parts = [_unseen(table, rows, weigh, _Asked.at(table, asked)) for rows, asked in folds]
    n_choices = max(scores.shape[1] for _, scores in parts)
    return Unseen(
        values=np.concatenate([values for values, _ in parts]),
        scores=np.concatenate([np.broadcast_to(scores, (len(scores), n_choices)) for _, scores in parts]),
        rows=np.concatenate([asked for _, asked in folds]),
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """Samples that are asked about: intercept and covariates, standardised calls, and values of the trait."""

    design: Floats
    x: Calls32
    values: Floats

    @classmethod
    def at(cls, table: CallTable, rows: Indices) -> Self:
        """Training samples."""
        return cls(design=table.known.design[rows], x=table.x[rows], values=table.values[rows])


def _unseen(table: CallTable, rows: Indices, weigh: Weigh, asked: _Asked) -> tuple[Floats, Floats]:
    """Values and scores less what effects of covariates, learned at `rows`, say of them.

    Where all values at `rows` are alike, calls can tell nothing of them, and one column of zeros stands for the scores of all choices.
    """
    weights = weigh(table, rows) if np.ptp(table.values[rows]) > 0 else np.zeros((len(table.variants), 1))
    learned = np.column_stack([table.values[rows], table.x[rows] @ weights])
    effects = least_squares(table.known.design[rows], learned)
    beside = np.column_stack([asked.values, asked.x @ weights]) - asked.design @ effects
    return beside[:, 0], beside[:, 1:]
