"""Association of a trait with single variants in a linear mixed model: the variances estimated anew for each variant, or once.

For a given ratio of variances a variant's test is a weighted regression, and its weights are the same for all variants. Each quantity of
the test is a smooth function of the log ratio, analytic where its imaginary part is below pi (there the weights of all samples lie in one
half-plane, so that no weighted sum of squares is zero). A Chebyshev series therefore converges like 1.31 ** -n_nodes over the whole
range, and the likelihoods of a block of variants at all nodes are a few matrix products; maxima are then found on the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit

from genobench.errors import DatasetError, GenotypesError
from genobench.statgen.chebyshev import chebyshev_coefficients, chebyshev_series, highest_angles, node_angles
from genobench.statgen.frequency import alt_frequency
from genobench.statgen.mixed_model import LOG_RATIO_BOUND, RelationshipSpectrum, RotatedTrait, likelihood_constant
from genobench.statgen.products import MISSING_CODE, call_codes, variant_blocks
from genobench.statgen.relationship import vanraden_1
from genobench.statgen.tails import chi_squared_log10_p, student_log10_p

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

_NODES: Final = 96
"""1.31 ** -96 is 6e-12."""

_BLOCK_BYTES: Final = 1 << 26
"""Calls of one block of variants as float64 take at most this much, and so do their sums at the nodes."""

_COLUMNS_PER_NODE: Final = 8

_ROUNDING: Final = 1e-9
"""Of a variant's sum of squares: what covariates leave of it is rounding below this."""

Variances = Literal["each", "null"]


@dataclass(frozen=True, eq=False)
class MixedAssociation:
    """Tests of variants in a linear mixed model; NaN where a variant does not vary beside the covariates.

    Args:
        effect: Change of the trait for one more ALT allele, shape (n_variants,).
        standard_error: Its standard error, by the restricted likelihood's variances.
        log10_p: Base-10 logarithm of the p-value of Wald's test (t with n_samples - n_fixed - 1 degrees of freedom).
        log10_p_ratio: Base-10 logarithm of the p-value of the likelihood ratio test (chi-squared with 1 degree of freedom).
        heritability: Share of variance of genetic values beside the variant, by restricted likelihood.
        n_samples: Samples in the test, shape (n_variants,): all, as a missing call stands at the mean.
    """

    effect: Floats
    standard_error: Floats
    log10_p: Floats
    log10_p_ratio: Floats
    heritability: Floats
    n_samples: Counts

    @property
    def statistic(self) -> Floats:
        """Effect over standard error, shape (n_variants,)."""
        return self.effect / self.standard_error


def mixed_association(
    calls: Calls | CallMatrix,
    values: ArrayLike,
    relationship: RelationshipSpectrum | ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    variances: Variances = "each",
) -> MixedAssociation:
    """Test each variant in a linear mixed model.

    A missing call stands at the variant's mean.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING; packed calls are decoded in blocks.
        values: The trait, shape (n_samples,), none missing.
        relationship: Shape (n_samples, n_samples), symmetric and positive semidefinite; or its spectrum, which further traits can use.
        covariates: Fixed effects beside the mean, shape (n_samples, n_covariates); none by default.
        variances: "each" estimates the ratio of variances anew for each variant, for Wald's test by restricted and for the likelihood ratio
            test by full likelihood. "null" keeps those of the model without a variant: about three times as fast, and conservative for
            variants of large effect.

    Raises:
        GenotypesError: If shapes differ, or a value or covariate is missing.
        DatasetError: If samples are too few, or the trait does not vary beside its covariates.

    References:
        Zhou and Stephens 2012, doi:10.1038/ng.2310 (the model, tests and bounds of GEMMA); with variances kept Kang et al. 2010,
        doi:10.1038/ng.548, and Zhang et al. 2010, doi:10.1038/ng.546.
    """
    spectrum = relationship if isinstance(relationship, RelationshipSpectrum) else RelationshipSpectrum.decompose(relationship)
    trait = RotatedTrait.rotate(spectrum, values, covariates)
    n_samples, n_variants = calls.shape
    if n_samples != len(trait.values):
        raise GenotypesError(f"calls have shape {calls.shape} but there are {len(trait.values)} values; there must be one a sample.")
    if trait.degrees < 2:
        raise DatasetError(f"{n_samples} samples are too few for {trait.fixed.shape[1]} fixed effects, a variant and its error.")
    tests = _SeriesTests.of(trait) if variances == "each" else _NullTests.of(trait)
    # A variant takes numbers of samples, or of nodes, times fixed effects and some more columns.
    n_rows = max(n_samples, _NODES * (trait.fixed.shape[1] + _COLUMNS_PER_NODE))
    blocks = variant_blocks(n_rows, n_variants, plane_bytes=_BLOCK_BYTES // 8)
    found = [tests.test(_rotated(calls, block, trait)) for block in blocks]
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)] if found else [np.zeros(0)] * 5
    return _association(columns, n_samples)


