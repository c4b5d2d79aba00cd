"""What a sampler generates, held to its contract; more of it from the sampler that a finished cell keeps."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.calls import MISSING
from genobench.cells import Cell, find_cell
from genobench.conditions import draw_condition, first_departure
from genobench.containment import run_worker
from genobench.contracts import Trait
from genobench.errors import CellError, ContractError, DatasetError, GenobenchError
from genobench.genotypes import VARIANT_COLUMNS, Genotypes
from genobench.splitting import parts_folder
from genobench.storage import files_sha256, is_store, read_store
from genobench.worker import Job

if TYPE_CHECKING:
    import pandas as pd

    from genobench.containment import Ending
    from genobench.events import OnEvent
    from genobench.registry import Registry

_WITH_TRAITS_OF_ITS_OWN: Final = "genobench/file"
"""A ready set whose samples have their traits, in whatever rows: nobody learnt what was asked for."""


def check_synthetic(synthetic: Genotypes, train: Genotypes, *, condition: pd.DataFrame, generator: str) -> None:
    """Hold synthetic samples to the contract of `Sampler.generate`.

    Args:
        synthetic: What was generated.
        train: The training samples.
        condition: What was asked for, a row a sample.
        generator: Its qualified name.

    Raises:
        ContractError: If their number, their variants, their calls, or their traits and covariates are not what was asked for. A sample
            may have the traits and covariates of a training sample instead: that of a generator which hands those out.
    """
    n_samples = len(condition)
    if synthetic.calls.shape != (n_samples, train.n_variants):
        raise ContractError(
            f"{generator} generated calls of shape {synthetic.calls.shape}; {(n_samples, train.n_variants)} were asked for."
        )
    for column in VARIANT_COLUMNS:
        if not synthetic.variants[column].equals(train.variants[column]):
            raise ContractError(f"{generator} generated variants whose column '{column}' differs from the training variants.")
    for start in range(0, n_samples, 256):
        is_missing = synthetic.calls.rows(slice(start, start + 256)) == MISSING
        if is_missing.any():
            row, variant = (int(place) for place in np.argwhere(is_missing)[0])
            raise ContractError(
                f"{generator} left the call of sample {start + row} at variant {variant} missing; every call must be 0, 1 or 2."
            )
    own = synthetic.samples if generator == _WITH_TRAITS_OF_ITS_OWN else train.samples
    if departure := first_departure(synthetic.samples, condition, own):
        raise ContractError(f"{generator} broke the rule that what was asked for stands in the sample table: {departure}")


def generate_from_cell(cell_id: str, *, n_samples: int, seed: int, home: Path, registry: Registry, on_event: OnEvent) -> Genotypes:
    """Synthetic samples from the model that a finished cell holds.

    Args:
        cell_id: The cell, or the beginning of its id.
        n_samples: How many.
        seed: Of the samples; the cell's own synthetic samples have the cell's seed.
        home: Where the cell is.
        registry: To find the generator.
        on_event: Called with progress.

    Returns:
        Genotypes in memory.

    Raises:
        CellError: If there is no such cell, its fit did not end well, its sampler is damaged, or generating fails.
    """
    cell = find_cell(home, cell_id)
    if cell.result is None or cell.result.status != "ok":
        state = "not finished" if cell.result is None else cell.result.status
        raise CellError(f"The cell {cell.folder.name} holds no model: its fit is {state}.")
    stored = parts_folder(home, dataset_sha256=cell.key.dataset_sha256, split_sha256=cell.key.split_sha256) / "train"
    trait = Trait.from_json(_fitted_job(cell).trait)
    if not is_store(stored):
        raise CellError(f"The training samples of cell {cell.folder.name} are gone from {stored}; run its command again.")
    train = read_store(stored)
    target = registry.find("generator", cell.key.generator).target
    with tempfile.TemporaryDirectory(dir=cell.folder) as folder:
        store = Path(folder) / "synthetic"
        condition = draw_condition(train.samples, trait, n_samples=n_samples, seed=seed)
        ending = generate_store(
            cell, store, train=train, condition=condition, target=target, seed=seed, limits=(None, None), on_event=on_event
        )
        if ending.status != "ok":
            raise CellError(
                f"The cell {cell.folder.name} did not generate ({ending.status} in {ending.phase}): {ending.message}. Log: {cell.log}"
            )
        genotypes = read_store(store)
        return genotypes.take_samples(np.arange(genotypes.n_samples))


def generate_store(
    cell: Cell,
    store: Path,
    *,
    train: Genotypes,
    condition: pd.DataFrame,
    target: str,
    seed: int,
    limits: tuple[float | None, float | None],
    on_event: OnEvent,
) -> Ending:
    """Write a store of synthetic samples from the model that a finished cell holds; a worker generates them.

    The model's files must be those that the fit wrote, and what is generated is held to the contract.

    Args:
        cell: The cell.
        store: Where they go.
        train: The training samples.
        condition: What the samples are asked to be, a row each.
        target: "module:Class" of the generator.
        seed: Of the samples.
        limits: Seconds that each phase may take, on the clock and of processor time; None: no limit.
        on_event: Called with progress.

    Returns:
        How it ended; the samples are there if its status is `ok`, and break the contract if it is `invalid-output`.

    Raises:
        CellError: If the cell's job cannot be read, or its model is damaged.
    """
    fitted = _fitted_job(cell)
    _check_model(cell)
    with tempfile.TemporaryDirectory(dir=cell.folder) as folder:
        asked = Path(folder) / "condition.parquet"
        condition.to_parquet(asked, index=False)
        job = dataclasses.replace(
            fitted,
            target=target,
            generate_seed=seed,
            n_samples=len(condition),
            train="",
            validation="",
            condition=str(asked),
            model=str(cell.model),
            synthetic=str(store),
        ).write(Path(folder) / "job.json")
        seconds, processor_seconds = limits
        ending = run_worker(
            "genobench.worker",
            job,
            log=cell.log,
            seconds_per_phase=seconds,
            processor_seconds_per_phase=processor_seconds,
            on_event=lambda event: on_event({**event, "task": "fit"}),
        )
    if ending.status != "ok":
        return ending
    try:
        check_synthetic(read_store(store), train, condition=condition, generator=cell.key.generator)
    except GenobenchError as error:
        return dataclasses.replace(ending, status="invalid-output", phase="check", message=str(error))
    return ending


def _check_model(cell: Cell) -> None:
    """Raise CellError where a file of the saved sampler is not what the fit wrote; of older cells it is not known what they wrote."""
    written = {} if cell.result is None else cell.result.model_sha256
    found = files_sha256(cell.model)
    for name, digest in written.items():
        if found.get(name) != digest:
            what = "is not what the fit wrote" if name in found else "is gone"
            raise CellError(
                f"The saved sampler of cell {cell.folder.name} is damaged: {cell.model / name} {what}. Remove the folder {cell.folder} and "
                "run the cell again."
            )


def _fitted_job(cell: Cell) -> Job:
    """What the worker that fitted a cell was asked to do.

    Raises:
        CellError: If the file that says so is damaged.
    """
    try:
        fitted = Job.read(cell.job)
        Trait.from_json(fitted.trait)
    except (OSError, ValueError, TypeError, KeyError, DatasetError) as error:
        raise CellError(f"{cell.job} is damaged ({error}); remove the folder {cell.folder} and run the cell again.") from error
    return fitted
