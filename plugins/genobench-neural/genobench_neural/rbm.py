"""A conditional restricted Boltzmann machine of genotypes with local and genome-wide hidden units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch

from genobench import FitContext, Generator, Genotypes, Sampler, Trial, check_lowest, check_positive
from genobench.statgen import BlockLayout, variant_call_rate
from genobench_neural.checkpoints import fit_identity
from genobench_neural.energy.boltzmann import Boltzmann, BoltzmannSize
from genobench_neural.optimising import autocast
from genobench_neural.sampling import load_sampler
from genobench_neural.several_devices import check_sharing, fit_on_devices
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST_CHAINS_RENEWED: Final = 16
_SAMPLES_CHECKED: Final = 16
"""Samples of a batch whose reconstruction error is reported."""

_LOWEST: Final = {
    "training_calls": 0,
    "max_epochs": 0,
    "batch_size": 1,
    "block_size": 4,
    "n_local": 0,
    "n_global": 1,
    "n_sweeps": 1,
    "weight_decay": 0,
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
    half of the sweeps; no chain begins at a training sample. A missing call pushes no hidden unit, and what hidden units
    go with it is averaged over the samples that have it.

    Args:
        training_calls: Calls that training sees, which fixes the number of steps: training_calls / (n_variants * batch_size).
        max_epochs: The most often that a sample is seen, however few calls there are.
        batch_size: Samples a step, and persistent chains.
        block_size: The most variants in a block.
        n_local: Hidden units for each block (which see the next block, too).
        n_global: Hidden units that see all variants.
        learning_rate: Of Adam, falling to 0 along a line.
        weight_decay: Of all weights between units: what it adds to their gradient.
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
        check_lowest(self, _LOWEST)
        check_positive(self, ["learning_rate"])

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Rate, decay and hidden units, around the defaults."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-4, 0.1, log=True),
            n_local=trial.suggest_categorical("n_local", [16, 32, 64]),
            n_global=trial.suggest_categorical("n_global", [16, 64, 128]),
        )

    def check_devices(self, n_devices: int) -> None:
        """Refuse what `check_sharing` refuses."""
        check_sharing(n_devices, self.batch_size)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples; the validation samples are not looked at.

        Raises:
            GenobenchError: If there are fewer than two samples or no variant, or training diverges.
        """
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        data = TrainingData.of_genotypes(train, context, layout)
        size = BoltzmannSize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_condition=data.encoder.width,
            n_local=self.n_local,
            n_global=self.n_global,
        )
        machine = Boltzmann(size, torch.from_numpy(layout.is_followed), n_sweeps=self.n_sweeps, is_bf16=self.is_bf16).to(data.device)
        machine.begin_with(data.shares.T.reshape(3, *layout.variant_at.shape), data.random)
        n_steps = data.steps_within(training_calls=self.training_calls, max_epochs=self.max_epochs, samples_per_step=self.batch_size)
        task = _Task(self, machine, data, n_steps=n_steps)
        run(task, n_steps, context, identity=fit_identity(self, train, context), batch_size=self.batch_size)
        return data.sampler(machine, machine.description())

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _machine)


class _Chains:
    """The chains that run on from step to step, and the training samples whose conditions they have.

    Args:
        codes: Their calls, uint8, shape (n_blocks, n_chains, block_size).
        rows: Positions of the samples, shape (n_chains,).
    """

    def __init__(self, codes: torch.Tensor, rows: torch.Tensor) -> None:
        self.codes, self.rows = codes, rows

    def state_dict(self) -> dict[str, torch.Tensor]:
        """For a checkpoint."""
        return {"codes": self.codes, "rows": self.rows}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """From a checkpoint."""
        self.codes, self.rows = (state[name].to(self.codes.device) for name in ("codes", "rows"))


class _Task(StatefulTask):
    """Persistent contrastive divergence."""

    def __init__(self, settings: Rbm, machine: Boltzmann, data: TrainingData, *, n_steps: int) -> None:
        self.settings, self.machine, self.batches, self.condition = settings, machine, data.batches, data.condition
        self.random, self.n_steps = data.random, n_steps
        call_rate = variant_call_rate(data.genotypes.calls).astype(np.float32)
        # A variant without a call has no products, whatever they are divided by.
        placed = data.layout.placed(np.where(call_rate > 0, call_rate, np.float32(1)), 1)
        self.call_rate = torch.from_numpy(placed).to(data.device)
        self.rows = data.row_order(settings.batch_size)
        # Several devices share the chains. They begin alike, with other conditions on each, and part at the first sweep.
        self.chains = _Chains(machine.independent_calls(settings.batch_size // data.ranks.n, data.random), next(self.rows).clone())
        self.n_renewed = math.ceil(_MOST_CHAINS_RENEWED / data.ranks.n)
        decayed = [getattr(machine, name) for name in machine.between_units]
        others = [weight for name, weight in machine.named_parameters() if name not in machine.between_units]
        groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others}]
        self.optimiser = torch.optim.Adam(groups, lr=settings.learning_rate, betas=(0.5, 0.99), fused=True)
        self.parts = {"machine": machine, "chains": self.chains, "optimiser": self.optimiser, "random": data.random, "rows": self.rows}

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """One sweep of the chains, and an update by what training samples have and chains lack."""
        rows, chains, machine = next(self.rows), self.chains, self.machine
        # A few chains take another sample's condition at each step, so that the others stay near their equilibrium.
        first = (index * self.n_renewed) % len(rows)
        renewed = slice(first, first + self.n_renewed)
        chains.rows[renewed] = rows[renewed]
        with torch.no_grad(), autocast(self.condition.device, is_bf16=self.settings.is_bf16):
            observed = machine.phase(self.batches.codes(rows), self.condition[rows])
            chains.codes = machine.sweep(chains.codes, self.condition[chains.rows], self.random)
            drawn = machine.phase(chains.codes, self.condition[chains.rows])
            gradients = machine.gradients(observed, drawn, chains.codes, self.call_rate)
            error = machine.reconstruction_error(observed.first(_SAMPLES_CHECKED))
        for name, weight in machine.named_parameters():
            weight.grad = -gradients[name].float()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * (1 - index / self.n_steps)
        self.optimiser.step()
        return {"reconstruction error": error}


def _machine(description: dict[str, Any], is_followed: torch.Tensor) -> Boltzmann:
    size = BoltzmannSize(**description["size"])
    return Boltzmann(size, is_followed, n_sweeps=description["n_sweeps"], is_bf16=description["is_bf16"])
