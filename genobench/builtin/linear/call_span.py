"""Calls as a linear model sees them: standardised, and in the span of the training samples.

The solution of an L2-penalised linear model lies in that span, so it is found exactly in at most n_samples dimensions, however many
variants there are (Hastie T., Tibshirani R. 2004. Biostatistics 5: 329-340. https://doi.org/10.1093/biostatistics/kxh010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench import DatasetError, Genotypes
from genobench.statgen import Imputer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_VARIANTS_PER_BLOCK: Final = 4096
_RANK_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class CallScale:
    """How calls become standardised numbers.

    Args:
        imputer: Completes missing calls.
        means: Mean call in training, shape (n_variants,).
        factors: One over the standard deviation and over the root of the number of variants that vary, shape (n_variants,); zero for a
            variant that does not vary. The squared length of a training sample is then 1 on average, as on the diagonal of VanRaden's
            relationship matrix.
    """

    imputer: Imputer
    means: NDArray[np.float32]
    factors: NDArray[np.float32]

    @classmethod
    def fit(cls, train: Genotypes, *, is_needed: bool = True) -> CallScale:
        """Learn it from training samples.

        Args:
            train: Training samples.
            is_needed: Whether there is nothing else, such as covariates, to predict from.

        Raises:
            DatasetError: If calls are needed and no variant varies.
        """
        calls = train.to_array()
        imputer = Imputer.fit(calls)
        calls = imputer.complete(calls)
        means = calls.mean(axis=0, dtype=np.float64)
        deviations = np.sqrt(np.maximum(0, np.einsum("ij,ij->j", calls, calls, dtype=np.float64) / len(calls) - means**2))
        varies = deviations > _RANK_TOLERANCE
        if is_needed and not varies.any():
            raise DatasetError(
                f"None of the {train.n_variants} variants varies among the {train.n_samples} training samples, and there are no covariates."
            )
        factors = np.zeros(len(means))
        factors[varies] = 1 / (deviations[varies] * np.sqrt(np.count_nonzero(varies)))
        return cls(imputer=imputer, means=means.astype(np.float32), factors=factors.astype(np.float32))

    @property
    def varying(self) -> NDArray[np.intp]:
        """The variants that vary in training, shape (n_varying,)."""
        return np.flatnonzero(self.factors)

    def standardised(self, genotypes: Genotypes, variants: NDArray[np.intp]) -> NDArray[np.float32]:
        """Standardised calls of some variants, shape (n_samples, n_chosen), one variant after the other in memory."""
        fill = Imputer(self.imputer.fill[variants])
        scaled = np.asfortranarray(fill.complete(genotypes.calls.columns(variants)), dtype=np.float32)
        scaled -= self.means[variants]
        scaled *= self.factors[variants]
        return scaled

    def times(self, genotypes: Genotypes, weights: NDArray[np.floating[Any]]) -> Floats:
        """Standardised calls times weights of the variants, shape (n_samples, n_columns)."""
        calls = self.imputer.complete(genotypes.to_array())
        product = np.zeros((len(calls), weights.shape[1]))
        for block in _blocks(calls.shape[1]):
            # In four bytes a sum would hang, in its last digits, on how many samples stand beside it.
            product += self._block(calls, block).astype(np.float64) @ weights[block]
        return product

    def gram(self, genotypes: Genotypes) -> Floats:
        """Products of the standardised calls of all pairs of samples, shape (n_samples, n_samples)."""
        calls = self.imputer.complete(genotypes.to_array())
        product = np.zeros((len(calls), len(calls)))
        for block in _blocks(calls.shape[1]):
            scaled = self._block(calls, block)
            product += scaled @ scaled.T
        return product

    def products(self, first: Genotypes, second: Genotypes) -> Floats:
        """Products of the standardised calls of each sample of one set with each of another, shape (n_first, n_second)."""
        calls, other_calls = (self.imputer.complete(genotypes.to_array()) for genotypes in (first, second))
        product = np.zeros((len(calls), len(other_calls)))
        for block in _blocks(calls.shape[1]):
            product += self._block(calls, block) @ self._block(other_calls, block).T
        return product

    def transposed_times(self, genotypes: Genotypes, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """The transpose of the standardised calls times columns over samples, shape (n_variants, n_columns)."""
        calls = self.imputer.complete(genotypes.to_array())
        return np.concatenate([self._block(calls, block).T @ columns for block in _blocks(calls.shape[1])])

    def _block(self, calls: NDArray[np.int8], block: slice) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = (calls[:, block] - self.means[block]) * self.factors[block]
        return scaled


@dataclass(frozen=True, eq=False)
class CallSpan:
    """Principal coordinates of the training samples: all that an L2-penalised linear model can see of them.

    Args:
        train: The training samples.
        scale: How calls are standardised.
        vectors: Left singular vectors of the standardised calls, orthonormal, shape (n_samples, n_axes).
        roots: Singular values, shape (n_axes,).
    """

    train: Genotypes
    scale: CallScale
    vectors: Floats
    roots: Floats

    @classmethod
    def fit(cls, train: Genotypes, *, is_needed: bool = True) -> CallSpan:
        """Learn it from training samples, in the smaller of n_samples and n_varying dimensions.

        Args:
            train: Training samples.
            is_needed: Whether there is nothing else to predict from; if there is, a span without axes is given where no variant varies.

        Raises:
            DatasetError: If calls are needed and no variant varies.
        """
        scale = CallScale.fit(train, is_needed=is_needed)
        varying = scale.varying
        if not len(varying):
            return cls(train=train, scale=scale, vectors=np.zeros((train.n_samples, 0)), roots=np.zeros(0))
        if len(varying) >= train.n_samples:
            squares, vectors = np.linalg.eigh(scale.gram(train))
            is_kept = squares > _RANK_TOLERANCE * squares[-1]
            return cls(train=train, scale=scale, vectors=vectors[:, is_kept], roots=np.sqrt(squares[is_kept]))
        x = scale.standardised(train, varying).astype(np.float64)
        squares, axes = np.linalg.eigh(x.T @ x)
        is_kept = squares > _RANK_TOLERANCE * squares[-1]
        roots = np.sqrt(squares[is_kept])
        return cls(train=train, scale=scale, vectors=x @ (axes[:, is_kept] / roots), roots=roots)

    @property
    def coordinates(self) -> Floats:
        """Of the training samples, shape (n_samples, n_axes); each column has mean zero."""
        return self.vectors * self.roots

    def coordinates_of(self, others: Genotypes) -> Floats:
        """Of other samples, shape (n_samples, n_axes)."""
        return self.scale.products(others, self.train) @ (self.vectors / self.roots)

    def variant_weights(self, axis_weights: Floats) -> NDArray[np.float32]:
        """Weights of variants that do the same as weights of axes, shape (n_variants, n_columns) from (n_axes, n_columns)."""
        return self.scale.transposed_times(self.train, (self.vectors @ (axis_weights / self.roots[:, None])).astype(np.float32))


def _blocks(n_variants: int) -> list[slice]:
    return [slice(start, start + _VARIANTS_PER_BLOCK) for start in range(0, n_variants, _VARIANTS_PER_BLOCK)]
