"""Differentially private stochastic gradient descent, for any task whose loss is a sum over samples.

A batch holds every sample with one probability; the gradient of each sample alone is clipped to a length; Gaussian noise is added to their
sum. A task asks for `rows`, lets `set_gradients` write the noisy mean gradient, and steps its optimiser:

    rows = self.private.rows()
    length = self.private.set_gradients(self.network, loss_of_sample, calls[rows], clip=1.0)
    self.optimiser.step()

Whatever else it computes from the samples (a loss to report, statistics of a batch, a validation check on training samples) is outside the
guarantee: layers that mix samples, such as BatchNorm, cannot be used, and the length of the noisy gradient is what may be reported.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.func import grad, vmap

from genobench import SettingsError
from genobench_neural.private.accounting import PrivacyBudget, noise_of_budget, sampled_gaussian_epsilon

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genobench_neural.private.streams import Noise

_NUMBERS_PER_CHUNK: Final = 1 << 23
"""Numbers of per-sample gradients that are held at a time."""


@dataclass(frozen=True)
class DescentPlan:
    """How much noise a training takes.

    Args:
        budget: What it may reveal.
        rate: Probability with which a batch holds a sample, in (0, 1].
        n_steps: Noisy gradients, of all stages of the training together.
        noise: Standard deviation of the noise over the length that the gradient of one sample is clipped to.
    """

    budget: PrivacyBudget
    rate: float
    n_steps: int
    noise: float

    @classmethod
    def of_budget(cls, budget: PrivacyBudget, *, rate: float, n_steps: int) -> DescentPlan:
        """The plan with the least noise that keeps to a budget.

        Raises:
            SettingsError: If a number is out of range.
        """
        if not 0 < rate <= 1:
            raise SettingsError(f"rate is {rate}; a batch holds a sample with a probability in (0, 1].")
        noise = noise_of_budget(budget, rate=rate, n_steps=n_steps)
        return cls(budget=budget, rate=rate, n_steps=n_steps, noise=noise)

    def epsilon_after(self, n_steps: int) -> float:
        """What that many noisy gradients have revealed."""
        return sampled_gaussian_epsilon(noise=self.noise, rate=self.rate, n_steps=n_steps, delta=self.budget.delta)

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the epsilon that all steps come to."""
        return {**dataclasses.asdict(self), "epsilon_reached": self.epsilon_after(self.n_steps), "mechanism": "DP-SGD"}


class PrivateGradients:
    """Noisy mean gradients of randomly drawn samples.

    Args:
        plan: How much noise.
        n_samples: Samples that batches are drawn from; public.
        noise: Batches and noise are drawn from here, and on the device of it.

    References:
        Abadi et al. 2016, Deep learning with differential privacy, doi 10.1145/2976749.2978318.
    """

    def __init__(self, plan: DescentPlan, n_samples: int, noise: Noise) -> None:
        self.plan, self.n_samples, self.noise = plan, n_samples, noise
        self.n_given = 0

    def rows(self) -> torch.Tensor:
        """Positions of the samples of a batch: each with probability `rate`, so a batch may be empty."""
        return torch.nonzero(self.noise.uniform(self.n_samples) < self.plan.rate)[:, 0]

    def set_gradients(
        self, network: torch.nn.Module, loss_of_sample: Callable[..., torch.Tensor], *inputs: torch.Tensor, clip: float
    ) -> torch.Tensor:
        """Write the noisy mean gradient of a batch to the `grad` of all parameters that want one.

        Args:
            network: Whose parameters.
            loss_of_sample: The loss of one sample, given parameters by name and the sample's row of every input.
            inputs: The batch that `rows` drew, samples along the first axis.
            clip: Length that the gradient of one sample is clipped to; it may come from what has its noise already, never from samples.

        Returns:
            Length of the noisy mean gradient: safe to report.

        Raises:
            SettingsError: If the plan's steps are used up.
        """
        if self.n_given == self.plan.n_steps:
            raise SettingsError(f"All {self.plan.n_steps} noisy gradients of the privacy budget are used up.")
        self.n_given += 1
        parameters = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        sums = clipped_sums(parameters, loss_of_sample, *inputs, clip=clip)
        squared = torch.zeros((), device=self.noise.device)
        for name, weight in parameters.items():
            noise = self.noise.normal(*weight.shape)
            weight.grad = (sums[name] + self.plan.noise * clip * noise) / (self.plan.rate * self.n_samples)
            squared += weight.grad.square().sum()
        return squared.sqrt()

    def state_dict(self) -> dict[str, int]:
        """For a checkpoint; the state of the noise is one of its own."""
        return {"n_given": self.n_given}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """From a checkpoint."""
        self.n_given = state["n_given"]


def clipped_sums(
    parameters: Mapping[str, torch.Tensor], loss_of_sample: Callable[..., torch.Tensor], *inputs: torch.Tensor, clip: float
) -> dict[str, torch.Tensor]:
    """Sum over samples of the gradient of each, clipped to a length over all parameters together.

    Args:
        parameters: By name.
        loss_of_sample: As `PrivateGradients.set_gradients` takes it.
        inputs: Samples along the first axis.
        clip: The length.
    """
    detached = {name: weight.detach() for name, weight in parameters.items()}
    sums = {name: torch.zeros_like(weight) for name, weight in detached.items()}
    n_rows = max(1, _NUMBERS_PER_CHUNK // max(1, sum(weight.numel() for weight in detached.values())))
    gradients_of = vmap(grad(loss_of_sample), in_dims=(None, *(0 for _ in inputs)))
    for start in range(0, len(inputs[0]), n_rows):
        gradients = gradients_of(detached, *(values[start : start + n_rows] for values in inputs))
        squared = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients.values()]).sum(dim=0)
        scale = (clip / squared.sqrt().clamp(min=1e-12)).clamp(max=1.0)
        for name, gradient in gradients.items():
            sums[name] += torch.tensordot(scale, gradient, dims=([0], [0]))
    return sums
