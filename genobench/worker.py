"""What runs in the worker process of a cell: load → fit → save → generate → write, then report.

`python -m genobench.worker JOB.json`. The worker is handed the stores of train and validation and a condition table, and nothing else.
It is no sandbox: the stores of holdout and nonmembers lie beside those, and a plugin that looks for them finds them; what it changes in any
is seen and undone (`genobench.fitting`). It speaks through `genobench.events`; its stderr is the cell's log.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from genobench.contracts import FitContext, Sampler, Trait
from genobench.errors import ContractError
from genobench.events import Events, end_with_parent, message_of, peak_memory_bytes, processor_seconds
from genobench.genotypes import Genotypes
from genobench.home import NO_ROOM
from genobench.settings import with_settings
from genobench.storage import read_store, write_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from genobench.outcomes import Status

_OUT_OF_MEMORY: Final = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory", "Unable to allocate")
"""What PyTorch (CUDA twice, CPU) and numpy say, in this order; they do not all raise MemoryError."""


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do, as JSON.

    Args:
        target: "module:Class" of the generator.
        settings: Its settings.
        trait: The trait, as its fields.
        seed: Of the fit; what is generated takes `generate_seed`.
        generate_seed: Of the synthetic samples.
        device: `cpu`, `cuda`, ...
        time_limit_seconds: For the plugin to know; the parent enforces it.
        n_samples: How many synthetic samples.
        train: Store of the training part; "" to generate from a saved model.
        validation: Store of the validation part; "" for none.
        condition: Parquet file of the condition; "" for none.
        checkpoints: The fit's own folder.
        model: Where the sampler is saved (or, without `train`, read).
        synthetic: The store to write.
        n_devices: Devices that share the fit.
    """

    target: str
    settings: Mapping[str, Any]
    trait: Mapping[str, Any]
    seed: int
    generate_seed: int
    device: str
    time_limit_seconds: float | None
    n_samples: int
    train: str
    validation: str
    condition: str
    checkpoints: str
    model: str
    synthetic: str
    n_devices: int = 1

    def write(self, path: Path) -> Path:
        """Write the job as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The reverse of `write`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass
class _Clock:
    events: Events
    phase: str = "start"
    timings: dict[str, float] = field(default_factory=dict)
    processor_seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        self.phase = phase
        self.events.phase(phase)
        begin, used = time.perf_counter(), processor_seconds()
        try:
            yield
        finally:
            self.timings[phase] = round(time.perf_counter() - begin, 3)
            self.processor_seconds[phase] = round(processor_seconds() - used, 3)


def run_job(job: Job, events: Events, clock: _Clock) -> None:
    """Fit (or load), generate, write.

    Raises:
        ContractError: If the plugin hands back what its contract does not allow.
        Exception: Whatever the plugin raises.
    """
    with clock.during("load"):
        module, _, name = job.target.partition(":")
        generator_class = getattr(import_module(module), name)
        condition = _read_condition(job.condition)
        train = read_store(Path(job.train)) if job.train else None
        validation = read_store(Path(job.validation)) if job.validation else None
        sampler: Any = generator_class.load(Path(job.model)) if train is None else None
    if train is not None:
        context = FitContext(
            trait=Trait.from_json(job.trait),
            seed=job.seed,
            device=job.device,
            folder=Path(job.checkpoints),
            validation=validation,
            time_limit_seconds=job.time_limit_seconds,
            n_devices=job.n_devices,
            report=events.step,
        )
        context.folder.mkdir(parents=True, exist_ok=True)
        with clock.during("fit"):
            sampler = with_settings(generator_class, job.settings).fit(train, context)
            if not isinstance(sampler, Sampler):
                raise ContractError(f"{job.target}.fit returned {type(sampler).__name__}; it must return a genobench.Sampler.")
        with clock.during("save"):
            Path(job.model).mkdir(parents=True, exist_ok=True)
            sampler.save(Path(job.model))
            if not Path(job.model).is_dir() or not any(Path(job.model).iterdir()):
                raise ContractError(f"{job.target}: the sampler's save wrote nothing; it must write all that load needs.")
    with clock.during("generate"):
        synthetic = sampler.generate(job.n_samples, seed=job.generate_seed, condition=condition)
        if not isinstance(synthetic, Genotypes):
            raise ContractError(f"{job.target}: generate returned {type(synthetic).__name__}; it must return genobench.Genotypes.")
    with clock.during("write"):
        write_store(synthetic, Path(job.synthetic))


def _read_condition(path: str) -> pd.DataFrame | None:
    if not path:
        return None
    import pandas as pd

    return pd.read_parquet(path)


def _status_of(error: BaseException) -> Status:
    """The status that an exception stands for; a full disk is nobody's fault, so the cell is left to be run again.

    A plugin may say in its own words that memory ran out, and what to do; then the error that it met is the cause of its own.
    """
    if any(isinstance(one, MemoryError) or any(text in str(one) for text in _OUT_OF_MEMORY) for one in (error, error.__cause__)):
        return "out-of-memory"
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return "preempted"
    return "invalid-output" if isinstance(error, ContractError) else "failed"


def _peak_gpu_memory_bytes(job: Job) -> int | None:
    """Of this process; None on the CPU, and of several GPUs, which are other processes' own."""
    if not job.device.startswith("cuda") or job.n_devices > 1:
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(job.device)) if torch.cuda.is_available() else None


def main(arguments: list[str]) -> int:
    """Run the job in `arguments[0]`; the exit code is 0 when it is done, 1 when it failed (an event says how)."""
    events = Events.take_stdout()
    end_with_parent()
    # A signal from outside ends the process at once, so that a KeyboardInterrupt is the plugin's own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    job = Job.read(Path(arguments[0]))
    clock = _Clock(events)
    try:
        run_job(job, events, clock)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the plugin boundary: a plugin may raise anything
        traceback.print_exc()
        status, phase, message = _status_of(error), clock.phase, message_of(error)
    else:
        status, phase, message = "ok", "done", ""
    events.send(
        "end",
        status=status,
        phase=phase,
        message=message,
        timings=clock.timings,
        processor_seconds=clock.processor_seconds,
        peak_memory_bytes=peak_memory_bytes(),
        peak_gpu_memory_bytes=_peak_gpu_memory_bytes(job),
    )
    return 0 if status == "ok" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
