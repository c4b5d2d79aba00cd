"""What metrics ask for in `Metric.needs`, computed once for all of them: distances, and predictions of the holdout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.contracts import Distances, FitContext, Prediction, Predictions
from genobench.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench.contracts import Classifier, Comparison, Distance, Request
    from genobench.genotypes import Genotypes
    from genobench.registry import Registry
    from genobench.statgen import Imputer

_MOST_DISTANCE_BYTES: Final = 1 << 31


@dataclass(frozen=True)
class _Drawn:
    """Samples drawn from a part: the part, and their positions in it."""

    source: Genotypes
    positions: NDArray[np.intp]


class Answers:
    """Answers to requests, each computed once.

    Distances between parts are kept, and those of samples drawn from a part are read off the part's own: a band of 100 draws costs one
    matrix, not a hundred.

    Args:
        registry: Where classifiers are found.
        train: What missing calls are imputed from.
    """

    def __init__(self, registry: Registry, train: Genotypes) -> None:
        self.registry = registry
        self._train = train
        self._kept: dict[Any, tuple[tuple[Genotypes, ...], Any]] = {}
        self._drawn: list[tuple[Genotypes, _Drawn]] = []
        self._imputer: Imputer | None = None

    def take(self, source: Genotypes, positions: NDArray[np.intp]) -> Genotypes:
        """Samples drawn from a part; only the last three draws are remembered."""
        taken = source.take_samples(positions)
        self._drawn = [*self._drawn[-2:], (taken, _Drawn(source, positions))]
        return taken

    def answer(self, request: Request, comparison: Comparison) -> Any:
        """The answer to one request, of the kind that its class describes."""
        match request:
            case Distances():
                return self._distances(request, comparison)
            case Predictions():
                return self._predictions(request, comparison)

    def _distances(self, request: Distances, comparison: Comparison) -> NDArray[np.int32]:
        queries, references = (self._origin(comparison.part(part)) for part in (request.queries, request.references))
        whole = self._whole_distances(queries.source, references.source, request.distance)
        return whole[np.ix_(queries.positions, references.positions)]

    def _origin(self, genotypes: Genotypes) -> _Drawn:
        for taken, drawn in self._drawn:
            if taken is genotypes:
                return drawn
        return _Drawn(genotypes, np.arange(genotypes.n_samples))

    def _whole_distances(self, queries: Genotypes, references: Genotypes, distance: Distance) -> NDArray[np.int32]:
        from genobench.statgen import pairwise_distances

        n_bytes = 4 * queries.n_samples * references.n_samples
        if n_bytes > _MOST_DISTANCE_BYTES:
            raise MemoryError(
                f"distances between {queries.n_samples} and {references.n_samples} samples take {n_bytes / 2**30:.1f} GiB; "
                "the budget is 2 GiB"
            )
        sources = (queries, references)
        whole: NDArray[np.int32] = self._keep(
            ("distances", distance), sources, lambda: pairwise_distances(self._calls(queries), self._calls(references), distance)
        )
        return whole

    def _calls(self, genotypes: Genotypes) -> NDArray[np.int8]:
        from genobench.statgen import Imputer

        if self._imputer is None:
            self._imputer = Imputer.fit(self._train.to_array())
        imputer = self._imputer
        calls: NDArray[np.int8] = self._keep(("calls",), (genotypes,), lambda: imputer.complete(genotypes.to_array()))
        return calls

    def _keep(self, name: tuple[str, ...], sources: tuple[Genotypes, ...], compute: Callable[[], Any]) -> Any:
        """The value made from these very genotypes, which are held on to so that their identity stays theirs."""
        key = (name, *(id(source) for source in sources))
        if key not in self._kept:
            self._kept[key] = (sources, compute())
        return self._kept[key][1]

    def _predictions(self, request: Predictions, comparison: Comparison) -> Prediction | str:
        trait = comparison.trait
        source = comparison.part(request.arm)
        if trait.column not in source.samples.columns:
            return f"the {request.arm} samples carry no '{trait.column}'"
        classifier: Classifier = self.registry.load("classifier", request.classifier)()
        if trait.kind not in classifier.trait_kinds:
            return f"the classifier '{request.classifier}' takes no {trait.kind} trait"
        n_values = source.samples[trait.column].nunique()
        if n_values < 2:
            return f"the trait '{trait.column}' has {n_values} distinct value in the {request.arm} samples"
        withheld = [column for column in comparison.holdout.samples.columns if column in ("id", *trait.covariates)]
        with TemporaryDirectory() as folder:
            context = FitContext(trait=trait, seed=0, device="cpu", folder=Path(folder))
            predictor = classifier.fit(source, context)
        predicted = predictor.predict(comparison.holdout.with_samples(comparison.holdout.samples[withheld]))
        if len(predicted) != comparison.holdout.n_samples or not np.isfinite(predicted).all():
            raise ContractError(
                f"The classifier '{request.classifier}' gave predictions of shape {np.shape(predicted)}, "
                f"{int((~np.isfinite(predicted)).sum())} of them not finite, for a holdout of {comparison.holdout.n_samples} samples."
            )
        observed = comparison.holdout.samples[trait.column]
        truth = observed.to_numpy(dtype=float) if trait.kind == "quantitative" else observed.astype(str).to_numpy(dtype=object)
        groups = comparison.groups.get("holdout", np.arange(comparison.holdout.n_samples))
        return Prediction(truth=truth, predicted=predicted, classes=predictor.classes, groups=groups)
