"""What metrics ask for in `Metric.needs`, computed once for all: numbers for pairs of samples, principal components, predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import PackedCalls
from genobench.contracts import PARTS, Components, FitContext, Pairwise, Prediction, Predictions
from genobench.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.contracts import Classifier, Comparison, Measure, Predictor, Request, Trait
    from genobench.genotypes import Genotypes
    from genobench.registry import Registry
    from genobench.statgen import Imputer, PrincipalComponents

_MOST_MATRIX_BYTES: Final = 1 << 31
"""No matrix over pairs of samples may be larger."""

_MOST_KEPT_BYTES: Final = 7 << 29
"""Matrices that are kept for the next metric; those that were used longest ago go first."""

_MOST_SAMPLES_OF_COMPONENTS: Final = 1_000
"""Principal components are fitted on at most so many training samples, drawn with a fixed seed: bands fit them a hundred times."""

_MOST_FITS: Final = 128

_MOST_PREDICTORS: Final = 3


@dataclass(frozen=True)
class _Drawn:
    """Samples drawn from a part: the part, and their positions in it."""

    source: Genotypes
    positions: NDArray[np.intp]


class Answers:
    """Answers to requests, each computed once.

    A matrix over two parts is kept, and that of samples drawn from a part is read off it: a band of 100 draws costs one matrix, not a
    hundred.

    Args:
        registry: Where classifiers are found.
        train: What missing calls are imputed from, and principal components are fitted on.
    """

    def __init__(self, registry: Registry, train: Genotypes) -> None:
        self.registry = registry
        self._train = train
        self._kept: dict[Any, tuple[tuple[Genotypes, ...], NDArray[Any]]] = {}
        self._complete: dict[int, tuple[Genotypes, PackedCalls]] = {}
        self._drawn: list[tuple[Genotypes, _Drawn]] = []
        self._fitted: dict[tuple[int, bytes], PrincipalComponents] = {}
        self._predictors: dict[tuple[str, int, Trait], tuple[Genotypes, Predictor]] = {}
        self._imputer: Imputer | None = None

    def take(self, source: Genotypes, positions: NDArray[np.intp]) -> Genotypes:
        """Samples drawn from a part; only the last three draws are remembered."""
        taken = source.take_samples(positions)
        self._drawn = [*self._drawn[-2:], (taken, _Drawn(source, positions))]
        return taken

    def answer(self, request: Request, comparison: Comparison) -> Any:
        """The answer to one request, of the kind that its class describes."""
        match request:
            case Pairwise():
                return self._pairwise(request, comparison)
            case Components():
                return self._components(request, comparison)
            case Predictions():
                return self._predictions(request, comparison)

    def _pairwise(self, request: Pairwise, comparison: Comparison) -> NDArray[Any]:
        queries, references = (self._origin(comparison.part(part)) for part in (request.queries, request.references))
        whole = self._whole(queries.source, references.source, request.measure)
        is_whole = len(queries.positions) == whole.shape[0] and len(references.positions) == whole.shape[1]
        return whole if is_whole else whole[np.ix_(queries.positions, references.positions)]

    def _origin(self, genotypes: Genotypes) -> _Drawn:
        for taken, drawn in self._drawn:
            if taken is genotypes:
                return drawn
        return _Drawn(genotypes, np.arange(genotypes.n_samples))

    def _whole(self, queries: Genotypes, references: Genotypes, measure: Measure) -> NDArray[Any]:
        """The matrix over two parts, kept as long as there is room, with the parts, so that their identity stays theirs."""
        n_bytes = 4 * queries.n_samples * references.n_samples
        if n_bytes > _MOST_MATRIX_BYTES:
            raise MemoryError(
                f"a matrix over {queries.n_samples} x {references.n_samples} samples takes {n_bytes / 2**30:.1f} GiB; the budget is 2 GiB"
            )
        key, turned = (measure, id(queries), id(references)), (measure, id(references), id(queries))
        for known in (key, turned):
            if known in self._kept:
                self._kept[known] = self._kept.pop(known)
        if turned in self._kept and turned != key:
            return self._kept[turned][1].T
        if key not in self._kept:
            made = _measured(self._calls(queries), self._calls(references), measure, self._train)
            while self._kept and sum(matrix.nbytes for _, matrix in self._kept.values()) + made.nbytes > _MOST_KEPT_BYTES:
                del self._kept[next(iter(self._kept))]
            made.setflags(write=False)
            self._kept[key] = ((queries, references), made)
        return self._kept[key][1]

    def _calls(self, genotypes: Genotypes) -> PackedCalls:
        """The calls of a part with nothing missing; those of drawn samples are read off their source's."""
        from genobench.statgen import Imputer

        drawn = self._origin(genotypes)
        if drawn.source is not genotypes:
            complete = self._calls(drawn.source)
            return PackedCalls(packed=complete.packed[drawn.positions], n_variants=complete.n_variants)
        if id(genotypes) not in self._complete:
            if self._imputer is None:
                self._imputer = Imputer.fit(self._train.to_array())
            complete = PackedCalls.from_calls(self._imputer.complete(genotypes.to_array()))
            # What is not remembered as a draw is one of few parts.
            self._complete = dict([*self._complete.items()][-5:]) | {id(genotypes): (genotypes, complete)}
        return self._complete[id(genotypes)][1]

    def _components(self, request: Components, comparison: Comparison) -> dict[str, NDArray[np.float64]]:
        """Fitted without the samples that stand for synthetic ones in a band: no part but train is a sample of its own fit."""
        from genobench.statgen import PrincipalComponents, is_autosome

        stand_ins = self._origin(comparison.synthetic)
        is_fitted = np.ones(self._train.n_samples, dtype=bool)
        if stand_ins.source is self._train:
            is_fitted[stand_ins.positions] = False
        rows = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(is_fitted))[:_MOST_SAMPLES_OF_COMPONENTS])
        key = (request.n_components, rows.tobytes())
        if key not in self._fitted:
            # As many as a band has draws, so that the next metric finds them all.
            self._fitted = dict([*self._fitted.items()][-_MOST_FITS:])
            calls = self._calls(self._train).rows(rows)
            is_used = is_autosome(self._train.variants["chromosome"])
            self._fitted[key] = PrincipalComponents.fit(calls, request.n_components, seed=0, is_used=is_used if is_used.any() else None)
        fitted = self._fitted[key]
        answer: dict[str, NDArray[np.float64]] = {part: fitted.project(self._calls(comparison.part(part))) for part in PARTS}
        return {**answer, "explained_share": fitted.explained_share}

    def _predictions(self, request: Predictions, comparison: Comparison) -> Prediction | str:
        trait = comparison.trait
        source, target = comparison.part(request.arm), comparison.part(request.target)
        if not trait.column:
            return "no phenotype was given"
        for part in (request.arm, request.target):
            if trait.column not in comparison.part(part).samples.columns:
                return f"the {part} samples carry no '{trait.column}'"
        classifier: Classifier = self.registry.load("classifier", request.classifier)()
        if trait.kind not in classifier.trait_kinds:
            return f"the classifier '{request.classifier}' takes no {trait.kind} trait"
        n_values = source.samples[trait.column].nunique()
        if n_values < 2:
            return f"the trait '{trait.column}' has {n_values} distinct value in the {request.arm} samples"
        shown = [column for column in target.samples.columns if column in ("id", *trait.covariates)]
        predictor = self._predictor(request.classifier, classifier, source, trait)
        predicted = predictor.predict(target.with_samples(target.samples[shown]))
        if len(predicted) != target.n_samples or not np.isfinite(predicted).all():
            raise ContractError(
                f"The classifier '{request.classifier}' gave predictions of shape {np.shape(predicted)}, "
                f"{int((~np.isfinite(predicted)).sum())} of them not finite, for {target.n_samples} {request.target} samples."
            )
        observed = target.samples[trait.column]
        if trait.kind == "quantitative":
            truth = observed.to_numpy(dtype=float)
        else:
            truth = observed.astype(object).where(observed.notna(), "").astype(str).to_numpy(dtype=object)
        groups = comparison.groups.get(request.target, np.arange(target.n_samples))
        return Prediction(truth=truth, predicted=predicted, classes=predictor.classes, groups=groups)

    def _predictor(self, name: str, classifier: Classifier, source: Genotypes, trait: Trait) -> Predictor:
        """The last few are remembered: a band asks one that is trained on the holdout about a hundred draws.

        It is told of no covariates: these scores ask what calls say of a trait, and a synthetic sample carries the trait and covariates of
        one row, whatever its calls are. Prediction beside covariates is compared in `genobench.downstream`.
        """
        key = (name, id(source), trait)
        if key not in self._predictors:
            with TemporaryDirectory() as folder:
                context = FitContext(trait=replace(trait, covariates=()), seed=0, device="cpu", folder=Path(folder))
                self._predictors = dict([*self._predictors.items()][-_MOST_PREDICTORS + 1 :])
                self._predictors[key] = (source, classifier.fit(source, context))
        return self._predictors[key][1]


def _measured(queries: PackedCalls, references: PackedCalls, measure: Measure, train: Genotypes) -> NDArray[Any]:
    """The measure between all pairs; variants are those of train."""
    from genobench.statgen import is_autosome, king_between, longest_shared_segment, pairwise

    if measure in ("manhattan", "squared-euclidean", "manhattan-visible"):
        return pairwise(queries, references, measure)
    # What speaks of kinship is read off autosomes: males have one X, and oppose their own fathers there.
    chromosomes = train.variants["chromosome"].to_numpy(dtype=object)
    is_used = is_autosome(chromosomes)
    if measure != "king" and not is_used.any():
        is_used[:] = True
    is_same = references is queries
    queries = _with_columns(queries, is_used)
    references = queries if is_same else _with_columns(references, is_used)
    if measure == "king":
        return king_between(queries, references)
    if measure == "shared-segment":
        return longest_shared_segment(queries, references, chromosomes[is_used])
    return pairwise(queries, references, measure)


def _with_columns(calls: PackedCalls, is_used: NDArray[np.bool_]) -> PackedCalls:
    return calls if is_used.all() else PackedCalls.from_calls(calls.columns(np.flatnonzero(is_used)))