def mixed_association_loco(
    calls: Calls | CallMatrix,
    values: ArrayLike,
    chromosomes: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    is_used: ArrayLike | None = None,
    variances: Variances = "each",
) -> MixedAssociation:
    """Test each variant in a linear mixed model with the relationships that all other chromosomes give.

    A variant that is part of the relationships competes with them for its own effect; leaving out its chromosome gives the power back.
    The relationships of the others are those of all variants less those of the chromosome, each counted once.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
        values: The trait, shape (n_samples,), none missing.
        chromosomes: Of each variant, shape (n_variants,).
        covariates: Fixed effects beside the mean, shape (n_samples, n_covariates); none by default.
        is_used: Which variants make relationships (the autosomal ones, say), shape (n_variants,); all for None. All are tested.
        variances: As in `mixed_association`.

    Raises:
        GenotypesError: As in `mixed_association`.
        DatasetError: Likewise; or if used variants that vary lie on fewer than two chromosomes.

    References:
        Yang et al. 2014, doi:10.1038/ng.2876; Listgarten et al. 2012, doi:10.1038/nmeth.2037.
    """
    names, used = (
        np.asarray(chromosomes).astype(str),
        np.ones(calls.shape[1], dtype=bool) if is_used is None else np.asarray(is_used, dtype=bool),
    )
    if names.shape != (calls.shape[1],) or used.shape != names.shape:
        raise GenotypesError(f"calls have {calls.shape[1]} variants but chromosomes have shape {names.shape} and is_used {used.shape}.")
    result = np.full((5, calls.shape[1]), np.nan)
    for places, spectrum in loco_spectra(calls, names, used):
        here = calls[:, places] if isinstance(calls, np.ndarray) else calls.columns(places)
        found = mixed_association(here, values, spectrum, covariates, variances=variances)
        result[:, places] = found.effect, found.standard_error, found.log10_p, found.log10_p_ratio, found.heritability
    return _association(list(result), calls.shape[0])


def _association(columns: list[Floats], n_samples: int) -> MixedAssociation:
    effect, standard_error, log10_p, log10_p_ratio, heritability = columns
    counts = np.full(len(effect), n_samples, dtype=np.int64)
    return MixedAssociation(effect, standard_error, log10_p, log10_p_ratio, heritability, counts)


def loco_spectra(
    calls: Calls | CallMatrix, chromosomes: ArrayLike, is_used: ArrayLike
) -> Iterator[tuple[NDArray[np.intp], RelationshipSpectrum]]:
    """For each chromosome its variants' places and the spectrum of relationships from all others; chromosomes without any weight together.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
        chromosomes: Of each variant, shape (n_variants,).
        is_used: Which variants make relationships, shape (n_variants,).

    Raises:
        DatasetError: If used variants that vary lie on fewer than two chromosomes.
    """
    names, used = np.asarray(chromosomes).astype(str), np.asarray(is_used, dtype=bool)
    frequency = np.nan_to_num(alt_frequency(calls))
    weight = np.where(used, 2 * frequency * (1 - frequency), 0.0)
    each, numbers = np.unique(names, return_inverse=True)
    weights = np.bincount(numbers, weights=weight, minlength=len(each))
    if np.count_nonzero(weights) < 2:
        raise DatasetError(
            f"variants that vary lie on {np.count_nonzero(weights)} of the chromosomes {', '.join(each)}; leaving one out needs two."
        )
    total = vanraden_1(calls, is_used=used) * np.float32(weights.sum())
    for number in np.flatnonzero(weights):
        places = np.flatnonzero(numbers == number)
        here = calls[:, places] if isinstance(calls, np.ndarray) else calls.columns(places)
        yield places, RelationshipSpectrum.decompose(total - vanraden_1(here, is_used=used[places]) * np.float32(weights[number]))
    unused = np.flatnonzero(weights[numbers] == 0)
    if len(unused):
        yield unused, RelationshipSpectrum.decompose(total)


class _Rotated(NamedTuple):
    """Calls of a block beside the fixed effects, in eigenvectors, shape (n_samples, n_varying), and which of its variants these are."""

    calls: Floats
    is_varying: NDArray[np.bool_]


