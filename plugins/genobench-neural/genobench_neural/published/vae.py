"""Training of the published autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from genobench_neural.batches import MISSING_CODE
from genobench_neural.layers import give_first_weights, kl_divergence
from genobench_neural.optimising import adam
from genobench_neural.published.networks import VaeNetwork, vae_description, vae_encoder
from genobench_neural.simplex import one_hot, table_layout
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes
    from genobench_neural.published.dense import DenseEncoder
    from genobench_neural.published.presets import PublishedVae
    from genobench_neural.sampling import NetworkSampler

_XAVIER_BIAS = 0.01


def fit_published_vae(preset: PublishedVae, train: Genotypes, context: FitContext, *, identity: str) -> NetworkSampler:
    """Train a published autoencoder as described: sums of cross-entropy and KL divergence, Adam at a constant rate, all epochs.

    Args:
        preset: Sizes and training facts.
        train: Training samples; a missing call reads as its variant's shares and has no loss.
        context: Of the fit.
        identity: Of the fit, from `fit_identity`.
    """
    data = TrainingData.of_genotypes(train, context, table_layout(train.n_variants))
    n_condition = data.encoder.width if preset.is_conditional else 0
    description = vae_description(preset, data.n_variants, n_condition)
    network = unplaced_vae(description)
    with torch.device("meta"):
        encoder = vae_encoder(preset, data.n_variants, n_condition)
    for part in (encoder.layers, network.decoder):
        give_first_weights(part, data.device, data.random, xavier_bias=_XAVIER_BIAS)
    for head in (encoder.mean, encoder.log_variance):
        give_first_weights(head, data.device, data.random)
    task = _VaeTask(preset, encoder, network, data)
    n_steps = preset.max_epochs * data.steps_per_epoch(task.batch_size)
    run(task, n_steps, context, identity=identity, batch_size=task.batch_size)
    return data.sampler(network, {"published": description})


def unplaced_vae(description: dict[str, Any]) -> VaeNetwork:
    """The network of a description, without weights yet."""
    with torch.device("meta"):
        return VaeNetwork(**description)


def loaded_vae(description: dict[str, Any], _is_followed: torch.Tensor) -> VaeNetwork:
    """The network of a description, ready to take saved weights."""
    network = unplaced_vae(description["published"])
    network.decoder.to_empty(device="cpu")
    return network


class _VaeTask(StatefulTask):
    """Encoder and decoder in training."""

    is_loss_summed = True

    def __init__(self, preset: PublishedVae, encoder: DenseEncoder, network: VaeNetwork, data: TrainingData) -> None:
        self.encoder, self.decoder, self.data = encoder, network.decoder, data
        self.n_condition = network.n_condition
        self.shares = data.shares[: data.n_variants]
        self.batch_size = data.batch_size(preset.batch_size)
        self.rows = data.row_order(self.batch_size)
        self.optimiser = adam([*encoder.parameters(), *self.decoder.parameters()], learning_rate=preset.learning_rate)
        self.parts = {
            "encoder": encoder,
            "decoder": self.decoder,
            "optimiser": self.optimiser,
            "rows": self.rows,
            "random": data.random,
        }

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """One update on one batch."""
        rows = next(self.rows)
        codes = self.data.batches.codes(rows)[0][:, : self.data.n_variants]
        condition = self.data.condition[rows, : self.n_condition]
        mean, log_variance = self.encoder(one_hot(codes, self.shares), condition)
        noise = torch.randn(mean.shape, generator=self.data.random, device=mean.device)
        logits = self.decoder(mean + noise * torch.exp(0.5 * log_variance), condition)
        reconstruction, divergence = cross_entropy(logits, codes), kl_divergence(mean, log_variance)
        self.optimiser.zero_grad()
        (reconstruction + divergence).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.optimiser.step()
        return {"cross-entropy": reconstruction.detach() / len(rows), "kl divergence": divergence.detach() / len(rows)}


def cross_entropy(logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """-log P of the calls, in nats, summed over samples and variants; a missing call adds nothing.

    Args:
        logits: Shape (n_samples, n_variants, 3).
        codes: 0, 1, 2 or MISSING_CODE, shape (n_samples, n_variants).
    """
    return functional.cross_entropy(logits.flatten(0, 1), codes.flatten().long(), ignore_index=MISSING_CODE, reduction="sum")
