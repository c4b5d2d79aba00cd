"""Principal components of calls, fitted on some samples and applied to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch

from genobench.errors import GenotypesError
from genobench.statgen.frequency import alt_frequency_from_counts, genotype_counts
from genobench.statgen.products import call_codes, variant_blocks
from genobench.statgen.standardising import standardise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

    Floats = NDArray[np.float64]

BLOCK_BYTES: Final = 1 << 27
"""Standardised calls of one block of variants, as float32, take at most this much: 3,355 variants of 10,000 samples."""

KEPT_BYTES: Final = 1 << 31
"""Standardised calls are kept between passes where all of them take at most this much, and made anew in each pass where not."""

_OVERSAMPLING: Final = 10
_MOST_PASSES: Final = 10
_TOLERANCE: Final = 3e-3
_SMALLEST_SHARE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Principal components of standardised calls, by a randomised block Krylov method.

    A variant is centred by the mean of its calls and divided by sqrt(p (1 - p)) with its ALT frequency p, both of the samples that were
    fitted; a missing call is put at the mean, so that it adds nothing. Variants that do not vary among those samples, or were not asked
    for, have no weight. A projected sample lies nearer the middle than a fitted one would, and all projected ones do so alike.

    Args:
        mean: Mean call of each variant, shape (n_variants,).
        inverse_spread: 1 / sqrt(p (1 - p)), shape (n_variants,); 0 for a variant without weight.
        loadings: Weights of standardised calls, orthonormal, float32, shape (n_variants, n_components).
        eigenvalues: Of the fitted samples' product of standardised calls over the number of variants with weight, falling, shape
            (n_components,); on the scale on which unrelated samples have about 2 each (divide by 2 for PLINK's).
        explained_share: Share of the fitted samples' variance, shape (n_components,).

    References:
        Patterson N., Price A.L., Reich D. 2006. PLoS Genetics 2: e190, equations 1 to 3. https://doi.org/10.1371/journal.pgen.0020190 ;
        Halko N., Martinsson P.-G., Shkolnisky Y., Tygert M. 2011. An algorithm for the principal component analysis of large data sets.
        SIAM Journal on Scientific Computing 33: 2580-2594. https://doi.org/10.1137/100804139
    """

    mean: Floats
    inverse_spread: Floats
    loadings: NDArray[np.float32]
    eigenvalues: Floats
    explained_share: Floats

    @classmethod
    def fit(cls, calls: Calls | CallMatrix, n_components: int, seed: int, *, is_used: ArrayLike | None = None, device: str = "cpu") -> Self:
        """Find the components.

        Args:
            calls: Calls of at least two samples, shape (n_samples, n_variants), in 0, 1, 2 or MISSING; packed calls are decoded in blocks.
            n_components: How many. Where there are fewer, the rest have no weight and explain nothing.
            seed: Seeds the first directions; where components are clear cut it moves nothing but the last digits.
            is_used: Which variants have weight (the autosomal ones, say), shape (n_variants,); all for None.
            device: Where the products are made.

        Returns:
            The components; each has the sign that makes its largest score among the fitted samples positive.

        Raises:
            GenotypesError: If there are fewer than two samples, or no variant varies.
        """
        if calls.shape[0] < 2:
            raise GenotypesError(f"principal components need two samples or more; there are {calls.shape[0]}.")
        used = np.ones(calls.shape[1], dtype=bool) if is_used is None else np.asarray(is_used, dtype=bool)
        mean, inverse_spread, trace = _moments(calls, used)
        if not inverse_spread.any():
            raise GenotypesError(f"principal components need a variant that varies; none of {int(used.sum())} does.")
        source = _Standardised(calls, mean, inverse_spread, device)
        values, vectors = _leading(source, n_components, seed)
        padding = n_components - len(values)
        loadings = source.transposed_product(torch.from_numpy((vectors / np.sqrt(values)).astype(np.float32)))
        n_weighted = np.count_nonzero(inverse_spread)
        return cls(
            mean=mean,
            inverse_spread=inverse_spread,
            loadings=np.pad(loadings, ((0, 0), (0, padding))),
            eigenvalues=np.pad(values / n_weighted, (0, padding)),
            explained_share=np.pad(values / trace, (0, padding)),
        )

    def project(self, calls: Calls | CallMatrix, *, device: str = "cpu") -> Floats:
        """Scores of samples on the components.

        Args:
            calls: Calls of the fitted variants, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
            device: Where the products are made.

        Returns:
            Scores, shape (n_samples, n_components).

        Raises:
            GenotypesError: If the number of variants is another.
        """
        if calls.shape[1] != len(self.mean):
            raise GenotypesError(f"calls have {calls.shape[1]} variants but the components were fitted on {len(self.mean)}.")
        scores = torch.zeros((calls.shape[0], self.loadings.shape[1]), dtype=torch.float64, device=device)
        for block, standardised in _Standardised(calls, self.mean, self.inverse_spread, device).blocks():
            scores += standardised @ torch.from_numpy(self.loadings[block]).to(device)
        projected: Floats = scores.cpu().numpy()
        return projected