def _rotated(calls: Calls | CallMatrix, block: slice, trait: RotatedTrait) -> _Rotated:
    codes = call_codes(calls, block).numpy()
    is_missing = codes == MISSING_CODE
    centred = codes.astype(np.float64)
    centred[is_missing] = 0
    centred -= centred.sum(axis=0) / np.maximum(1, len(codes) - is_missing.sum(axis=0))
    centred[is_missing] = 0
    total = np.einsum("ij,ij->j", centred, centred)
    centred -= trait.fixed @ (trait.fixed.T @ centred)
    is_varying = np.einsum("ij,ij->j", centred, centred) > _ROUNDING * total
    return _Rotated(trait.spectrum.vectors.T @ centred[:, is_varying], is_varying)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """A trait's weights at some log ratios, side by side.

    Args:
        inverse: 1 / V, shape (n_nodes, n_samples).
        fixed: V^-1 W L'^-1 of each node, with L L' = W' V^-1 W, one below the other, shape (n_nodes * n_fixed, n_samples).
        projected: P y, shape (n_nodes, n_samples).
        quadratic: y' P y, shape (n_nodes, 1).
        log_determinant: log |V|, shape (n_nodes, 1).
        fixed_log_determinant: log |W' V^-1 W|, shape (n_nodes, 1).
    """

    inverse: Floats
    fixed: Floats
    projected: Floats
    quadratic: Floats
    log_determinant: Floats
    fixed_log_determinant: Floats

    @classmethod
    def of(cls, trait: RotatedTrait, log_ratios: Floats) -> _Nodes:
        found = [trait.at(float(log_ratio)) for log_ratio in log_ratios]
        fixed = [solve_triangular(each.fixed_factor, (trait.rotated_fixed * each.inverse[:, None]).T, lower=True) for each in found]
        return cls(
            inverse=np.stack([each.inverse for each in found]),
            fixed=np.concatenate(fixed),
            projected=np.stack([each.projected for each in found]),
            quadratic=np.array([[each.quadratic] for each in found]),
            log_determinant=np.array([[each.log_determinant] for each in found]),
            fixed_log_determinant=np.array([[each.fixed_log_determinant] for each in found]),
        )

    def regressions(self, calls: Floats) -> tuple[Floats, Floats, Floats]:
        """Effect, x' P x and the residual sum of squares y' P y less its share, each of shape (n_nodes, n_variants)."""
        of_fixed = (self.fixed @ calls).reshape(len(self.inverse), len(self.fixed) // len(self.inverse), calls.shape[1])
        squares = self.inverse @ calls**2 - np.einsum("kfv,kfv->kv", of_fixed, of_fixed)
        effects = self.projected @ calls / squares
        residual = np.maximum(self.quadratic - effects**2 * squares, np.finfo(np.float64).eps * self.quadratic)
        return effects, squares, residual


class _Found(NamedTuple):
    """Of the varying variants of a block, each of shape (n_varying,): regressions, 2 x the gain in full log-likelihood, and log ratios."""

    effect: Floats
    squares: Floats
    residual: Floats
    likelihood_ratio: Floats
    log_ratio: Floats


@dataclass(frozen=True, eq=False)
class _NullTests:
    """Tests at the ratios of the model without a variant."""

    trait: RotatedTrait
    nodes: _Nodes
    log_ratio: float

    @classmethod
    def of(cls, trait: RotatedTrait) -> _NullTests:
        log_ratios = np.array(trait.likeliest())
        return cls(trait, _Nodes.of(trait, log_ratios), log_ratios[0])

    def test(self, block: _Rotated) -> list[Floats]:
        effects, squares, residual = self.nodes.regressions(block.calls)
        ratio = len(self.trait.values) * np.log(self.nodes.quadratic[1] / residual[1])
        log_ratios = np.full(block.calls.shape[1], self.log_ratio)
        found = _Found(effects[0], squares[0], residual[0], ratio, log_ratios)
        return _finished(block, found, self.trait)


@dataclass(frozen=True, eq=False)
class _SeriesTests:
    """Tests at each variant's own likeliest ratios, found on Chebyshev series."""

    trait: RotatedTrait
    nodes: _Nodes
    log_likelihood: float

    @classmethod
    def of(cls, trait: RotatedTrait) -> _SeriesTests:
        return cls(trait, _Nodes.of(trait, LOG_RATIO_BOUND * np.cos(node_angles(_NODES))), trait.at(trait.likeliest()[1]).full)

    def test(self, block: _Rotated) -> list[Floats]:
        nodes, n_samples = self.nodes, len(self.trait.values)
        effects, squares, residual = nodes.regressions(block.calls)
        log_squares, log_residual = np.log(squares), np.log(residual)
        determinants = nodes.log_determinant + nodes.fixed_log_determinant + log_squares
        angles = highest_angles(chebyshev_coefficients(-(determinants + (self.trait.degrees - 1) * log_residual) / 2))
        full = chebyshev_coefficients(likelihood_constant(n_samples) - (nodes.log_determinant + n_samples * log_residual) / 2)
        ratio = 2 * (chebyshev_series(full, highest_angles(full)) - self.log_likelihood)
        effect, log_square, log_rest = (
            chebyshev_series(chebyshev_coefficients(each), angles) for each in (effects, log_squares, log_residual)
        )
        found = _Found(effect, np.exp(log_square), np.exp(log_rest), ratio, LOG_RATIO_BOUND * np.cos(angles))
        return _finished(block, found, self.trait)


def _finished(block: _Rotated, found: _Found, trait: RotatedTrait) -> list[Floats]:
    """The columns of `MixedAssociation`, NaN for the variants of the block that do not vary."""
    degrees = trait.degrees - 1
    standard_error = np.sqrt(found.residual / degrees / found.squares)
    columns = [
        found.effect,
        standard_error,
        student_log10_p(found.effect / standard_error, degrees),
        chi_squared_log10_p(np.maximum(found.likelihood_ratio, 0)),
        expit(found.log_ratio),
    ]
    spread = [np.full(len(block.is_varying), np.nan) for _ in columns]
    for whole, column in zip(spread, columns, strict=True):
        whole[block.is_varying] = column
    return spread
