"""An autoregressive model of genotypes, trained by differentially private gradient descent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch

from genobench import FitContext, Generator, Genotypes, Sampler, SettingsError, Trial, check_lowest, check_positive, check_share
from genobench_neural.batches import PackedBatches
from genobench_neural.checkpoints import fit_identity
from genobench_neural.optimising import WeightAverage, checked_device
from genobench_neural.private.accounting import PrivacyBudget, check_epsilon
from genobench_neural.private.descent import DescentPlan, PrivateGradients
from genobench_neural.private.diploid_chain import DiploidChain, DiploidSize
from genobench_neural.private.inputs import PublicInputs
from genobench_neural.private.streams import Noise, calibration_stream
from genobench_neural.sampling import load_sampler, trained_sampler
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run

if TYPE_CHECKING:
    from pathlib import Path

_FREQUENCY_CLIP: Final = 0.6
"""Length, by the root of the number of variants, that gradients by frequencies are clipped to: that of heterozygosity .36."""

_LINKAGE_CLIP: Final = 0.9
"""Length that gradients by linkage are clipped to, over what independent variants have on average."""

_AVERAGE_DECAY: Final = 0.95
"""Averages are over the last 20 noisy steps or so: half of those that linkage has by default."""

_PRIOR: Final = 1.5
"""Standard deviation of weights under their prior, whose penalty is weighed against what the noise is known to be."""

_CURVATURE: Final = 0.25
"""Of the loss by one weight, roughly."""

_RAREST: Final = 5e-3
"""Least frequency of either allele: calls are divided by their deviation, and one of nearly 0 would be noise alone."""


@dataclass(frozen=True)
class DpAutoregressive(Generator):
    """A softmax autoregression along chromosomes, trained by DP-SGD: the gradient of each sample is clipped, and noise added to the sum.

    Training first finds allele frequencies, then how genotypes follow from the `n_lags` variants before and from the condition, by the same
    noisy gradients; clipping lengths and penalties are computed from what has its noise already. Averaged weights are kept. Nothing is
    scored on samples to stop early. epsilon bounds what the fit reveals of one sample, at delta = n_samples ** -1.1: with or without the
    genotypes of any one training sample, no synthetic data set becomes more than exp(epsilon) times as likely, but for cases of total
    probability delta. The epsilon reached is reported, and saved with the sampler.

    The guarantee covers genotypes, all of a sample's at once. It takes as public: the table of traits and covariates of the training
    samples (and so their number), the variant table, and the settings. With `is_reproducible` it holds against whoever does not know the
    seed of the fit, with which the noise could be drawn again. A sample's relatives are other samples: what a family has in common is not
    hidden. No ALT frequency is taken to be nearer to 0 or 1 than .005, so that variants that are constant in training vary.

    Args:
        epsilon: Of the guarantee; below 1 little can be learned from a thousand samples, above 10 little is guaranteed.
        n_lags: Variants before a variant that it depends on.
        n_frequency_steps: Noisy gradients for the frequencies.
        n_linkage_steps: Noisy gradients for all else.
        rate: Probability with which a batch holds a sample, in (0, 1].
        frequency_rate: Learning rate of the first.
        linkage_rate: Of the second.
        is_reproducible: Whether the noise comes from the seed of the fit, so that the same seed gives the same sampler. The guarantee then
            holds only against those who do not know the seed. False: it comes from the operating system, and no fit can be repeated.

    References:
        Abadi et al. 2016, Deep learning with differential privacy, doi 10.1145/2976749.2978318; Mironov, Talwar and Zhang 2019,
        arXiv:1908.10530 (its accounting).
    """

    epsilon: float = 3.0
    n_lags: int = 4
    n_frequency_steps: int = 20
    n_linkage_steps: int = 40
    rate: float = 0.25
    frequency_rate: float = 0.5
    linkage_rate: float = 0.4
    is_reproducible: bool = True

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon)
        check_lowest(self, {"n_lags": 0, "n_frequency_steps": 1, "n_linkage_steps": 0})
        check_positive(self, ["frequency_rate", "linkage_rate", "rate"])
        check_share(self, ["rate"])

    def check_devices(self, n_devices: int) -> None:
        """Refuse several: each would draw batches and noise of its own, and epsilon is accounted for one that draws both."""
        if n_devices > 1:
            raise SettingsError(
                f"{n_devices} devices would each clip and add noise by themselves, and epsilon is accounted for one; leave --devices out."
            )

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Order, steps and rates; epsilon stays, and trials on one data set spend it each."""
        return cls(
            n_lags=trial.suggest_int("n_lags", 1, 8),
            n_linkage_steps=trial.suggest_int("n_linkage_steps", 20, 80),
            rate=trial.suggest_float("rate", 0.1, 1.0),
            frequency_rate=trial.suggest_float("frequency_rate", 0.1, 1.0, log=True),
            linkage_rate=trial.suggest_float("linkage_rate", 0.1, 0.6, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples, and report the epsilon reached."""
        device = checked_device(context.device)
        public = PublicInputs.of_training(train, context.trait)
        size = DiploidSize(
            n_blocks=public.layout.n_blocks,
            block_size=public.layout.block_size,
            n_variants=len(public.path.order),
            n_lags=min(self.n_lags, int(public.path.n_before.max())),
            n_condition=public.tables.encoder.width,
            n_white=public.whitening.shape[1],
        )
        network = _network_of(size, public).to(device)
        n_steps = self.n_frequency_steps + self.n_linkage_steps
        budget = PrivacyBudget.of_samples(self.epsilon, train.n_samples)
        plan = DescentPlan.of_budget(budget, rate=self.rate, n_steps=n_steps)
        noise = Noise.of_seed(context.seed, device) if self.is_reproducible else Noise.of_system(device)
        condition = torch.from_numpy(public.white_condition).to(device)
        gradients = PrivateGradients(plan, train.n_samples, noise)
        batches = PackedBatches.of_genotypes(train, public.layout, device)
        task = _Task(self, network, gradients, batches=batches, condition=condition)
        run(task, n_steps, context, identity=fit_identity(self, train, context))
        task.linkage_average.install()
        network.cpu().calibrate(condition.cpu(), calibration_stream(context.seed))
        privacy = plan.to_json()
        context.report(n_steps, {"epsilon": privacy["epsilon_reached"], "delta": budget.delta, "total_steps": float(n_steps)})
        description = {"size": asdict(size), "privacy": {**privacy, "is_reproducible": self.is_reproducible}}
        return trained_sampler(network, description, layout=public.layout, tables=public.tables)

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


class _Task(StatefulTask):
    """Frequencies first, then linkage, by the noisy gradients of one budget."""

    def __init__(
        self,
        settings: DpAutoregressive,
        network: DiploidChain,
        gradients: PrivateGradients,
        *,
        batches: PackedBatches,
        condition: torch.Tensor,
    ) -> None:
        self.settings, self.network, self.gradients = settings, network, gradients
        self.batches, self.condition = batches, condition
        linkage = [network.alleles, network.heterozygosity, network.effects]
        self.frequency_optimiser = torch.optim.SGD([network.bias], lr=settings.frequency_rate)
        self.linkage_optimiser = torch.optim.SGD(linkage, lr=settings.linkage_rate)
        self.frequency_average = WeightAverage([network.bias], _AVERAGE_DECAY)
        self.linkage_average = WeightAverage(linkage, _AVERAGE_DECAY)
        self.parts = {
            "network": network,
            "gradients": gradients,
            "frequency optimiser": self.frequency_optimiser,
            "linkage optimiser": self.linkage_optimiser,
            "frequency average": self.frequency_average,
            "linkage average": self.linkage_average,
            "noise": gradients.noise,
        }

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """One noisy gradient; its length is all that is reported, since a loss would not have noise."""
        is_linkage = index >= self.settings.n_frequency_steps
        self.network.bias.requires_grad_(not is_linkage)
        for weight in (self.network.alleles, self.network.heterozygosity, self.network.effects):
            weight.requires_grad_(is_linkage)
        length = self._linkage_step() if is_linkage else self._frequency_step()
        if index + 1 == self.settings.n_frequency_steps:
            self.frequency_average.install()
            with torch.no_grad():
                self.network.alt_frequency.copy_(torch.sigmoid(self.network.bias).clamp(_RAREST, 1 - _RAREST))
        return {"length of noisy gradient": length}

    def _frequency_step(self) -> torch.Tensor:
        calls = self._calls(self.gradients.rows())
        clip = _FREQUENCY_CLIP * calls.shape[1] ** 0.5
        length = self.gradients.set_gradients(self.network, self.network.frequency_loss, calls, clip=clip)
        self.frequency_optimiser.step()
        self.frequency_average.update()
        return length

    def _linkage_step(self) -> torch.Tensor:
        rows = self.gradients.rows()
        clip = _LINKAGE_CLIP * max(self.network.usual_gradient(), 1e-3)
        length = self.gradients.set_gradients(self.network, self.network.linkage_loss, self._calls(rows), self.condition[rows], clip=clip)
        plan, n_steps = self.gradients.plan, self.settings.n_linkage_steps
        noise = plan.noise * clip / (plan.rate * self.gradients.n_samples)
        for group in self.linkage_optimiser.param_groups:
            group["weight_decay"] = min(noise**2 / n_steps / (_CURVATURE * _PRIOR**2), 1 / self.settings.linkage_rate)
        self.linkage_optimiser.step()
        self.linkage_average.update()
        return length

    def _calls(self, rows: torch.Tensor) -> torch.Tensor:
        """Calls of samples along the chain, uint8, shape (n_rows, n_variants)."""
        if not len(rows):
            return torch.zeros(0, len(self.network.place), dtype=torch.uint8, device=rows.device)
        return self.batches.codes(rows).transpose(0, 1).reshape(len(rows), -1)[:, self.network.place]


def _network_of(size: DiploidSize, public: PublicInputs) -> DiploidChain:
    network = DiploidChain(size)
    network.place.copy_(torch.from_numpy(public.place))
    network.is_followed.copy_(torch.from_numpy(public.path.is_followed))
    network.is_before.copy_(torch.from_numpy(np.arange(1, size.n_lags + 1)[:, None] <= public.path.n_before))
    network.whitening.copy_(torch.from_numpy(public.whitening))
    return network


def _network(description: dict[str, Any], _is_followed: torch.Tensor) -> DiploidChain:
    return DiploidChain(DiploidSize(**description["size"]))
