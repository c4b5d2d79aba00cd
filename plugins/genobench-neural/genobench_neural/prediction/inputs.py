"""What networks see of samples: standardised calls of the variants that vary in training, and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch

from genobench import Covariates
from genobench.statgen import Imputer, genotype_counts

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from genobench import Genotypes, Trait

_VARIANTS_PER_BLOCK: Final = 2048


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples on a device.

    Args:
        calls: Completed calls of the variants that vary in training, int8, shape (n_samples, n_varying).
        covariates: float32, shape (n_samples, n_covariates); over training each has mean 0 and variance 1.
    """

    calls: torch.Tensor
    covariates: torch.Tensor

    def rows(self, rows: torch.Tensor) -> Samples:
        """Some of them."""
        return Samples(calls=self.calls[rows], covariates=self.covariates[rows])


@dataclass(frozen=True, eq=False)
class Inputs:
    """How samples become numbers; made by `fit`, from training samples only and without their trait.

    Args:
        variants: Positions of the variants that vary in training, in file order, shape (n_varying,).
        table: The variant table of these.
        imputer: Completes missing calls of all variants.
        means: Mean call of these, float32, shape (n_varying,).
        scales: 1 / standard deviation, float32, shape (n_varying,).
        common_scale: 1 / root of the mean variance, for sums in which a variant weighs by its variance, as in VanRaden's first method.
        covariates: Columns beside the calls.
        covariate_scales: 1 / standard deviation of each, shape (n_covariates,).
    """

    variants: NDArray[np.intp]
    table: pd.DataFrame
    imputer: Imputer
    means: torch.Tensor
    scales: torch.Tensor
    common_scale: float
    covariates: Covariates
    covariate_scales: NDArray[np.float64]

    @classmethod
    def fit(cls, train: Genotypes, trait: Trait, *, n_components: int) -> Self:
        """Learn what varies, and how much.

        Args:
            train: Training samples.
            trait: Its covariates are taken.
            n_components: Principal components among the covariates.

        Raises:
            DatasetError: If the training samples lack a covariate.
        """
        covariates = Covariates.fit(train, trait, n_components=n_components)
        calls = train.to_array()
        imputer = Imputer.fit(calls)
        shares = genotype_counts(imputer.complete(calls)) / train.n_samples
        means = shares[1] + 2 * shares[2]
        variances = shares[1] + 4 * shares[2] - means**2
        variants = np.flatnonzero(np.count_nonzero(shares, axis=0) > 1)
        columns = covariates.matrix(train)
        return cls(
            variants=variants,
            table=train.variants.iloc[variants].reset_index(drop=True),
            imputer=imputer,
            means=torch.from_numpy(means[variants]).float(),
            scales=torch.from_numpy(1 / np.sqrt(variances[variants])).float(),
            common_scale=float(1 / np.sqrt(variances[variants].mean())) if len(variants) else 1.0,
            covariates=covariates,
            covariate_scales=1 / columns.std(axis=0),
        )

    @property
    def n_variants(self) -> int:
        """How many variants vary."""
        return len(self.variants)

    def samples(self, genotypes: Genotypes, device: torch.device) -> Samples:
        """Any samples, on a device.

        Raises:
            DatasetError: If they lack a covariate.
        """
        calls = self.imputer.complete(genotypes.to_array())[:, self.variants]
        columns = self.covariates.matrix(genotypes) * self.covariate_scales
        return Samples(
            calls=torch.from_numpy(np.ascontiguousarray(calls)).to(device),
            covariates=torch.from_numpy(columns).float().to(device),
        )

    def similarity(self, samples: Samples) -> torch.Tensor:
        """Mean product of the scaled calls of two samples, float64, shape (n_samples, n_samples); 1 for a sample with itself, on average.

        Variants weigh by their variances (VanRaden 2008, doi:10.3168/jds.2007-0980, first method).
        """
        device = samples.calls.device
        products = torch.zeros(len(samples.calls), len(samples.calls), dtype=torch.float64, device=device)
        for start in range(0, self.n_variants, _VARIANTS_PER_BLOCK):
            scaled = self._scaled(samples, slice(start, start + _VARIANTS_PER_BLOCK))
            products += (scaled @ scaled.T).double()
        return products / self.n_variants

    def sums(self, samples: Samples, weights: torch.Tensor) -> torch.Tensor:
        """Mean over variants of a scaled call times its weights.

        Args:
            samples: Any samples.
            weights: float64, shape (n_varying, n_scores).

        Returns:
            float64, shape (n_samples, n_scores).
        """
        total = torch.zeros(len(samples.calls), weights.shape[1], dtype=torch.float64, device=weights.device)
        for start in range(0, self.n_variants, _VARIANTS_PER_BLOCK):
            block = slice(start, start + _VARIANTS_PER_BLOCK)
            total += self._scaled(samples, block).double() @ weights[block] / self.n_variants
        return total

    def transposed_sums(self, samples: Samples, weights: torch.Tensor) -> torch.Tensor:
        """Sum over samples of their scaled calls times their weights, float64, shape (n_varying, n_scores)."""
        blocks = range(0, self.n_variants, _VARIANTS_PER_BLOCK)
        parts = [self._scaled(samples, slice(start, start + _VARIANTS_PER_BLOCK)).double().T @ weights for start in blocks]
        return torch.cat([torch.zeros(0, weights.shape[1], dtype=torch.float64, device=weights.device), *parts])

    def _scaled(self, samples: Samples, block: slice) -> torch.Tensor:
        return (samples.calls[:, block].float() - self.means[block].to(samples.calls.device)) * self.common_scale
