"""`genobench run`, and `genobench study`, which is `run` for several generators: train, generate, score, record, rank."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genobench.errors import GenobenchError, SettingsError

if TYPE_CHECKING:
    from genobench.benchmark import Plan, Prepared
    from genobench.outcomes import Outcome

DatasetOption = Annotated[str, typer.Option("--dataset", "-d", help="A dataset: `genobench data list`.")]
TraitOption = Annotated[str | None, typer.Option(help="The trait to condition on and predict; the dataset's first by default.")]
SplitOption = Annotated[
    str,
    typer.Option(help="auto, random, family, kinship, forward or column. auto: by recorded families, else by genomic kinship."),
]
SplitColumnOption = Annotated[str | None, typer.Option(help="The column of a column split: its groups stay whole.")]
SplitSeedOption = Annotated[int, typer.Option(min=0, help="Seed of the split.")]
SplitsOption = Annotated[
    int, typer.Option(min=1, help="How many splits: pair k is the split of seed k with fits of seed k; boards average over pairs.")
]
BudgetOption = Annotated[
    str, typer.Option(help="What each phase of a fit may take, a board of its own: 3cpu-min (all processors together), 10gpu-min, ...")
]
SeedsOption = Annotated[int, typer.Option(min=1, help="How many seeds: one fit each.")]
CountOption = Annotated[int | None, typer.Option("--n", min=2, help="Synthetic samples; as many as training samples by default.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
DevicesOption = Annotated[
    int,
    typer.Option(min=1, help="GPUs that share one fit: the first so many, if the generator can. With --device cpu, so many processes."),
]
LimitOption = Annotated[float, typer.Option(min=1.0, help="Seconds that each phase of a fit may take.")]
TrialsOption = Annotated[int, typer.Option(min=0, help="Optuna trials before the seeds are run, scored on validation samples.")]
ObjectiveOption = Annotated[str | None, typer.Option(help="The score that trials are compared by (default: ld_decay_error).")]
MetricOption = Annotated[list[str] | None, typer.Option("--metric", help="Only this metric plugin; may be repeated.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="Run cells again that failed before.")]
PlanOnlyOption = Annotated[bool, typer.Option("--plan-only", help="Show the cells and leave.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One outcome a line, as JSON, on stdout.")]
TrackOption = Annotated[bool, typer.Option("--track/--no-track", help="Record outcomes in MLflow.")]


def run(
    *,
    generator: Annotated[
        list[str], typer.Option("--generator", "-g", help="A generator (`genobench plugins list`); repeat it for several.")
    ],
    dataset: DatasetOption = "cattle-demo",
    trait: TraitOption = None,
    split: SplitOption = "auto",
    split_column: SplitColumnOption = None,
    split_seed: SplitSeedOption = 0,
    splits: SplitsOption = 1,
    seeds: SeedsOption = 1,
    n: CountOption = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting, name=value; may be repeated.")] = None,
    settings_file: Annotated[Path | None, typer.Option("--settings", help="Settings as a JSON or TOML file.")] = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    time_limit: LimitOption = 1800.0,
    budget: BudgetOption = "",
    trials: TrialsOption = 0,
    objective: ObjectiveOption = None,
    metric: MetricOption = None,
    retry: RetryOption = False,
    plan_only: PlanOnlyOption = False,
    json_lines: JsonOption = False,
    track: TrackOption = True,
) -> None:
    """Train a generator on real genotypes, generate, score, record.

    Several generators run on the same splits with equal budgets, all on the first split, then all on the next. The same command again
    goes on where it stopped; what is finished is not done twice, and one that fails does not stop the others.
    """
    given = read_settings(settings or [], settings_file)
    if given and len(generator) > 1:
        raise SettingsError(f"--set and --settings are for one generator, and {len(generator)} are named; run each by itself.")
    _check_names(generator, dataset=dataset, metrics=metric or [], settings=given)

    from genobench.benchmark import GeneratorPlan, Plan
    from genobench.tuning import DEFAULT_OBJECTIVE

    plan = Plan(
        dataset=dataset,
        generators=tuple(GeneratorPlan(name, given) for name in generator),
        trait=trait,
        split=split,
        split_column=split_column,
        split_seed=split_seed,
        n_splits=splits,
        seeds=tuple(range(seeds)),
        n_samples=n,
        device=device,
        n_devices=devices,
        time_limit_seconds=time_limit,
        budget=budget,
        trials=trials,
        metrics=tuple(metric) if metric else None,
        retry=retry,
        objective=objective or DEFAULT_OBJECTIVE,
    )
    _walk(plan, plan_only=plan_only, json_lines=json_lines, track=track)


def _check_names(generators: list[str], *, dataset: str, metrics: list[str], settings: dict[str, Any]) -> None:
    """Raise for a wrong name or setting at once: what a run needs takes seconds to import."""
    from genobench.datasets import check_dataset
    from genobench.registry import load_registry, load_target
    from genobench.settings import with_settings

    registry = load_registry()
    entries = [registry.find("generator", name) for name in generators]
    for name in metrics:
        registry.find("metric", name)
    check_dataset(dataset, registry)
    if settings:
        with_settings(load_target("generator", entries[0]), settings)


def read_settings(pairs: list[str], file: Path | None) -> dict[str, Any]:
    """Settings from a file and from `name=value` texts; the texts win.

    Raises:
        SettingsError: If the file cannot be read, or a text has no "=".
    """
    settings: dict[str, Any] = {}
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
            if file.suffix == ".toml":
                import tomllib

                settings = tomllib.loads(text)
            else:
                settings = json.loads(text)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"The settings file {file} cannot be read as {'TOML' if file.suffix == '.toml' else 'JSON'}: {error}"
            ) from error
        if not isinstance(settings, dict):
            raise SettingsError(f"The settings file {file} holds {type(settings).__name__}; it must hold an object of names and values.")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair} has no '='; write --set name=value.")
        settings[name.strip()] = value.strip()
    return settings


def _walk(plan: Plan, *, plan_only: bool, json_lines: bool, track: bool) -> None:
    from genobench.benchmark import prepare, run
    from genobench.cli.progress import RunProgress
    from genobench.home import genobench_home
    from genobench.registry import load_registry

    home = genobench_home()
    registry = load_registry()
    outcomes: list[Outcome] = []
    with RunProgress() as progress:
        if plan_only:
            for split_plan in plan.split_plans:
                prepared = prepare(split_plan, registry=registry, home=home, on_event=progress)
                with progress.aside():
                    _show_plan(prepared)
            return
        for outcome in run(plan, registry=registry, home=home, on_event=progress):
            with progress.aside():
                _print_outcome(outcome, home, json_lines=json_lines)
            if track:
                _record(outcome, home, progress)
            outcomes.append(outcome)
    if not json_lines:
        from genobench.cli.leaderboard import show
        from genobench.outcomes import board_name

        for board in dict.fromkeys(board_name(outcome) for outcome in outcomes):
            show(board)
    failed = [outcome for outcome in outcomes if outcome.status != "ok"]
    if failed:
        from genobench.cells import cell_folder

        worst = failed[0]
        raise GenobenchError(
            f"{len(failed)} of {len(outcomes)} cells did not end well; the first: cell {worst.cell_id} "
            f"({worst.generator}) is {worst.status} in {worst.phase}: {worst.message.rstrip('.')}. "
            f"Its log: {cell_folder(home, worst.cell_id) / 'log.txt'}. "
            "`--retry` runs such cells again."
        )


def _print_outcome(outcome: Outcome, home: Path, *, json_lines: bool) -> None:
    if json_lines:
        sys.stdout.write(json.dumps(outcome.to_json(), allow_nan=False) + "\n")
        sys.stdout.flush()
        return
    from genobench.cells import REPORT_NAME, cell_folder
    from genobench.cli.tables import print_outcome

    print_outcome(outcome, cell_folder(home, outcome.cell_id) / REPORT_NAME)


def _record(outcome: Outcome, home: Path, progress: Any) -> None:
    from genobench.cells import cell_folder
    from genobench.tracking import record_outcome

    progress({"event": "stage", "stage": "record"})
    try:
        record_outcome(outcome, cell_folder(home, outcome.cell_id), home)
    except GenobenchError as error:
        progress({"event": "warning", "message": str(error)})


def _show_plan(prepared: Prepared) -> None:
    from genobench.cells import Cell, cell_folder

    plan = prepared.plan
    parts = ", ".join(f"{part} {n}" for part, n in prepared.split.facts["n"].items())
    about = f"{prepared.split.scheme} split of seed {prepared.split.seed}, {parts}; trait {prepared.trait.column}; device {prepared.device}"
    about += f" x {plan.n_devices}" if plan.n_devices > 1 else ""
    typer.echo(f"{prepared.dataset.name}: {about}" + (f"; budget {plan.budget}" if plan.budget else ""))
    for entry, generator in prepared.generators:
        if plan.trials:
            typer.echo(f"{entry.name}: {plan.trials} trials for {plan.objective} on validation, then {len(plan.seeds)} seeds")
            continue
        for seed in plan.seeds:
            key = prepared.cell_key(entry, generator, seed)
            result = Cell(key, cell_folder(prepared.home, key.cell_id)).result
            state = "to do" if result is None else "finished" if result.status == "ok" else result.status
            typer.echo(f"{key.cell_id}  {entry.name}  seed {seed}  {state}")
