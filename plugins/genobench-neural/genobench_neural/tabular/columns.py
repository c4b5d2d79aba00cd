"""The columns of a CTGAN: classes of trait and covariates, and the draw of conditions with samples that fulfil them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from genobench_neural.batches import MISSING_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genobench import ConditionEncoder
    from genobench_neural.training_data import TrainingData


@dataclass(frozen=True)
class ClassColumn:
    """A column of trait or covariates as classes.

    Args:
        start: Its first number in an encoded condition.
        width: How many numbers it has there: one for each class; 1 for a quantitative column.
        edges: Between the classes of a quantitative column, in standard deviations; empty for a categorical one.
    """

    start: int
    width: int
    edges: tuple[float, ...]

    @property
    def n_classes(self) -> int:
        """Classes."""
        return len(self.edges) + 1 if self.width == 1 else self.width

    def classes(self, encoded: torch.Tensor) -> torch.Tensor:
        """One-hot classes, float32, shape (n_samples, n_classes); a missing class of a categorical column is all zero."""
        values = encoded[:, self.start : self.start + self.width].contiguous()
        if self.width > 1:
            # Encoded classes are one-hot less their share in training: positive for the sample's own.
            return (values > 0).float()
        edges = torch.tensor(self.edges, device=encoded.device)
        return torch.nn.functional.one_hot(torch.bucketize(values[:, 0].contiguous(), edges, right=True), self.n_classes).float()


@dataclass(frozen=True)
class ClassColumns:
    """All columns of trait and covariates, one after the other.

    Args:
        columns: The trait first.
    """

    columns: tuple[ClassColumn, ...]

    @classmethod
    def of_encoder(cls, encoder: ConditionEncoder, encoded: np.ndarray[tuple[int, int], np.dtype[np.float32]], *, n_quantiles: int) -> Self:
        """Columns of a fitted encoder; a quantitative one is cut at quantiles of the training samples, fewer where values repeat.

        Args:
            encoder: Fitted to training samples.
            encoded: Their conditions, shape (n_samples, width).
            n_quantiles: Classes of a quantitative column.
        """
        columns = []
        for column, places in zip(encoder.columns, encoder.slices().values(), strict=True):
            edges: tuple[float, ...] = ()
            if not column.classes:
                values = encoded[:, places.start]
                cuts = np.unique(np.quantile(values, np.arange(1, n_quantiles) / n_quantiles))
                edges = tuple(float(cut) for cut in cuts if values.min() < cut <= values.max())
            columns.append(ClassColumn(start=places.start, width=column.width, edges=edges))
        return cls(columns=tuple(columns))

    @property
    def n_classes(self) -> int:
        """Classes of all columns together."""
        return sum(column.n_classes for column in self.columns)

    def slices(self) -> Iterator[slice]:
        """Where the classes of each column lie."""
        start = 0
        for column in self.columns:
            yield slice(start, start + column.n_classes)
            start += column.n_classes

    def classes(self, encoded: torch.Tensor) -> torch.Tensor:
        """One-hot classes of all columns, float32, shape (n_samples, n_classes)."""
        return torch.cat([column.classes(encoded) for column in self.columns], dim=1)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`."""
        return cls(columns=tuple(ClassColumn(**{**column, "edges": tuple(column["edges"])}) for column in values["columns"]))


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A batch of conditions, with a training sample that fulfils each.

    Args:
        rows: Positions of the samples, shape (n_rows,).
        classes: The asked classes of trait and covariates, one-hot, shape (n_rows, n_classes); all zero where a variant is asked for.
        variants: The asked genotype, 3 * place + ALT alleles, shape (n_rows,); 3 * n_places where none is.
    """

    rows: torch.Tensor
    classes: torch.Tensor
    variants: torch.Tensor


class TrainingBySampling:
    """Draws conditions evenly over columns that have a value, and over the classes of a column by the logarithm of their counts.

    Args:
        data: The training samples; its generator draws everything.
        classes: Their classes of trait and covariates, shape (n_samples, n_classes).
        columns: What the classes belong to.
        trait_share: Share of conditions that ask for trait and covariates, all of them at once.

    References:
        Xu et al. 2019, section 4.3, arXiv:1907.00503. There a condition asks for one column, and every column is as likely.
    """

    def __init__(
        self,
        data: TrainingData,
        classes: torch.Tensor,
        *,
        columns: ClassColumns,
        trait_share: float,
    ) -> None:
        self.batches, self.random, self.counts = data.batches, data.random, data.counts
        self.classes, self.trait_share = classes, trait_share
        self.slices = list(columns.slices())
        counts, place_of = data.counts, torch.from_numpy(data.layout.place_of).to(data.device)
        has_calls = counts[place_of].sum(dim=1) > 0
        self.place_of = place_of[has_calls] if has_calls.any() else place_of
        self.log_counts = (counts.float() + 1).log()
        self.class_log_counts = [(classes[:, part].sum(dim=0) + 1).log() * (classes[:, part].sum(dim=0) > 0) for part in self.slices]

    def draw(self, n_rows: int, pool: torch.Tensor) -> Conditioned:
        """Conditions, and samples that fulfil them.

        Args:
            n_rows: How many.
            pool: Calls of all samples that may be drawn, or of some in place of all: positions, shape (n_pool,).
        """
        device = pool.device
        asks_trait = torch.rand(n_rows, generator=self.random, device=device) < self.trait_share
        wanted = torch.rand(n_rows, len(pool), generator=self.random, device=device)
        codes = self.batches.codes(pool).transpose(1, 2).reshape(-1, len(pool))
        places = self.place_of[torch.randint(len(self.place_of), (n_rows,), generator=self.random, device=device)]
        genotypes = torch.multinomial(self.log_counts[places].clamp(min=1e-6), 1, generator=self.random)[:, 0]
        fulfils = codes[places] == genotypes[:, None]
        fulfils[asks_trait] = self._has_class(int(asks_trait.sum()), pool)
        # Where no sample of the pool fulfils it, any may be drawn, and the condition becomes what that one has.
        chosen = torch.where(fulfils.any(dim=1, keepdim=True), wanted * fulfils, wanted).argmax(dim=1)
        rows = pool[chosen]
        found = codes[places, chosen].long()
        is_asked = ~asks_trait & (found != MISSING_CODE)
        variants = torch.where(is_asked, 3 * places + found, 3 * len(codes))
        return Conditioned(rows=rows, classes=self.classes[rows] * asks_trait[:, None], variants=variants)

    def _has_class(self, n_rows: int, pool: torch.Tensor) -> torch.Tensor:
        """Which samples of the pool have a class drawn for each row, shape (n_rows, n_pool)."""
        columns = torch.randint(len(self.slices), (n_rows,), generator=self.random, device=pool.device)
        has = torch.zeros(n_rows, len(pool), dtype=torch.bool, device=pool.device)
        for k, (part, log_counts) in enumerate(zip(self.slices, self.class_log_counts, strict=True)):
            own = torch.nonzero(columns == k)[:, 0]
            if len(own):
                drawn = torch.multinomial(log_counts.clamp(min=1e-6).expand(len(own), -1), 1, generator=self.random)[:, 0]
                has[own] = self.classes[pool][:, part].T[drawn] > 0
        return has
