"""CTGAN: a conditional GAN of tables, with every variant a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import torch
from torch.nn import functional

from genobench import (
    FitContext,
    Generator,
    GenobenchError,
    Genotypes,
    Sampler,
    SettingsError,
    Trial,
    check_below,
    check_lowest,
    check_positive,
    check_share,
)
from genobench.statgen import BlockLayout
from genobench_neural.batches import MISSING_CODE
from genobench_neural.checkpoints import fit_identity
from genobench_neural.onehot import gumbel_noise, one_hot_planes, soft_genotypes
from genobench_neural.optimising import adam, autocast
from genobench_neural.sampling import load_sampler
from genobench_neural.several_devices import check_sharing, fit_on_devices
from genobench_neural.tabular.columns import ClassColumns, Conditioned, TrainingBySampling
from genobench_neural.tabular.networks import CtganCritic, CtganGenerator, CtganSize
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_BLOCK_SIZE: Final = 16
_LARGEST_POOL: Final = 2048
"""Samples among which a step looks for those that fulfil its conditions."""

_LOWEST: Final = {
    "training_calls": 0,
    "max_epochs": 0,
    "batch_size": 2,
    "n_critic": 1,
    "gradient_penalty": 0,
    "weight_decay": 0,
    "n_noise": 1,
    "n_hidden": 1,
    "n_embedding": 1,
    "pac": 1,
    "n_quantiles": 2,
    "dropout": 0,
    "most_variants": 1,
}


@dataclass(frozen=True)
class Ctgan(Generator):
    """Conditional GAN of tables: genotypes, trait and covariates are discrete columns, and a condition asks for a class of one of them.

    Written from the paper: a condition picks a column, then one of its classes by the logarithm of its count, and a training sample that
    has it (training by sampling); a cross-entropy makes the generator fulfil it; both networks have two hidden layers, the
    generator's with batch normalisation and handing on their input; all columns end in a Gumbel-softmax of temperature .2; the critic
    scores packs of ten samples, with gradient penalty.

    Where it departs from the paper, and why. (1) With thousands of variants a condition would hardly ever ask for the trait, so
    `trait_share` of them do, and for all covariates with it, which is what they are asked for at generation. (2) A genotype that is asked
    for is handed to the networks as `n_embedding` learned numbers and as a push on its own column: the paper's one-hot vector would need
    weights by the square of the number of variants. (3) The output begins at the genotypes' shares. (4) A quantitative trait or covariate
    is a column of `n_quantiles` classes cut at quantiles, since the paper's modes are outputs, not conditions; a value asked for is
    rounded to its class. (5) The number of steps follows from `training_calls`.

    Dense layers over all variants learn every pair of variants alike, near or far: expect allele frequencies and little linkage from a
    thousand samples. A missing call reads as the most frequent genotype.

    Args:
        training_calls: Calls that both networks see in training, which with `max_epochs` fixes the number of steps (never the clock).
        max_epochs: The most often that the networks see a sample, on average; the paper's 300.
        batch_size: Samples a batch, a multiple of `pac`.
        n_critic: Updates of the critic for each of the generator.
        learning_rate: Of both Adam optimisers (betas .5 and .9).
        weight_decay: Of the generator's.
        gradient_penalty: Weight of (norm of the critic's gradient - 1)².
        temperature: Of the Gumbel-softmax in training; genotypes are drawn hard at the end.
        dropout: Share of the critic's hidden numbers that are dropped.
        n_noise: Normal numbers that a sample is made from.
        n_hidden: Width of hidden layers.
        n_embedding: Numbers that stand for a genotype that is asked for.
        pac: Samples that the critic scores together.
        trait_share: Share of conditions that ask for trait and covariates, in [0, 1].
        n_quantiles: Classes of a quantitative trait or covariate.
        most_variants: The most variants that it takes: memory grows by some 200 KB a variant, and time with it.

    References:
        Xu, Skoularidou, Cuesta-Infante and Veeramachaneni 2019, Modeling tabular data using conditional GAN, arXiv:1907.00503.
        Lin, Khetan, Fanti and Oh 2018, PacGAN, arXiv:1712.04086. Gulrajani et al. 2017, arXiv:1704.00028 (the penalty).
    """

    training_calls: int = 160_000_000
    max_epochs: int = 300
    batch_size: int = 250
    n_critic: int = 1
    learning_rate: float = 2e-4
    weight_decay: float = 1e-6
    gradient_penalty: float = 10.0
    temperature: float = 0.2
    dropout: float = 0.5
    n_noise: int = 128
    n_hidden: int = 256
    n_embedding: int = 32
    pac: int = 10
    trait_share: float = 0.5
    n_quantiles: int = 5
    most_variants: int = 20_000

    def __post_init__(self) -> None:
        check_lowest(self, _LOWEST)
        check_positive(self, ["learning_rate", "temperature"])
        check_below(self, {"dropout": 1})
        check_share(self, ["trait_share"])
        if self.batch_size % self.pac:
            raise SettingsError(f"batch_size is {self.batch_size}; it must be a multiple of pac, which is {self.pac}.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Rates, dropout and the shares of conditions, around the defaults."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 5e-5, 2e-3, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
            n_noise=trial.suggest_categorical("n_noise", [64, 128, 256]),
            trait_share=trial.suggest_float("trait_share", 0.1, 0.9),
            n_quantiles=trial.suggest_int("n_quantiles", 3, 10),
        )

    def check_devices(self, n_devices: int) -> None:
        """Refuse what `check_sharing` refuses."""
        check_sharing(n_devices, self.batch_size, pack_size=self.pac)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples.

        Raises:
            GenobenchError: If there are more variants than `most_variants`, or none, or fewer than 2 samples.
        """
        if train.n_variants > self.most_variants:
            raise GenobenchError(
                f"There are {train.n_variants} variants; ctgan takes at most {self.most_variants} (most_variants), since its "
                f"dense layers need some 200 KB of memory for each. Take fewer variants, "
                "such as one chromosome, raise most_variants, or use wgan."
            )
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        layout = BlockLayout.of_variants(train.variants, block_size=_BLOCK_SIZE)
        data = TrainingData.of_genotypes(train, context, layout)
        columns = ClassColumns.of_encoder(data.encoder, data.condition.cpu().numpy(), n_quantiles=self.n_quantiles)
        size = CtganSize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_noise=self.n_noise,
            n_hidden=self.n_hidden,
            n_embedding=self.n_embedding,
            pac=self.pac,
        )
        sampling = TrainingBySampling(data, columns.classes(data.condition), columns=columns, trait_share=self.trait_share)
        network = CtganGenerator(size, columns, data.random)
        network.begin_with(data.shares)
        critic = CtganCritic(size, columns, dropout=self.dropout, generator=data.random)
        task = _Task(self, network, critic, sampling, is_variant=layout.is_variant.reshape(-1), n_rows=self.batch_size // data.ranks.n)
        samples_per_step = self.batch_size * (self.n_critic + 1)
        n_steps = data.steps_within(training_calls=self.training_calls, max_epochs=self.max_epochs, samples_per_step=samples_per_step)
        run(task, n_steps, context, identity=fit_identity(self, train, context), batch_size=self.batch_size)
        return data.sampler(network, network.description())

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


class _Task(StatefulTask):
    """Generator against critic."""

    def __init__(
        self,
        settings: Ctgan,
        network: CtganGenerator,
        critic: CtganCritic,
        sampling: TrainingBySampling,
        *,
        is_variant: NDArray[np.bool_],
        n_rows: int,
    ) -> None:
        self.n_rows = n_rows
        self.settings, self.network, self.critic, self.sampling = settings, network, critic, sampling
        self.random = sampling.random
        self.is_variant = torch.from_numpy(is_variant).to(self.random.device)
        self.usual = sampling.counts.argmax(dim=1).to(torch.uint8)
        rate = settings.learning_rate
        self.network_optimiser = adam(network.parameters(), learning_rate=rate, betas=(0.5, 0.9), weight_decay=settings.weight_decay)
        self.critic_optimiser = adam(critic.parameters(), learning_rate=rate, betas=(0.5, 0.9))
        self.parts = {
            "network": network,
            "critic": critic,
            "network optimiser": self.network_optimiser,
            "critic optimiser": self.critic_optimiser,
            "random": self.random,
        }

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """`n_critic` updates of the critic, then one of the generator."""
        for _ in range(self.settings.n_critic):
            losses = self._critic_step()
        asked = self._conditions()
        self.critic.requires_grad_(False)
        with autocast(self.random.device):
            logits, class_logits = self.network(asked.classes, asked.variants, self.random)
            score = self.critic(self._packed(*self._drawn(logits, class_logits)), asked.classes, asked.variants).mean()
        missed = self._missed(logits, class_logits, asked)
        self.network_optimiser.zero_grad()
        (missed - score).backward()
        self.network_optimiser.step()
        self.critic.requires_grad_(True)
        return {**losses, "generator loss": -score.detach(), "condition loss": missed.detach()}

    def _critic_step(self) -> dict[str, torch.Tensor]:
        asked = self._conditions()
        with autocast(self.random.device):
            with torch.no_grad():
                generated = self._packed(*self._drawn(*self.network(asked.classes, asked.variants, self.random)))
                seen = self._packed(*self._seen(asked.rows))
            both = self.critic(torch.cat([seen, generated]), asked.classes.repeat(2, 1), asked.variants.repeat(2))
            distance = both[: len(seen)].mean() - both[len(seen) :].mean()
            mix = torch.rand(len(seen), 1, generator=self.random, device=seen.device).to(seen.dtype)
            between = torch.lerp(generated, seen, mix).requires_grad_()
            score = self.critic(between, asked.classes, asked.variants).sum()
            (gradient,) = torch.autograd.grad(score, between, create_graph=True)
            penalty = (gradient.float().square().sum(dim=1).add(1e-12).sqrt() - 1).square().mean()
        self.critic_optimiser.zero_grad()
        (self.settings.gradient_penalty * penalty - distance).backward()
        self.critic_optimiser.step()
        return {"critic distance": distance.detach(), "gradient penalty": penalty.detach()}

    def _conditions(self) -> Conditioned:
        n_samples, device = self.sampling.batches.n_samples, self.random.device
        pool = torch.arange(n_samples, device=device)
        if n_samples > _LARGEST_POOL:
            pool = torch.randint(n_samples, (_LARGEST_POOL,), generator=self.random, device=device)
        return self.sampling.draw(self.n_rows, pool)

    def _drawn(self, logits: torch.Tensor, class_logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gumbel-softmax of every column."""
        temperature = self.settings.temperature
        noisy = (class_logits + gumbel_noise(tuple(class_logits.shape), self.random)) / temperature
        classes = [torch.softmax(noisy[:, part], dim=-1) for part in self.sampling.slices]
        return soft_genotypes(logits, temperature, self.random), torch.cat(classes, dim=1)

    def _seen(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Training samples, one-hot."""
        codes = self.sampling.batches.codes(rows).transpose(0, 1).reshape(len(rows), -1)
        return one_hot_planes(torch.where(codes == MISSING_CODE, self.usual, codes)), self.sampling.classes[rows]

    def _packed(self, genotypes: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Packs side by side, padding at zero."""
        genotypes = genotypes * self.is_variant
        return torch.cat([genotypes.flatten(1), classes.to(genotypes.dtype)], dim=1).reshape(len(classes) // self.settings.pac, -1)

    def _missed(self, logits: torch.Tensor, class_logits: torch.Tensor, asked: Conditioned) -> torch.Tensor:
        """Cross-entropy of what was asked for, mean over samples."""
        is_asked = asked.variants < logits.shape[2] * 3
        places = torch.where(is_asked, asked.variants // 3, 0)
        own = logits[torch.arange(len(logits), device=logits.device), :, places].float()
        missed = (functional.cross_entropy(own, asked.variants % 3, reduction="none") * is_asked).sum()
        for part in self.sampling.slices:
            missed = missed - (torch.log_softmax(class_logits[:, part], dim=-1) * asked.classes[:, part]).sum()
        return missed / len(logits)


def _network(description: dict[str, Any], _is_followed: torch.Tensor) -> CtganGenerator:
    return CtganGenerator(CtganSize(**description["size"]), ClassColumns.from_json(description["columns"]), torch.Generator())
