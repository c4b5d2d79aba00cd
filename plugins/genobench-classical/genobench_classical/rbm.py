"""A conditional restricted Boltzmann machine of genotypes with local and genome-wide hidden units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from genobench import MISSING, FitContext, Generator, GenobenchError, Genotypes, PackedCalls, Sampler, SettingsError, Trial
from genobench.statgen import BlockLayout, genotype_counts
from genobench_classical.boltzmann import Boltzmann, Size
from genobench_classical.conditioning import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

_CALLS_PER_CHUNK: Final = 1 << 22
_REPORTED_EVERY: Final = 20
_MOST_CHAINS_RENEWED: Final = 16

_LOWEST: Final = {
    "training_calls": 0,
    "max_epochs": 0,
    "batch_size": 1,
    "block_size": 4,
    "n_local": 0,
    "n_global": 1,
    "n_sweeps": 1,
}


@dataclass(frozen=True)
class Rbm(Generator):
    """Restricted Boltzmann machine, trained by persistent contrastive divergence.

    A visible unit is a call of three states with a bias each; hidden units are -1 or 1 and push the standardised call up or down. There
    are genome-wide hidden units, and local ones that see two neighbouring blocks of a chromosome: linkage is mostly local, and a machine
    whose hidden units all see every variant spends its weights on pairs that have nothing in common. With n_local = 0 it is the dense
    machine of Yelmen et al., on unphased calls instead of haplotypes.

    The condition (quantitative columns, and classes as indicators) pushes calls and hidden units linearly. Samples are drawn by block
    Gibbs chains that begin at independent calls of the genotype shares, while the weights rise from 0 to their full size over the first
    half of the sweeps; no chain begins at a training sample. A missing call is left out: it pushes no hidden unit.

    Args:
        training_calls: Calls that training sees, which fixes the number of steps: training_calls / (n_variants * batch_size).
        max_epochs: The most often that a sample is seen, however few calls there are.
        batch_size: Samples a step, and persistent chains.
        block_size: The most variants in a block.
        n_local: Hidden units for each block (which see the next block, too).
        n_global: Hidden units that see all variants.
        learning_rate: Of Adam, falling to 0 along a line.
        weight_decay: Of all weights between units, by step and unit of learning rate.
        n_sweeps: Gibbs sweeps of a sample that is generated.
        is_bf16: Whether matrix products run in bfloat16.

    References:
        Yelmen B. et al. 2021. Creating artificial human genomes using generative neural networks. PLoS Genetics 17: e1009303.
        https://doi.org/10.1371/journal.pgen.1009303 ; Tieleman T. 2008. Training restricted Boltzmann machines using approximations to the
        likelihood gradient. ICML. https://doi.org/10.1145/1390156.1390290 ; Hinton G.E. 2002. Training products of experts by minimizing
        contrastive divergence. Neural Computation 14: 1771-1800. https://doi.org/10.1162/089976602760128018
    """

    training_calls: int = 1_000_000_000
    max_epochs: int = 400
    batch_size: int = 128
    block_size: int = 32
    n_local: int = 32
    n_global: int = 16
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    n_sweeps: int = 60
    is_bf16: bool = True

    def __post_init__(self) -> None:
        for name, low in _LOWEST.items():
            if not getattr(self, name) >= low:
                raise SettingsError(f"rbm: {name} is {getattr(self, name)}; it must be at least {low}.")
        if not self.learning_rate > 0:
            raise SettingsError(f"rbm: learning_rate is {self.learning_rate}; it must be above 0.")
        if not self.weight_decay >= 0:
            raise SettingsError(f"rbm: weight_decay is {self.weight_decay}; it must not be negative.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Rate, decay and hidden units, around the defaults."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-4, 0.1, log=True),
            n_local=trial.suggest_categorical("n_local", [16, 32, 64]),
            n_global=trial.suggest_categorical("n_global", [16, 64, 128]),
        )

    def steps(self, n_samples: int, n_variants: int) -> int:
        """Updates: as many as `training_calls` and `max_epochs` allow, the same for the same settings and data."""
        return math.ceil(min(self.training_calls / n_variants, self.max_epochs * n_samples) / self.batch_size)

    def fit(self, train: Genotypes, context: FitContext) -> RbmSampler:
        """Learn from training samples."""
        frame = Frame.of_training(train, context.trait)
        device = _checked_device(context.device)
        random = torch.Generator(device).manual_seed(context.seed)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        size = Size(layout.n_blocks, layout.block_size, frame.encoder.width, self.n_local, self.n_global)
        machine = Boltzmann.begun(size, _placed_shares(train, layout), torch.from_numpy(layout.is_followed), random)
        condition = torch.from_numpy(frame.encoder.encode(train.samples)).to(device)
        self._train(machine, _PlacedCalls(train, layout, device), condition, random, context)
        return RbmSampler(frame=frame, layout=layout, machine=machine.to("cpu"), n_sweeps=self.n_sweeps, is_bf16=self.is_bf16)

    def _train(
        self, machine: Boltzmann, calls: _PlacedCalls, condition: torch.Tensor, random: torch.Generator, context: FitContext
    ) -> None:
        n_steps = self.steps(len(condition), calls.n_variants)
        batches = _batches(len(condition), self.batch_size, random)
        chain_rows = next(batches)
        chains = machine.independent_calls(len(chain_rows), random)
        weights = machine.weights()
        optimiser = torch.optim.Adam(list(weights.values()), lr=self.learning_rate, betas=(0.5, 0.99))
        for step in range(1, n_steps + 1):
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate * (1 - (step - 1) / n_steps)
            rows = next(batches)
            # A few chains take another sample's condition at each step, so that the others stay near their equilibrium.
            place = (step * _MOST_CHAINS_RENEWED) % self.batch_size
            chain_rows[place : place + _MOST_CHAINS_RENEWED] = rows[place : place + _MOST_CHAINS_RENEWED]
            with torch.no_grad(), self._autocast(condition.device):
                seen = machine.standardised(calls.codes(rows))
                hidden = machine.hidden_means(seen, condition[rows])
                chains = machine.sweep(chains, condition[chain_rows], random)
                dreamt = machine.standardised(chains)
                gradients = machine.gradients(
                    (seen, hidden, condition[rows]),
                    (dreamt, machine.hidden_means(dreamt, condition[chain_rows]), condition[chain_rows]),
                    chains,
                )
            for name, weight in weights.items():
                decay = self.weight_decay * weight if name in machine.between_units else 0
                weight.grad = decay - gradients[name].float()
            optimiser.step()
            if step % _REPORTED_EVERY == 0 or step == n_steps:
                _report(machine, seen, condition[rows], step, n_steps, context)

    def _autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.is_bf16)

    @classmethod
    def load(cls, folder: Path) -> RbmSampler:
        """The sampler that was saved in `folder`."""
        frame, description = Frame.load(folder)
        try:
            tensors = load_file(folder / "machine.safetensors")
        except OSError as error:
            raise GenobenchError(f"The folder {folder} holds no whole sampler: {error}") from error
        layout = BlockLayout(variant_at=tensors.pop("variant_at").numpy(), is_followed=tensors["is_followed"].numpy())
        return RbmSampler(
            frame=frame,
            layout=layout,
            machine=Boltzmann(**tensors),
            n_sweeps=int(description["n_sweeps"]),
            is_bf16=bool(description["is_bf16"]),
        )


@dataclass(frozen=True, eq=False)
class RbmSampler(Sampler):
    """Draws genotypes by Gibbs chains, on the CPU.

    Args:
        frame: Conditions and variants.
        layout: Where variants lie.
        machine: The weights.
        n_sweeps: Sweeps of each chain.
        is_bf16: Whether matrix products run in bfloat16.
    """

    frame: Frame
    layout: BlockLayout
    machine: Boltzmann
    n_sweeps: int
    is_bf16: bool

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training."""
        table = self.frame.table(n_samples, condition, seed=seed)
        encoded = torch.from_numpy(self.frame.encoder.encode(table))
        random = torch.Generator().manual_seed(seed)
        packed = self.frame.packed_rows(n_samples)
        n_rows = max(1, _CALLS_PER_CHUNK // self.layout.variant_at.size)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.is_bf16):
            for start in range(0, n_samples, n_rows):
                part = encoded[start : start + n_rows]
                calls = self.machine.independent_calls(len(part), random)
                for sweep in range(self.n_sweeps):
                    strength = min(1.0, 2 * (sweep + 1) / self.n_sweeps)
                    calls = self.machine.sweep(calls, part, random, strength=strength)
                flat = calls.transpose(0, 1).reshape(len(part), -1).numpy()[:, self.layout.place_of]
                packed[start : start + n_rows] = PackedCalls.from_calls(flat.astype(np.int8)).packed
        return self.frame.genotypes(packed, table)

    def save(self, folder: Path) -> None:
        """Weights and places as safetensors, tables as Parquet and JSON."""
        self.frame.save(folder, n_sweeps=self.n_sweeps, is_bf16=self.is_bf16)
        tensors = {name: tensor.detach().contiguous() for name, tensor in self.machine.tensors().items()}
        save_file({**tensors, "variant_at": torch.from_numpy(self.layout.variant_at)}, folder / "machine.safetensors")


@dataclass(frozen=True, eq=False)
class _PlacedCalls:
    """Training calls, decoded by batch at the places of the layout."""

    train: Genotypes
    layout: BlockLayout
    device: torch.device

    @property
    def n_variants(self) -> int:
        return self.train.n_variants

    def codes(self, rows: torch.Tensor) -> torch.Tensor:
        """Calls, MISSING at padding, int8, shape (n_blocks, n_rows, block_size)."""
        calls = self.train.calls.rows(rows.cpu().numpy())
        places = np.full((len(calls), self.layout.variant_at.size), MISSING, dtype=np.int8)
        places[:, self.layout.place_of] = calls
        blocks = torch.from_numpy(places).to(self.device).view(len(calls), self.layout.n_blocks, -1)
        return blocks.transpose(0, 1)


def _placed_shares(train: Genotypes, layout: BlockLayout) -> NDArray[np.float32]:
    """Shares of 0, 1 and 2 ALT alleles, shape (3, n_blocks, block_size); padding and variants without a call are always 0."""
    counts = genotype_counts(train.calls).astype(np.float64)
    counts[0, counts.sum(axis=0) == 0] = 1
    shares = np.zeros((3, layout.variant_at.size), dtype=np.float32)
    shares[0] = 1
    shares[:, layout.place_of] = counts / counts.sum(axis=0)
    return shares.reshape(3, layout.n_blocks, layout.block_size)


def _batches(n_samples: int, batch_size: int, random: torch.Generator) -> Iterator[torch.Tensor]:
    """Every sample once an epoch in random order, over the end of epochs without a gap."""
    pool = torch.empty(0, dtype=torch.long, device=random.device)
    while True:
        while len(pool) < batch_size:
            pool = torch.cat([pool, torch.randperm(n_samples, generator=random, device=random.device)])
        yield pool[:batch_size].clone()
        pool = pool[batch_size:]


def _report(  # noqa: PLR0917 - a point of the curve
    machine: Boltzmann, seen: torch.Tensor, condition: torch.Tensor, step: int, n_steps: int, context: FitContext
) -> None:
    error = float(machine.reconstruction_error(seen, condition))
    if not math.isfinite(error):
        raise GenobenchError(f"The reconstruction error became {error} at step {step} of {n_steps}; a smaller learning_rate may help.")
    context.report(step, {"reconstruction error": error, "total_steps": float(n_steps)})


def _checked_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GenobenchError(f"'{name}' is no device that torch has here: {error}") from error
    return device
