"""The walk of downstream prediction: split → fit cells → more samples → arms x classifiers → prediction records.

`run_downstream` is what `genobench downstream` calls, and what a notebook calls. Cells are those of `genobench study`, and are not fitted
again; a prediction that is kept is not made again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genobench.downstream.arms import DEFAULT_ARMS, Arm
from genobench.downstream.bench import Bench, Fitted
from genobench.downstream.leaks import leaking_covariates
from genobench.errors import GenobenchError
from genobench.planning import Plan, Prepared, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from genobench.contracts import Trait
    from genobench.downstream.bench import PlannedPrediction
    from genobench.downstream.records import PredictionRecord
    from genobench.events import OnEvent
    from genobench.registry import Registry


@dataclass(frozen=True)
class ClassifierPlan:
    """A classifier to fit, with the settings that differ from its defaults."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DownstreamPlan:
    """What to predict, from what.

    Args:
        cells: The generators' cells, as for `genobench.benchmark.run`; metrics and trials are not looked at. There may be no generator.
        classifiers: Which classifiers.
        arms: Which arms, by name.
        n_components: Principal components among the covariates, fitted on the samples of each arm.
    """

    cells: Plan
    classifiers: tuple[ClassifierPlan, ...]
    arms: tuple[str, ...] = DEFAULT_ARMS
    n_components: int = 0


def run_downstream(
    plan: DownstreamPlan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None
) -> Iterator[PredictionRecord]:
    """Run a plan, split by split: the arms that all generators share, then those of each cell.

    Args:
        plan: What to run.
        registry: As `genobench.registry.load_registry` gives it.
        home: As `genobench.home.genobench_home` gives it.
        on_event: Called with progress.

    Yields:
        A record for each split, classifier and arm, and for each cell too where the arm has synthetic samples.

    Raises:
        GenobenchError: If the plan cannot begin. What goes wrong later is the reason in a record.
    """
    for bench in _benches(plan, registry, home, on_event):
        yield from bench.real_records()
        for entry, generator in bench.prepared.generators:
            for seed in bench.prepared.plan.seeds:
                yield from bench.cell_records(entry, generator, seed)


def planned_predictions(
    plan: DownstreamPlan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None
) -> Iterator[tuple[Prepared, list[PlannedPrediction]]]:
    """What a plan holds, split by split, without doing it."""
    for bench in _benches(plan, registry, home, on_event):
        found = bench.planned(None, bench.prepared.plan.split_seed)
        for entry, generator in bench.prepared.generators:
            for seed in bench.prepared.plan.seeds:
                found += bench.planned(bench.cell(entry, generator, seed), seed)
        yield bench.prepared, found


def _unsuited(names: list[str], trait: Trait) -> str:
    """That no classifier of a plan takes its trait."""
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    take = "take" if len(names) > 1 else "takes"
    return f"{listed} {take} no {trait.kind} trait, and '{trait.column}' is one; name another classifier, or another trait with --trait."


def _benches(plan: DownstreamPlan, registry: Registry, home: Path, on_event: OnEvent) -> Iterator[Bench]:
    """The splits of a plan, each with all names resolved; a wrong name is found before anything is loaded."""
    arms = tuple(Arm.parse(name) for name in dict.fromkeys(plan.arms))
    # Under its bare name and its qualified one it is the same.
    found = (Fitted.find(planned.name, planned.settings, registry) for planned in plan.classifiers)
    named = [*{fitted.name: fitted for fitted in found}.values()]
    fixed = {arm.classifier: Fitted.find(arm.classifier, {}, registry) for arm in arms if arm.classifier is not None}
    if not plan.cells.generators and not all(arm.is_real for arm in arms):
        wanting = next(arm.name for arm in arms if not arm.is_real)
        raise GenobenchError(f"The arm '{wanting}' needs synthetic samples, and no generator is named; name one, or leave the arm out.")
    if not named and not all(arm.classifier for arm in arms):
        raise GenobenchError("No classifier is named; `genobench plugins list` shows which there are.")
    for split_plan in plan.cells.split_plans:
        prepared = prepare(dataclasses.replace(split_plan, metrics=(), trials=0), registry=registry, home=home, on_event=on_event)
        kind = prepared.trait.kind
        for name in leaking_covariates(prepared.dataset.genotypes.samples.iloc[prepared.split.train], prepared.trait):
            said = f"The trait '{prepared.trait.column}' of every training sample follows from its covariate '{name}', so that no use of "
            on_event({"event": "warning", "message": f"{said}genotypes can be seen. Import the dataset without this covariate."})
        suited = [fitted for fitted in named if kind in fitted.kinds]
        if named and not suited:
            raise GenobenchError(_unsuited([fitted.entry.name for fitted in named], prepared.trait))
        for fitted in named:
            if kind not in fitted.kinds:
                on_event({"event": "warning", "message": f"{fitted.entry.name} takes no {kind} trait, and is left out."})
        pairs = tuple(
            (arm, fitted)
            for arm in arms
            if arm.suits(prepared.trait)
            for fitted in ((fixed[arm.classifier],) if arm.classifier is not None else suited)
        )
        yield Bench(prepared=prepared, pairs=pairs, n_components=plan.n_components, on_event=on_event)
