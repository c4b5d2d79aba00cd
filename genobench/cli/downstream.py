"""`genobench downstream`: train classifiers on real and on synthetic samples, predict the same real holdout, publish what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genobench.cli.console import console, warn
from genobench.cli.run import (
    BudgetOption,
    DatasetOption,
    DeviceOption,
    PlanOnlyOption,
    RetryOption,
    SeedsOption,
    SplitColumnOption,
    SplitOption,
    SplitSeedOption,
    SplitsOption,
    TraitOption,
)
from genobench.errors import GenobenchError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.downstream.records import PredictionRecord
    from genobench.downstream.walk import DownstreamPlan


def downstream(
    *,
    classifier: Annotated[
        list[str] | None, typer.Option("--classifier", "-c", help="A classifier (`genobench plugins list`); repeat it for several.")
    ] = None,
    generator: Annotated[
        list[str] | None, typer.Option("--generator", "-g", help="A generator; repeat it for several. Controls are generators too.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of a classifier or generator, NAME.setting=value (lasso.l1_share=0.5); may be repeated."),
    ] = None,
    dataset: DatasetOption = "cattle-demo",
    arms: Annotated[
        str, typer.Option(help="What classifiers are trained on, separated by commas; real+Kx for K synthetic samples a real one.")
    ] = "real,synthetic,real+1x,real+3x,real+10x,minority,covariates",
    trait: TraitOption = None,
    components: Annotated[int, typer.Option(min=0, help="Principal components of an arm's samples among its covariates.")] = 0,
    split: SplitOption = "auto",
    split_column: SplitColumnOption = None,
    split_seed: SplitSeedOption = 0,
    splits: SplitsOption = 1,
    seeds: SeedsOption = 1,
    device: DeviceOption = "auto",
    time_limit: Annotated[
        float, typer.Option(min=1.0, help="Seconds for each phase of a generator, and for each classifier and arm.")
    ] = 1800.0,
    budget: BudgetOption = "",
    retry: RetryOption = False,
    plan_only: PlanOnlyOption = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One record a line, as JSON, on stdout.")] = False,
    publish: Annotated[
        Path | None, typer.Option(help="A folder of boards: the predictions are added to its board DATASET.SPLIT.downstream[.BUDGET].")
    ] = None,
    heritability: Annotated[
        float | None, typer.Option(help="Of a quantitative trait, above 0 and at most 1, where it is known: pages then give r/h.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let new predictions take the place of those that a board holds.")] = False,
) -> None:
    """Predict a trait from real and from synthetic samples, each classifier on each arm, and keep the predictions.

    Generators are fitted as by `genobench study`, on the same splits and into the same cells; nothing is fitted or predicted twice.
    """
    from genobench.downstream.walk import ClassifierPlan, DownstreamPlan
    from genobench.planning import GeneratorPlan, Plan

    if heritability is not None and not 0 < heritability <= 1:
        raise GenobenchError(f"--heritability {heritability:g} is no share of variance; write one above 0 and at most 1.")
    generators, classifiers = ([*dict.fromkeys(names or [])] for names in (generator, classifier))
    given = _settings_of(settings or [], [*generators, *classifiers])
    plan = DownstreamPlan(
        cells=Plan(
            dataset=dataset,
            generators=tuple(GeneratorPlan(name, given[name]) for name in generators),
            trait=trait,
            split=split,
            split_column=split_column,
            split_seed=split_seed,
            n_splits=splits,
            seeds=tuple(range(seeds)),
            device=device,
            time_limit_seconds=time_limit,
            budget=budget,
            retry=retry,
        ),
        classifiers=tuple(ClassifierPlan(name, given[name]) for name in classifiers),
        arms=tuple(name.strip() for name in arms.split(",") if name.strip()),
        n_components=components,
    )
    if plan_only:
        _show_plan(plan)
        return
    records = _walk(plan, json_lines=json_lines)
    if not json_lines:
        _answer(records, heritability)
        if publish is None:
            typer.echo("Tables and figures: the same command with --publish FOLDER; it predicts nothing twice.", err=True)
    _warn_of_missing(records)
    if heritability is not None and all(record.kind != "quantitative" for record in records):
        warn(f"--heritability is for a quantitative trait, and {records[0].trait} is {records[0].kind}; it is left out.")
        heritability = None
    if publish is not None:
        _publish(records, publish, budget=plan.cells.budget, replace=replace, heritability=heritability)


def _settings_of(texts: list[str], names: list[str]) -> dict[str, dict[str, str]]:
    """The settings of each classifier and generator that is named, from texts `NAME.setting=value`.

    Raises:
        SettingsError: If a text is no such, or is of a plugin that is not named, or of two.
    """
    given: dict[str, dict[str, str]] = {name: {} for name in names}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        plugin, dot, setting = key.rpartition(".")
        if not equals or not dot:
            raise SettingsError(f"--set {text} does not say whose setting it is; write --set NAME.setting=value, as in lasso.l1_share=0.5.")
        meant = [name for name in names if plugin in (name, name.rpartition("/")[2])]
        if len(meant) != 1:
            said = "is named neither with --classifier nor with --generator" if not meant else f"may be {' or '.join(meant)}"
            raise SettingsError(f"--set {text} is of '{plugin}', which {said}.")
        given[meant[0]][setting] = value
    return given


def _answer(records: list[PredictionRecord], heritability: float | None) -> None:
    """What the records say, in plain words."""
    from genobench.downstream.answer import answer, levels
    from genobench.downstream.summary import summaries
    from genobench.downstream.wording import aim_text, measure_title

    out = console()
    for summary in summaries(records, heritability=heritability):
        typer.echo(f"{summary.dataset}, {summary.scheme} splits, {summary.trait}:")
        rows = levels(summary)
        if rows:
            typer.echo(f"  {measure_title(summary.primary)} ({aim_text(summary.primary)}), mean and 95 % interval:")
        for name, text in rows:
            typer.echo(f"    {name:<{max(len(name) for name, _ in rows)}}  {text}")
        for line in answer(summary):
            text = f"  - {line.replace('**', '')}"
            typer.echo(fill(text, out.width, subsequent_indent="    ", break_on_hyphens=False) if out.is_terminal else text)


def _warn_of_missing(records: list[PredictionRecord]) -> None:
    missing = [record for record in records if record.reason is not None]
    if missing:
        first = missing[0]
        about = f"{first.classifier} on {first.arm}" + (f" of {first.generator}" if first.generator else "")
        warn(f"{len(missing)} of {len(records)} predictions are missing; the first, {about}: {first.reason}")


def _publish(records: list[PredictionRecord], folder: Path, *, budget: str, replace: bool, heritability: float | None) -> None:
    from genobench.budgets import Budget
    from genobench.downstream.boards import board_name, state_heritability
    from genobench.downstream.boards import publish as publish_to
    from genobench.downstream.pages import PAGE, write_pages

    board = folder / board_name(records, Budget.parse(budget).name if budget else "")
    n_cut_short = sum(record.is_cut_short for record in records)
    if n_cut_short:
        warn(f"{n_cut_short} of {len(records)} predictions were cut short and are not published; the same command tries them again.")
    n_changed = publish_to(records, board, replace=replace)
    if heritability is not None:
        state_heritability(board, heritability)
    write_pages(board)
    typer.echo(f"{n_changed} of {len(records)} predictions are new or changed in {board}; its page is {board / PAGE}.", err=True)


def _walk(plan: DownstreamPlan, *, json_lines: bool) -> list[PredictionRecord]:
    from genobench.cli.progress import RunProgress
    from genobench.downstream.running import prediction_event
    from genobench.downstream.walk import run_downstream
    from genobench.home import genobench_home
    from genobench.registry import load_registry

    records: list[PredictionRecord] = []
    told: list[Mapping[str, Any]] = []
    n_kept = 0
    with RunProgress() as progress:

        def hear(event: Mapping[str, Any]) -> None:
            if event.get("event") == "prediction":
                told.append(event)
            progress(event)

        for record in run_downstream(plan, registry=load_registry(), home=genobench_home(), on_event=hear):
            records.append(record)
            event = prediction_event(record)
            if json_lines:
                with progress.aside():
                    typer.echo(json.dumps(record.to_json(), allow_nan=False))
                    sys.stdout.flush()
            elif event in told:
                told.remove(event)
            elif record.reason is None:
                n_kept += 1
            else:
                progress(event)
    if n_kept:
        typer.echo(f"{n_kept} of {len(records)} predictions were there already.", err=True)
    return records


def _show_plan(plan: DownstreamPlan) -> None:
    from genobench.cli.progress import RunProgress
    from genobench.downstream.walk import planned_predictions
    from genobench.home import genobench_home
    from genobench.registry import load_registry

    with RunProgress() as progress:
        for prepared, found in planned_predictions(plan, registry=load_registry(), home=genobench_home(), on_event=progress):
            with progress.aside():
                split = prepared.split
                typer.echo(f"{prepared.dataset.name}: {split.scheme} split of seed {split.seed}; trait {prepared.trait.column}")
                for item in found:
                    source = f"{item.cell_id}  {item.generator}" if item.cell_id else "real samples"
                    typer.echo(f"{source}  seed {item.seed}  {item.classifier}  {item.arm}  {item.state}")
