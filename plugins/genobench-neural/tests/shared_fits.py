"""What the processes of tests/test_several_devices.py fit: they import it by name, as they cannot a test module."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genobench import FitContext, Generator, GenobenchError, Genotypes, Sampler, SettingsError
from genobench_neural import training
from genobench_neural.batches import RowOrder
from genobench_neural.component_scores.diffusion import DiffusionTask
from genobench_neural.ctgan import Ctgan
from genobench_neural.diffusion import Diffusion
from genobench_neural.gan import Gan
from genobench_neural.optimising import WeightAverage, adam
from genobench_neural.ranks import ranks_of
from genobench_neural.rbm import Rbm
from genobench_neural.several_devices import check_sharing, fit_on_devices
from genobench_neural.shared_parts import _WEIGHTS, _tensors
from genobench_neural.tasks import StatefulTask
from genobench_neural.vae import Vae
from genobench_neural.wgan import Wgan

if TYPE_CHECKING:
    from pathlib import Path

N_SAMPLES, N_COLUMNS, N_STEPS, RATE, BATCH = 12, 3, 40, 0.1, 8


def regression() -> tuple[np.ndarray, np.ndarray]:
    """Rows and values to regress, in float32."""
    random = np.random.default_rng(5)
    return random.normal(size=(N_SAMPLES, N_COLUMNS)).astype(np.float32), random.normal(size=N_SAMPLES).astype(np.float32)


class Descent(StatefulTask):
    """Least squares by plain descent on all samples, without noise: half the samples on each of two devices."""

    def __init__(self, context: FitContext, batch_size: int = N_SAMPLES) -> None:
        self.ranks = ranks_of(context)
        self.x, self.y = (torch.from_numpy(part) for part in regression())
        self.random = torch.Generator().manual_seed(context.seed)
        self.rows = RowOrder(N_SAMPLES, batch_size, self.random, self.ranks)
        self.network = torch.nn.Linear(N_COLUMNS, 1, bias=False)
        # The weights of the first are those that all begin with.
        torch.nn.init.constant_(self.network.weight, self.ranks.number)
        self.seen: list[list[int]] = []
        self.noise: list[float] = []
        self.optimiser = self.begun_optimiser()
        self.parts: dict[str, Any] = {
            "network": self.network,
            "optimiser": self.optimiser,
            "rows": self.rows,
            "random": self.random,
        }

    def begun_optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), lr=RATE)

    def squares(self, rows: torch.Tensor) -> torch.Tensor:
        predicted: torch.Tensor = self.network(self.x[rows])[:, 0]
        return (predicted - self.y[rows]).square()

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        return self.squares(rows).mean()

    def step(self, index: int) -> dict[str, torch.Tensor]:  # noqa: ARG002 - tasks that fail look at it
        rows = next(self.rows)
        self.seen.append(rows.tolist())
        loss = self.loss(rows)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.detach()}


class SummedDescent(Descent):
    """The same, of a loss that is a sum over samples."""

    is_loss_summed = True

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        return self.squares(rows).sum() / N_SAMPLES


class NoisyDescent(Descent):
    """Batches, noise, Adam, an average of the weights, validation; what one device does to the fit is in its settings."""

    def __init__(self, context: FitContext, fails: str) -> None:
        super().__init__(context, BATCH)
        self.fails = fails
        self.average = WeightAverage(self.network.parameters(), 0.9)
        self.parts |= {"average": self.average}

    def begun_optimiser(self) -> torch.optim.Optimizer:
        return adam(self.network.parameters(), learning_rate=RATE)

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(len(rows), generator=self.random)
        self.noise.append(float(noise[0]))
        return (self.squares(rows) * (1 + 0.5 * noise)).mean()

    def step(self, index: int) -> dict[str, torch.Tensor]:
        if self.ranks.number == 1:
            if self.fails == "by an error" and index == 15:
                raise SettingsError("Device 1 has had enough of it.")
            if self.fails == "by a kill" and index == 25:
                os.kill(os.getpid(), signal.SIGKILL)
        losses = super().step(index)
        self.average.update()
        is_nan = self.fails == "by NaN" and self.ranks.number == 1 and index == 29
        return {"loss": torch.tensor(math.nan)} if is_nan else losses

    @torch.no_grad()
    def validation_loss(self) -> float:
        assert self.ranks.is_first, "only the first device is asked"
        return float(self.squares(torch.arange(N_SAMPLES)).sum())


@dataclass(frozen=True)
class Weights(Sampler):
    """What was fitted."""

    weights: np.ndarray

    def generate(self, n_samples: int, *, seed: int, condition: Any = None) -> Genotypes:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)


@dataclass(frozen=True)
class Regressions(Generator):
    """All three, one after the other; each process leaves what it has in the folder of the fit."""

    fails: str = ""

    def check_devices(self, n_devices: int) -> None:
        check_sharing(n_devices, BATCH)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        save_always()
        for stage, task in {"mean": Descent(context), "sum": SummedDescent(context)}.items():
            run_and_tell(task, context, stage)
        return run_and_tell(NoisyDescent(context, self.fails), context, "noisy")

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        return Weights(np.load(folder / "weights.npy"))


def run_and_tell(task: Descent, context: FitContext, stage: str) -> Weights:
    """Train, and leave what there is in the folder of the fit."""
    training.run(task, N_STEPS, context, identity="a", stage=stage, check_every=10 if stage == "noisy" else None)
    weights = {"weights": task.network.weight.detach().numpy()[0]}
    if isinstance(task, NoisyDescent):
        weights |= {"average": task.average.state_dict()["averages"][0].numpy()[0]}
    np.savez(context.folder / f"{stage}-{task.ranks.number}.npz", seen=np.array(task.seen), noise=np.array(task.noise), **weights)
    return Weights(weights["weights"])


def save_always() -> None:
    """Write a checkpoint and report whenever the loop may."""
    training.CHECKPOINT_SECONDS, training._SHARE_OF_WRITING, training._REPORT_EVERY_SECONDS = 0.0, math.inf, 0.0  # type: ignore[misc] # in a process of its own


SMALL_DUEL = {"max_epochs": 2, "batch_size": 8, "block_size": 8, "n_clusters": 4, "n_rounds": 2, "n_shared": 2, "width": 8, "n_hidden": 4}
SUBJECTS: dict[str, Generator] = {
    "gan": Gan(**SMALL_DUEL),  # type: ignore[arg-type] # all of these are whole numbers
    "wgan": Wgan(n_critic=2, **SMALL_DUEL),  # type: ignore[arg-type] # likewise
    "vae": Vae(max_epochs=2, batch_size=8, n_latent=2, n_window=4, width=8),
    "diffusion": Diffusion(max_epochs=2, batch_size=8, widths=(8, 8, 8), n_timesteps=10, n_sampling_steps=2),
    "published gan": Gan(preset="cow-chr14", max_epochs=2, batch_size=8),
    "published wgan": Wgan(preset="human-ensembl", max_epochs=2, batch_size=8),
    "published vae": Vae(preset="cow-chr14", max_epochs=2, batch_size=8),
    "published diffusion": Diffusion(preset="cow-all", max_epochs=2, batch_size=8, widths=(8, 8, 8), n_timesteps=10),
    "ctgan": Ctgan(max_epochs=2, batch_size=8, pac=2, n_noise=4, n_hidden=8, n_embedding=2),
    "rbm": Rbm(max_epochs=2, batch_size=8, block_size=8, n_local=4, n_global=2, n_sweeps=2),
}


@dataclass(frozen=True)
class AllOfThem(Regressions):
    """The regressions, one that met a NaN, and every generator that devices may share; each process leaves what it ends with."""

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        sampler = super().fit(train, context)
        if context.n_devices == 1:
            go_on_after_nan(in_folder(context, "NaN"))
            fit_subjects(train, context)
            gradients(train, in_folder(context, "gradients"))
        return sampler


def in_folder(context: FitContext, name: str) -> FitContext:
    """The context of a fit in a folder of its own, which nobody is told of."""
    (context.folder / name).mkdir(exist_ok=True)
    return dataclasses.replace(context, folder=context.folder / name, report=lambda _step, _losses: None)


def go_on_after_nan(context: FitContext) -> None:
    """Let the second process meet a NaN, note what each raises, and run the fit again."""
    try:
        run_and_tell(NoisyDescent(context, "by NaN"), context, "noisy")
    except GenobenchError as error:
        (context.folder / f"error-{ranks_of(context).number}").write_text(str(error))
    run_and_tell(NoisyDescent(context, ""), context, "noisy")


def fit_subjects(train: Genotypes, context: FitContext) -> None:
    """Fit all generators; each process leaves a digest of the weights it ends with, and of what it learned them from."""
    finish, eigh, ranks = training._Loop.finish, torch.linalg.eigh, ranks_of(context)

    def finish_and_tell(loop: training._Loop) -> training.Finished:
        finished = finish(loop)
        tensors = [tensor for part in loop._parts.values() if isinstance(part, _WEIGHTS) for tensor in learned(part)]
        if isinstance(loop.task, DiffusionTask):
            tensors.append(loop.task.x_0)
        digest = hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()
        (loop.context.folder / f"weights-{ranks.number}").write_text(f"{finished.n_steps} {digest}")
        return finished

    def other_sign(matrix: torch.Tensor) -> Any:
        values, vectors = eigh(matrix)
        return torch.return_types.linalg_eigh((values, vectors if ranks.is_first else -vectors))  # type: ignore[attr-defined] # torch hides it

    training._Loop.finish = finish_and_tell  # type: ignore[method-assign, assignment] # put back below
    torch.linalg.eigh = other_sign  # as a GPU of another kind may find
    try:
        for name, subject in SUBJECTS.items():
            subject.fit(train, in_folder(context, name))
    finally:
        training._Loop.finish, torch.linalg.eigh = finish, eigh  # type: ignore[method-assign]


def learned(part: Any) -> list[torch.Tensor]:
    """The numbers that optimisers change: statistics of batches are each device's own."""
    return list(part.parameters()) if isinstance(part, torch.nn.Module) else _tensors(part.state_dict())


def gradients(train: Genotypes, context: FitContext) -> dict[str, float]:
    """Norm of the gradient at the first update of autoencoders on all samples, without the noise of their latents, by name.

    Adam keeps (1 - .9) of it; a step itself hardly hangs on its length.
    """
    norms: dict[str, float] = {}
    finish, randn = training._Loop.finish, torch.randn

    def look(loop: training._Loop) -> training.Finished:
        state = loop._parts["optimiser"].state_dict()["state"]
        norms["vae"] = math.sqrt(sum(float(one["exp_avg"].double().square().sum()) for one in state.values())) / 0.1
        return finish(loop)

    training._Loop.finish, torch.randn = look, lambda *shape, **_given: torch.zeros(*shape)  # type: ignore[method-assign, assignment] # put back below
    try:
        n_samples = train.n_samples
        Vae(training_calls=n_samples * train.n_variants, batch_size=n_samples, n_latent=2, n_window=4, width=8).fit(train, context)
    finally:
        training._Loop.finish, torch.randn = finish, randn  # type: ignore[method-assign]
    if ranks_of(context).is_first:
        (context.folder / "norm").write_text(repr(norms["vae"]))
    return norms
