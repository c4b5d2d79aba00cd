"""How much linkage a naive WGAN learns in 170 s of two cores, and how much `wgan` does: python tests/benchmarks/naive_wgan.py FOLDER.

FOLDER is that of the heterogeneous-stock mice (`genotypes.npz` with `dosage`, `variants.csv`). 4,000 variants at even places and 1,300 mice
are taken. The naive WGAN has two hidden layers of 512 in either network, one-hot float32 data, Gumbel-softmax, gradient penalty, batches of
64 and Adam, one update of each network a step. It makes as many steps as 170 s held on two cores where a step took 95 ms.

Printed: processor milliseconds a step and where they go, and the mean r2 of neighbouring variants of real, independent, naive and default.
Processor time is what a busy machine still measures well; both run on `--threads` threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from genobench import FitContext, Genotypes, PackedCalls, Trait
from genobench_neural.wgan import Wgan

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_MICE: Final = 1_300
N_VARIANTS: Final = 4_000
BATCH_SIZE: Final = 64
N_STEPS: Final = 1_790
N_PROFILED: Final = 10


def main() -> None:
    """Print the comparison."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--steps", type=int, default=N_STEPS)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    mice = read_mice(chosen.folder)
    chromosomes = mice.variants["chromosome"].to_numpy()
    calls = mice.to_array()
    independent = np.random.default_rng(1).permuted(calls, axis=0)
    real, none = neighbour_r2(calls, chromosomes), neighbour_r2(independent, chromosomes)
    print(f"{calls.shape}: r2 of neighbours real {real:.3f}, independent {none:.4f}", flush=True)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        context = FitContext(trait=Trait(column="none", kind="quantitative"), seed=1, device="cpu", folder=Path(folder))
        sampler = Wgan().fit(mice, context)
    drawn = sampler.generate(N_MICE, seed=1).to_array()
    print(f"wgan, defaults: {neighbour_r2(drawn, chromosomes):.3f} after {time.process_time() - begin:.0f} processor seconds", flush=True)
    naive = NaiveWgan(torch.from_numpy(np.where(calls < 0, 0, calls)))
    naive.steps(3)
    print(f"where a step's time goes: {naive.profile()}", flush=True)
    begin = time.process_time()
    for done in range(0, chosen.steps, chosen.steps // 4):
        naive.steps(min(chosen.steps // 4, chosen.steps - done))
        spent = time.process_time() - begin
        r2 = neighbour_r2(naive.drawn(N_MICE), chromosomes)
        print(f"naive: {r2:.3f} after {naive.n_steps} steps, {spent:.0f} processor seconds", flush=True)


def read_mice(folder: Path) -> Genotypes:
    """4,000 variants of 1,300 mice; a missing call is imputed by the likeliest genotype."""
    table = pd.read_csv(folder / "variants.csv", dtype={"chrom": str})
    dosage = np.load(folder / "genotypes.npz")["dosage"]
    places = np.linspace(0, len(table) - 1, N_VARIANTS).round().astype(int)
    calls = dosage[np.random.default_rng(1).permutation(len(dosage))[:N_MICE]][:, places]
    likeliest = np.stack([(calls == genotype).sum(axis=0) for genotype in range(3)]).argmax(axis=0)
    calls = np.where((calls < 0) | (calls > 2), likeliest, calls).astype(np.int8)
    chosen = table.iloc[places].reset_index(drop=True)
    variants = pd.DataFrame(
        {"chromosome": chosen["chrom"], "position_bp": chosen["pos"].astype("Int64"), "id": chosen["id"], "ref": "A", "alt": "G"}
    )
    samples = pd.DataFrame({"id": [f"m{k}" for k in range(N_MICE)], "none": 0.0})
    return Genotypes(PackedCalls.from_calls(calls), samples, variants)


def neighbour_r2(calls: NDArray[np.int8], chromosomes: NDArray[np.object_]) -> float:
    """Mean squared correlation of varying neighbours on one chromosome."""
    centred = calls - calls.mean(axis=0)
    deviation = calls.std(axis=0)
    is_pair = (chromosomes[1:] == chromosomes[:-1]) & (deviation[1:] > 0) & (deviation[:-1] > 0)
    covariance = (centred[:, 1:] * centred[:, :-1]).mean(axis=0)[is_pair]
    return float(np.mean((covariance / (deviation[1:] * deviation[:-1])[is_pair]) ** 2))


class NaiveWgan:
    """The naive model and its training."""

    def __init__(self, calls: torch.Tensor) -> None:
        torch.manual_seed(1)
        self.data = functional.one_hot(calls.long(), 3).float().flatten(1)
        n_in = self.data.shape[1]
        self.generator = nn.Sequential(nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, n_in))
        self.critic = nn.Sequential(nn.Linear(n_in, 512), nn.LeakyReLU(0.2), nn.Linear(512, 512), nn.LeakyReLU(0.2), nn.Linear(512, 1))
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), lr=1e-4, betas=(0.5, 0.9))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=1e-4, betas=(0.5, 0.9))
        self.n_steps = 0

    def generated(self, n_samples: int) -> torch.Tensor:
        """Soft one-hot samples."""
        logits = self.generator(torch.randn(n_samples, 128)).view(n_samples, -1, 3)
        return functional.gumbel_softmax(logits).flatten(1)

    def drawn(self, n_samples: int) -> NDArray[np.int8]:
        """Calls."""
        with torch.no_grad():
            return self.generated(n_samples).view(n_samples, -1, 3).argmax(dim=-1).numpy().astype(np.int8)

    def steps(self, n_steps: int) -> None:
        """One update of each network, so many times."""
        for _ in range(n_steps):
            seen = self.data[torch.randint(len(self.data), (BATCH_SIZE,))]
            with torch.profiler.record_function("draws"):
                fake = self.generated(BATCH_SIZE)
            with torch.profiler.record_function("critic"):
                distance = self.critic(fake.detach()).mean() - self.critic(seen).mean()
                distance.backward()
            with torch.profiler.record_function("penalty"):
                mix = torch.rand(BATCH_SIZE, 1)
                between = torch.lerp(fake.detach(), seen, mix).requires_grad_()
                (gradient,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
                (10 * (gradient.norm(2, dim=1) - 1).square().mean()).backward()
            with torch.profiler.record_function("optimiser"):
                self.critic_optimiser.step()
                self.critic_optimiser.zero_grad()
            with torch.profiler.record_function("generator"):
                (-self.critic(fake).mean()).backward()
            with torch.profiler.record_function("optimiser"):
                self.generator_optimiser.step()
                self.generator_optimiser.zero_grad()
                self.critic_optimiser.zero_grad()
            self.n_steps += 1

    def profile(self) -> str:
        """Shares of the parts of a step, and of the products with the first and last layers in it."""
        begin = time.process_time()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
            self.steps(N_PROFILED)
        spent = time.process_time() - begin
        events = profiler.key_averages(group_by_input_shape=True)
        parts = dict.fromkeys(("draws", "critic", "penalty", "generator", "optimiser"), 0.0)
        large = 0.0
        total = sum(event.self_cpu_time_total for event in events)
        for event in events:
            if event.key in parts:
                parts[event.key] += event.cpu_time_total
            if event.key in {"aten::mm", "aten::addmm"} and any(3 * N_VARIANTS in shape for shape in event.input_shapes):
                large += event.self_cpu_time_total
        shares = ", ".join(f"{name} {value / total:.0%}" for name, value in parts.items())
        return f"{shares}; products with first and last layers {large / total:.0%}; {spent / N_PROFILED * 1e3:.0f} processor ms a step"


if __name__ == "__main__":
    main()
