"""Training of the default autoencoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from genobench_neural.batches import MISSING_CODE
from genobench_neural.layers import kl_divergence
from genobench_neural.optimising import WeightAverage, adam
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData
from genobench_neural.windows.networks import WindowVae, WindowVaeSize, line_layout
from genobench_neural.windows.start import begin_with_data

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes
    from genobench_neural.batches import PackedBatches
    from genobench_neural.sampling import NetworkSampler

_VALIDATION_SEED: Final = 1
_MOST_VALIDATED: Final = 512
_CHECKS: Final = 20
_CALLS_PER_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class WindowPlan:
    """Sizes and training of the default; `Vae` says what each is."""

    is_conditional: bool = True
    batch_size: int = 64
    learning_rate: float = 1e-3
    max_epochs: int = 60
    n_latent: int = 16
    training_calls: int = 200_000_000
    begun_rate: float = 5e-3
    n_window: int = 32
    width: int = 64
    n_residual: int = 1
    ridge: float = 20.0
    average_decay: float = 0.99
    shrinkage: float = 3.0
    patience: int = 3


def fit_window_vae(plan: WindowPlan, train: Genotypes, context: FitContext, *, identity: str) -> NetworkSampler:
    """Train the default autoencoder.

    Args:
        plan: Sizes and training.
        train: Training samples.
        context: Of the fit; its validation samples decide when to stop.
        identity: Of the fit, from `fit_identity`.
    """
    layout, n_before = line_layout(train.variants)
    data = TrainingData.of_genotypes(train, context, layout)
    size = WindowVaeSize(
        n_places=layout.block_size,
        n_condition=data.encoder.width if plan.is_conditional else 0,
        n_latent=plan.n_latent,
        width=plan.width,
        n_residual=plan.n_residual,
        n_window=plan.n_window,
    )
    network = WindowVae(size, n_before.to(data.device), data.random)
    begin_with_data(network, data, ridge=plan.ridge)
    task = _WindowTask(plan, network, data, data.validation(context))
    n_steps = data.steps_within(training_calls=plan.training_calls, max_epochs=plan.max_epochs, samples_per_step=task.batch_size)
    check_every = max(1, n_steps // _CHECKS)
    run(task, n_steps, context, identity=identity, check_every=check_every, patience=plan.patience, batch_size=task.batch_size)
    task.average.install()
    task.fit_prior()
    return data.sampler(network, asdict(size))


def loaded_window_vae(description: dict[str, Any], _is_followed: torch.Tensor) -> WindowVae:
    """The network of a description, ready to take saved weights."""
    size = WindowVaeSize(**description)
    return WindowVae(size, torch.zeros(size.n_places, dtype=torch.long), torch.Generator())


class _WindowTask(StatefulTask):
    """Encoder and decoder in training."""

    is_loss_summed = True

    def __init__(
        self, plan: WindowPlan, network: WindowVae, data: TrainingData, validation: tuple[PackedBatches, torch.Tensor] | None
    ) -> None:
        self.network, self.data, self.validation = network, data, validation
        self.batch_size = data.batch_size(plan.batch_size)
        self.rows = data.row_order(self.batch_size)
        self.shrinkage, self.shrunk = plan.shrinkage, [network.loadings, network.window]
        begun = [*self.shrunk, network.bias]
        others = [weight for weight in network.parameters() if not any(weight is one for one in begun)]
        groups = [{"params": others}, {"params": begun, "lr": plan.begun_rate}]
        self.optimiser = adam(groups, learning_rate=plan.learning_rate)
        self.average = WeightAverage(network.parameters(), plan.average_decay)
        self.parts = {
            "network": network,
            "optimiser": self.optimiser,
            "average": self.average,
            "rows": self.rows,
            "random": data.random,
        }

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """One update on one batch."""
        rows = next(self.rows)
        reconstruction, divergence = self._losses(self.data.batches, self.data.condition, rows, self.data.random)
        self.optimiser.zero_grad()
        prior = self.shrinkage * len(rows) / self.data.n_samples * 0.5 * sum(weight.square().sum() for weight in self.shrunk)
        (reconstruction + divergence + prior).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.optimiser.step()
        self.average.update()
        return {"cross-entropy": reconstruction.detach() / len(rows), "kl divergence": divergence.detach() / len(rows)}

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """-ELBO of the validation samples with the averaged weights, in nats a sample."""
        if self.validation is None:
            return None
        batches, condition = self.validation
        random = torch.Generator(batches.device).manual_seed(_VALIDATION_SEED)
        rows = torch.arange(min(batches.n_samples, _MOST_VALIDATED), device=batches.device)
        with self.average.installed():
            losses = [torch.stack(self._losses(batches, condition, some, random)).sum() for some in torch.split(rows, self._n_rows())]
        return float(torch.stack(losses).sum()) / len(rows)

    @torch.no_grad()
    def fit_prior(self) -> None:
        """Set the prior to the normal distribution with the moments of the posteriors, all samples pooled (Ghosh et al. 2020)."""
        means, variances = [], []
        for rows in torch.split(torch.arange(self.data.n_samples, device=self.data.device), self._n_rows()):
            mean, log_variance = self.network.encode(
                self.data.batches.codes(rows)[0].T.contiguous(), self._given(self.data.condition, rows)
            )
            means.append(mean)
            variances.append(log_variance.exp())
        mean = torch.cat(means)
        covariance = torch.cov(mean.T, correction=0).view(mean.shape[1], -1) + torch.cat(variances).mean(dim=0).diag()
        self.network.prior_mean.copy_(mean.mean(dim=0))
        self.network.prior_factor.copy_(torch.linalg.cholesky(covariance))

    def _n_rows(self) -> int:
        """Samples to pass at a time where no gradient is kept."""
        return max(1, _CALLS_PER_CHUNK // self.network.size.n_places)

    def _given(self, condition: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """As much of the condition as the network was built for."""
        return condition[rows, : self.network.size.n_condition]

    def _losses(
        self, batches: PackedBatches, condition: torch.Tensor, rows: torch.Tensor, random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy and KL divergence, in nats, summed over samples."""
        codes = batches.codes(rows)[0].T.contiguous()
        given = self._given(condition, rows)
        mean, log_variance = self.network.encode(codes, given)
        noise = torch.randn(mean.shape, generator=random, device=mean.device)
        z = mean + noise * torch.exp(0.5 * log_variance)
        log_p = self.network.log_probabilities(z, given, codes)
        losses = -log_p.gather(0, codes.clamp(max=2).long()[None])[0]
        return losses.masked_fill(codes == MISSING_CODE, 0.0).sum(), kl_divergence(mean, log_variance)
