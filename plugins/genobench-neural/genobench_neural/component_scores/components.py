"""Principal components chromosome by chromosome: calls to scores and back, fitted to training samples alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench_neural.batches import MISSING_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from genobench_neural.batches import PackedBatches
    from genobench_neural.ranks import Ranks
    from genobench_neural.training_data import TrainingData

_ROWS_PER_CHUNK: Final = 512
_ROUNDING: Final = 1e-7
"""Share of the first component's variance below which a component is rounding."""


@dataclass(frozen=True, eq=False)
class ChromosomeComponents:
    """Principal components of one group of variants: centred, not scaled.

    Args:
        places: The variants (columns of the genotypes), shape (n_here,).
        mean: Mean call of each of them, shape (n_here,).
        weights: 1 / call rate of each of them, shape (n_here,); 0 where no sample has a call. Missing calls read as the mean, so that the
            others stand for them too: without it a covariance would be too small by both call rates.
        loadings: Orthonormal, the component of largest variance first, shape (n_here, n_components).
        variances: Of the training samples' scores, falling, shape (n_components,).
    """

    places: torch.Tensor
    mean: torch.Tensor
    weights: torch.Tensor
    loadings: torch.Tensor
    variances: torch.Tensor


def chromosome_groups(variants: pd.DataFrame, *, is_per_chromosome: bool) -> list[NDArray[np.int64]]:
    """The columns of each chromosome in order of first appearance; all of them in one group where that is asked for."""
    chromosomes = variants["chromosome"].to_numpy(dtype=object)
    if not is_per_chromosome:
        return [np.arange(len(chromosomes))]
    return [(chromosomes == name).nonzero()[0] for name in dict.fromkeys(chromosomes)]


def fit_components(data: TrainingData, groups: list[NDArray[np.int64]], *, kept_share: float) -> list[ChromosomeComponents]:
    """Find the leading components of each group of variants.

    The matrix that is decomposed is the smaller one of variants x variants and samples x samples, and calls are decoded some rows at a
    time where it is the former.

    Args:
        data: Training samples in a layout of one block in the order of the variant table.
        groups: From `chromosome_groups`.
        kept_share: Share of the group's variance that the components reach; there is at least one, of variance 0 where no variant varies.
    """
    return [_fitted(data, torch.from_numpy(places).to(data.device), kept_share) for places in groups]


def _fitted(data: TrainingData, places: torch.Tensor, kept_share: float) -> ChromosomeComponents:
    batches, n_samples, n_here = data.batches, data.n_samples, len(places)
    mean, weights = _mean_and_weights(data.counts[places], n_samples)
    if n_here <= n_samples:
        gram = torch.zeros(n_here, n_here, device=batches.device)
        for _, x in _centred(batches, places, mean, weights):
            gram += x.T @ x
        values, vectors = _eigenvectors(gram / n_samples, data.ranks)
        is_real = _is_real(values)
        loadings = vectors[:, is_real]
    else:
        x = torch.cat([rows for _, rows in _centred(batches, places, mean, weights)])
        values, vectors = _eigenvectors(x @ x.T / n_samples, data.ranks)
        is_real = _is_real(values)
        loadings = x.T @ (vectors[:, is_real] / (values[is_real] * n_samples).sqrt())
    if not is_real.any():
        loadings, is_real = torch.zeros(n_here, 1, device=batches.device), is_real.new_ones(1)
        values = torch.zeros(1, device=batches.device)
    variances = values[is_real]
    cumulated = variances.cumsum(0) / variances.sum().clamp(min=1e-30)
    n_kept = min(len(variances), int((cumulated < kept_share - _ROUNDING).sum()) + 1)
    return ChromosomeComponents(
        places=places, mean=mean, weights=weights, loadings=loadings[:, :n_kept].contiguous(), variances=variances[:n_kept]
    )


def _eigenvectors(matrix: torch.Tensor, ranks: Ranks) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues of a symmetric matrix, falling, and its eigenvectors as columns.

    Processes that share a fit take those of the first: a vector may have either sign, and GPUs of two kinds would learn different scores.
    """
    values, vectors = torch.linalg.eigh(matrix)
    ranks.copy_first([values, vectors])
    return values.flip(0), vectors.flip(1)


def _is_real(values: torch.Tensor) -> torch.Tensor:
    return values > max(float(values[0]) * _ROUNDING, _ROUNDING)


def _mean_and_weights(counts: torch.Tensor, n_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `ChromosomeComponents` has them, of variants with these counts of genotypes, shape (n_here, 3)."""
    count = counts.sum(dim=1).float()
    total = (counts[:, 1] + 2 * counts[:, 2]).float()
    return total / count.clamp(min=1.0), torch.where(count > 0, n_samples / count.clamp(min=1.0), 0.0)


def _centred(
    batches: PackedBatches, places: torch.Tensor, mean: torch.Tensor, weights: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Rows of samples and their weighted calls less the mean, float32, shape (n_rows, n_here); 0 where a call is missing."""
    for rows, codes in _chunks(batches, places):
        yield rows, ((codes.float() - mean) * weights).masked_fill_(codes == MISSING_CODE, 0.0)


def _chunks(batches: PackedBatches, places: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for rows in torch.split(torch.arange(batches.n_samples, device=batches.device), _ROWS_PER_CHUNK):
        yield rows, batches.codes(rows)[0][:, places]


def scores(batches: PackedBatches, components: list[ChromosomeComponents]) -> torch.Tensor:
    """Scores on the components of all groups side by side, shape (n_samples, sum of n_components)."""
    parts = [torch.cat([x @ group.loadings for _, x in _centred(batches, group.places, group.mean, group.weights)]) for group in components]
    return torch.cat(parts, dim=1)
