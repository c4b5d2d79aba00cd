"""What to run, and that with every name resolved, the data split and its parts stored: all that the cells of a plan share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.budgets import Budget
from genobench.builtin.outside_settings import check_command, check_file
from genobench.cells import CellKey, hash_json
from genobench.contracts import Comparison
from genobench.datasets import OpenDataset, open_dataset
from genobench.devices import check_n_devices, resolve_device
from genobench.errors import DuplicateNameError, GenobenchError, UnknownNameError
from genobench.evaluation import RealParts
from genobench.fitting import FitRequest
from genobench.registry import Registered, Registry, code_sha256, load_target
from genobench.settings import settings_json, with_settings
from genobench.splitting import Split, StoredParts, load_or_make_split, parts_folder
from genobench.storage import read_store
from genobench.tuning import DEFAULT_OBJECTIVE, Objective

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from genobench.contracts import Generator, Part, Trait
    from genobench.events import OnEvent

_OUTSIDE: Final[Mapping[str, Callable[[Any], None]]] = {"genobench/command": check_command, "genobench/file": check_file}
"""Generators whose settings name what lies outside: without it there is nothing to fit, and each try would be another row."""


@dataclass(frozen=True)
class GeneratorPlan:
    """A generator to run, with the settings that differ from its defaults (text or values)."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Args:
        dataset: Name of a dataset.
        generators: Which generators; all get the same budget.
        trait: The trait's column; None for the dataset's first.
        split: `auto`, `random`, `family`, `kinship`, `forward` or `column`.
        split_column: The column of a `column` split.
        split_seed: Seed of the split; every generator and seed of the plan shares it.
        n_splits: Pairs of a split and its seeds: pair k has the split seed `split_seed` + k and seeds of its own; see `split_plans`.
        seeds: One cell each.
        n_samples: Synthetic samples; None for as many as there are training samples.
        device: `auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`, ...
        n_devices: Devices that one fit shares, of that kind.
        time_limit_seconds: For each phase of a fit; None: no limit.
        budget: What each phase of a fit may take ("3cpu-min", "10gpu-min"), a part of the board's name; "" for no budget.
        trials: Trials of tuning before the seeds are run; 0 for the settings as they are.
        objective: The score that trials are compared by, on validation samples.
        metrics: Names of metrics; None for all that are installed and not kept for those who ask.
        retry: Run cells again that failed before.
    """

    dataset: str
    generators: tuple[GeneratorPlan, ...]
    trait: str | None = None
    split: str = "auto"
    split_column: str | None = None
    split_seed: int = 0
    n_splits: int = 1
    seeds: tuple[int, ...] = (0,)
    n_samples: int | None = None
    device: str = "auto"
    n_devices: int = 1
    time_limit_seconds: float | None = 1800.0
    budget: str = ""
    trials: int = 0
    objective: str = DEFAULT_OBJECTIVE
    metrics: tuple[str, ...] | None = None
    retry: bool = False

    @property
    def split_plans(self) -> tuple[Plan, ...]:
        """A plan for each split: the k-th has the split seed `split_seed` + k and, of one seed s, the seed s + k."""
        n_seeds = len(self.seeds)
        return tuple(
            replace(self, split_seed=self.split_seed + k, seeds=tuple(seed + k * n_seeds for seed in self.seeds), n_splits=1)
            for k in range(self.n_splits)
        )


@dataclass(frozen=True)
class Prepared:
    """A plan with everything resolved: what every cell of it shares.

    Args:
        plan: As it was asked for.
        registry: Where its names were found.
        home: Where its cells are.
        dataset: The opened dataset.
        split: Its split.
        trait: The trait of the run.
        parts: The stores of its parts.
        device: With `auto` resolved.
        budget: The budget's name; "" for none.
        generators: Each with its settings.
        metrics: Which metrics.
        objective: What trials are compared by, with the metric that gives it; None without trials.
    """

    plan: Plan
    registry: Registry
    home: Path
    dataset: OpenDataset
    split: Split
    trait: Trait
    parts: StoredParts
    device: str
    budget: str
    generators: tuple[tuple[Registered, Generator], ...]
    metrics: tuple[Registered, ...]
    objective: tuple[Registered, Objective] | None

    def store(self, part: str) -> Path:
        """The store of one part of the split."""
        return self.parts.folder / part

    @property
    def n_samples(self) -> int:
        """Synthetic samples of a cell."""
        return self.plan.n_samples or len(self.split.train)

    def real_parts(self, holdout: str = "holdout") -> RealParts:
        """The real samples to compare with."""
        groups = np.asarray(self.split.groups)
        return RealParts(
            identity=hash_json([self.dataset.sha256, self.split.sha256, self.trait.column, holdout]),
            train=self.store("train"),
            holdout=self.store(holdout),
            nonmembers=self.store("nonmembers"),
            groups={
                "train": groups[self.split.train].tolist(),
                "holdout": groups[self.split.part(holdout)].tolist(),
                "nonmembers": groups[self.split.nonmembers].tolist(),
            },
            has_families=self.split.scheme in ("family", "kinship", "column"),
            seed=self.plan.split_seed,
            causal=self.dataset.causal,
        )

    def comparison(self, synthetic: Path) -> Comparison:
        """The parts and the synthetic samples of a store, with no results."""
        groups: dict[Part, NDArray[np.intp]] = {
            part: self.split.groups[self.split.part(part)] for part in ("train", "holdout", "nonmembers")
        }
        return Comparison(
            trait=self.trait,
            train=read_store(self.store("train")),
            holdout=read_store(self.store("holdout")),
            nonmembers=read_store(self.store("nonmembers")),
            synthetic=read_store(synthetic),
            groups=groups,
            causal=self.dataset.causal,
        )

    def cell_key(self, entry: Registered, generator: Generator, seed: int) -> CellKey:
        """The key of a cell of this plan."""
        return CellKey(
            dataset=self.dataset.name,
            dataset_sha256=self.dataset.sha256,
            split_sha256=self.split.sha256,
            trait=self.trait.column,
            generator=entry.qualified_name,
            plugin_version=entry.version,
            code_sha256=code_sha256(entry),
            settings=settings_json(generator),
            seed=seed,
            n_samples=self.n_samples,
            device=self.device.partition(":")[0],
            budget=self.budget,
            n_devices=self.plan.n_devices,
        )

    def fit_request(self, entry: Registered, key: CellKey) -> FitRequest:
        """What `genobench.fitting.fit_cell` needs to know."""
        return FitRequest(
            key=key,
            target=entry.target,
            trait=self.trait,
            train=self.store("train"),
            validation=self.store("validation"),
            device=self.device,
            time_limit_seconds=self.plan.time_limit_seconds,
            home=self.home,
            retry=self.plan.retry,
            mend_parts=self.parts.mend,
        )


def prepare(plan: Plan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None) -> Prepared:
    """Resolve every name, load the dataset, split it and write the parts' stores.

    Raises:
        GenobenchError: If a name, a setting, the data or the split is wrong; nothing has been fitted then.
    """
    generators = _find_generators(plan, registry)
    metrics = _find_metrics(plan, registry)
    objective = _find_objective(plan.objective, metrics) if plan.trials else None
    budget = Budget.parse(plan.budget) if plan.budget else None
    device = _device_of(plan.device, budget)
    for entry, generator in generators:
        _check_sharing(entry, generator, plan.n_devices)
    check_n_devices(device, plan.n_devices, asked=plan.device)
    on_event({"event": "stage", "stage": "load", "dataset": plan.dataset})
    dataset = open_dataset(plan.dataset, registry)
    trait = dataset.card.trait(plan.trait)
    split = _split(dataset, plan, trait=trait, home=home, on_event=on_event)
    folder = parts_folder(home, dataset_sha256=dataset.sha256, split_sha256=split.sha256)
    parts = StoredParts(dataset.genotypes, split, folder)
    return Prepared(
        plan=plan,
        registry=registry,
        home=home,
        dataset=dataset,
        split=split,
        trait=trait,
        parts=parts,
        device=device,
        budget="" if budget is None else budget.name,
        generators=generators,
        metrics=metrics,
        objective=objective,
    )


def _find_generators(plan: Plan, registry: Registry) -> tuple[tuple[Registered, Generator], ...]:
    """Each generator of a plan with its settings, which can be written as JSON."""
    entries = [registry.find("generator", wanted.name) for wanted in plan.generators]
    generators = tuple(
        (entry, with_settings(load_target("generator", entry), wanted.settings))
        for entry, wanted in zip(entries, plan.generators, strict=True)
    )
    for entry, generator in generators:
        settings_json(generator)
        if check := _OUTSIDE.get(entry.qualified_name):
            check(generator)
    return generators


def _find_metrics(plan: Plan, registry: Registry) -> tuple[Registered, ...]:
    """The metrics of a plan, whose scores have names of their own."""
    metrics = (
        tuple(registry.find("metric", name) for name in plan.metrics)
        if plan.metrics is not None
        else tuple(entry for entry in registry.offers("metric") if not _is_on_request(entry))
    )
    check_score_names(metrics)
    return metrics


def _split(dataset: OpenDataset, plan: Plan, *, trait: Trait, home: Path, on_event: OnEvent) -> Split:
    genotypes = dataset.genotypes
    on_event({"event": "stage", "stage": "split", "n_samples": genotypes.n_samples, "n_variants": genotypes.n_variants})
    split = load_or_make_split(
        genotypes,
        dataset_sha256=dataset.sha256,
        folder=home / "splits",
        trait=trait,
        birth_column=dataset.card.birth_column,
        scheme=plan.split,
        column=plan.split_column,
        seed=plan.split_seed,
    )
    on_event({"event": "split", **split.facts, "notes": split.notes, "largest_kinship_pair": split.largest_kinship_pair})
    return split


def check_score_names(metrics: tuple[Registered, ...]) -> None:
    """Raise DuplicateNameError if two metrics give a score of one name; one that cannot be loaded costs only its own scores, later."""
    givers: dict[str, str] = {}
    for entry in metrics:
        for name in _score_names(entry):
            other = givers.setdefault(name, entry.qualified_name)
            if other != entry.qualified_name:
                raise DuplicateNameError(
                    f"The score '{name}' is given by {other} and by {entry.qualified_name}. Name the metrics to use with --metric, or "
                    "uninstall one of the two."
                )


def _is_on_request(entry: Registered) -> bool:
    try:
        return bool(load_target("metric", entry).is_on_request)
    except Exception:  # noqa: BLE001 - the plugin boundary: the scoring worker meets the same error and records it
        return False


def _score_names(entry: Registered) -> tuple[str, ...]:
    try:
        return tuple(spec.name for spec in load_target("metric", entry).scores)
    except Exception:  # noqa: BLE001 - the plugin boundary: the scoring worker meets the same error and records it
        return ()


def _find_objective(score: str, metrics: tuple[Registered, ...]) -> tuple[Registered, Objective]:
    names: list[str] = []
    for entry in metrics:
        given = _score_names(entry)
        if score in given:
            spec = next(spec for spec in load_target("metric", entry).scores if spec.name == score)
            return entry, Objective(score=score, direction=spec.direction, ideal=spec.ideal)
        names.extend(given)
    raise UnknownNameError(f"There is no score '{score}' to tune for; the installed metrics give: {', '.join(sorted(names))}.")


def _check_sharing(entry: Registered, generator: Generator, n_devices: int) -> None:
    """Raise GenobenchError where a generator cannot share a fit among so many devices."""
    try:
        generator.check_devices(n_devices)
    except GenobenchError as error:
        raise GenobenchError(f"{entry.qualified_name} cannot be fitted so: {error}") from error


def _device_of(device: str, budget: Budget | None) -> str:
    if budget is not None:
        wanted = "cuda" if budget.kind == "gpu" else "cpu"
        if device == "auto":
            device = wanted
        elif device.partition(":")[0] != wanted:
            raise GenobenchError(f"A budget of {budget} is for the device {wanted}, and {device} was asked for.")
    return resolve_device(device)