def _moments(calls: Calls | CallMatrix, is_used: NDArray[np.bool_]) -> tuple[Floats, Floats, float]:
    """Mean call, and 1 / sqrt(p (1 - p)) or 0, of each variant; and the sum of all standardised calls squared."""
    counts = genotype_counts(calls)
    frequency = alt_frequency_from_counts(counts)
    mean, inverse_spread = 2 * np.nan_to_num(frequency), np.zeros(len(frequency))
    np.divide(1, np.sqrt(frequency * (1 - frequency)), out=inverse_spread, where=is_used & (frequency > 0) & (frequency < 1))
    squares = counts * (np.arange(3)[:, None] - mean) ** 2
    return mean, inverse_spread, float(squares.sum(axis=0) @ inverse_spread**2)


class _Standardised:
    """Standardised calls in blocks of variants, shape (n_samples, n_variants) in all; kept where they are few."""

    def __init__(self, calls: Calls | CallMatrix, mean: Floats, inverse_spread: Floats, device: str) -> None:
        self.calls, self.mean, self.inverse_spread, self.device = calls, mean, inverse_spread, device
        self.n_samples = calls.shape[0]
        self.buffer: torch.Tensor | None = None
        self.kept: list[tuple[slice, torch.Tensor]] | None = None
        if 4 * calls.shape[0] * calls.shape[1] <= KEPT_BYTES:
            self.kept = list(self._made())
        else:
            self.buffer = torch.empty(max(BLOCK_BYTES // 4, 64 * self.n_samples), device=device)

    def blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Blocks of variants: where they are, and their standardised calls, float32, shape (n_samples, n_in_block)."""
        return self._made() if self.kept is None else iter(self.kept)

    def _made(self) -> Iterator[tuple[slice, torch.Tensor]]:
        for block in variant_blocks(self.n_samples, len(self.mean), plane_bytes=BLOCK_BYTES // 4):
            if not self.inverse_spread[block].any():
                continue
            codes = call_codes(self.calls, block, device=self.device)
            yield block, standardise(codes, mean=self.mean[block], inverse_spread=self.inverse_spread[block], out=self.buffer)

    def gram_product(self, vectors: torch.Tensor) -> Floats:
        """X X' times vectors of shape (n_samples, k), with X the standardised calls."""
        products = torch.zeros(vectors.shape, dtype=torch.float64, device=self.device)
        directions = vectors.to(self.device, torch.float32)
        for _, block in self.blocks():
            products += block @ (block.T @ directions)
        array: Floats = products.cpu().numpy()
        return array

    def transposed_product(self, vectors: torch.Tensor) -> NDArray[np.float32]:
        """X' times vectors of shape (n_samples, k): shape (n_variants, k)."""
        product = np.zeros((len(self.mean), vectors.shape[1]), dtype=np.float32)
        directions = vectors.to(self.device)
        for block, standardised in self.blocks():
            product[block] = (standardised.T @ directions).cpu().numpy()
        return product


def _leading(source: _Standardised, n_components: int, seed: int) -> tuple[Floats, Floats]:
    """The largest eigenvalues of X X' and their vectors.

    Each pass multiplies the newest directions by X X' and makes the product orthogonal to all before it; the components are the best ones
    within all directions so far. It ends when the residual of each component is at most 0.003 of its eigenvalue (whose own error is of
    the order of its square), or after ten passes. An eigenvalue below a millionth of the largest is rounding.
    """
    n_samples = source.n_samples
    # Centred columns leave one direction of the samples without variance.
    width = min(n_components + _OVERSAMPLING, n_samples - 1)
    generator = np.random.default_rng(seed)
    newest = np.linalg.qr(generator.standard_normal((n_samples, width)))[0]
    basis, images = np.zeros((n_samples, 0)), np.zeros((n_samples, 0))
    for _ in range(_MOST_PASSES):
        image = source.gram_product(torch.from_numpy(newest))
        basis, images = np.hstack([basis, newest]), np.hstack([images, image])
        small = basis.T @ images
        values, within = np.linalg.eigh((small + small.T) / 2)
        values, within = values[::-1][:n_components], within[:, ::-1][:, :n_components]
        residuals = np.linalg.norm(images @ within - (basis @ within) * values, axis=0)
        room = n_samples - basis.shape[1]
        if (residuals <= _TOLERANCE * values).all() or room < 1:
            break
        newest = _orthogonal(image, basis)[:, :room]
    is_real = values > _SMALLEST_SHARE * values[0]
    vectors = (basis @ within)[:, is_real]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return values[is_real], vectors * np.sign(largest)


def _orthogonal(directions: Floats, basis: Floats) -> Floats:
    """Orthonormal directions of the same span beside that of the basis; twice, since once leaves rounding behind."""
    for _ in range(2):
        directions = np.linalg.qr(directions - basis @ (basis.T @ directions))[0]
    return directions
