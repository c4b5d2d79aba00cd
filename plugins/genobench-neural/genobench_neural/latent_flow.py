"""Latent flow: a genome-wide code by flow matching, decoded to haplotype clusters along each chromosome."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from genobench import (
    ConditionEncoder,
    FitContext,
    Generator,
    GenobenchError,
    Genotypes,
    Sampler,
    SettingsError,
    Trial,
    check_lowest,
    check_positive,
)
from genobench.statgen import BlockLayout, cluster_pairs, fit_haplotype_clusters, genotype_counts
from genobench_neural.batches import PackedBatches
from genobench_neural.codes.chain import ChainTask, CodeChain
from genobench_neural.codes.flow_matching import FlowTask, VelocityNetwork, carried
from genobench_neural.codes.latent_codes import chromosome_of_blocks, codes_by_chromosome
from genobench_neural.optimising import checked_device
from genobench_neural.sampling import GenotypeNetwork, NetworkSampler, load_sampler
from genobench_neural.training import fit_identity, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class LatentFlow(Generator):
    """Flow matching over a genome-wide code, and a decoder of haplotype clusters that the code bends.

    A sample is a code (its scores on genome-wide principal components: families, lines, populations) and two paths through haplotype
    clusters along each chromosome. A flow carries normal noise to codes, given trait and covariates (quantitative ones standardised,
    classes one-hot). The decoder walks along each chromosome: the chance of a cluster follows from those before it, the code and the
    condition. Alleles are drawn from the cluster, sharpened.

    For privacy the decoder learns each chromosome from codes in which that chromosome has no part, it stops by samples that were held
    back, and codes are seen with noise, so that no density peaks at a training sample.

    Args:
        n_factors: Numbers of the code.
        block_size: The most variants in a block, within which a haplotype does not change its cluster.
        n_clusters: Haplotype clusters of each block.
        n_rounds: Rounds of expectation-maximisation.
        order: Blocks of memory of the chain of clusters.
        chain_prior: Haplotypes that the chain of one order less counts for; more follow training samples less closely.
        sharpness: Factor on the log-odds of the clusters' alleles: above 1 undoes what averaging over few calls blurs.
        chain_epochs: The most often that the decoder sees a sample.
        chain_rate: Learning rate of the decoder's Adam.
        ridge: Penalty of the decoder's squared loadings.
        flow_steps: Updates of the flow.
        flow_rate: Learning rate of the flow's Adam; it falls to 0.
        width: Of the flow's network.
        n_residual: Residual layers of the flow's network.
        smoothing: Standard deviation of the noise on codes while the flow learns them, in their own.
        ode_steps: Steps of Heun's method in generation.
        batch_size: Samples a batch of the flow.

    References:
        Lipman, Chen, Ben-Hamu, Nickel and Le 2023, Flow matching for generative modeling, arXiv:2210.02747.
        Scheet and Stephens 2006, doi:10.1086/502802 (haplotype clusters).
    """

    n_factors: int = 8
    block_size: int = 32
    n_clusters: int = 20
    n_rounds: int = 12
    order: int = 2
    chain_prior: float = 10.0
    sharpness: float = 4.0
    chain_epochs: int = 60
    chain_rate: float = 0.01
    ridge: float = 1.0
    flow_steps: int = 1500
    flow_rate: float = 2e-3
    width: int = 128
    n_residual: int = 2
    smoothing: float = 0.2
    ode_steps: int = 20
    batch_size: int = 256

    def __post_init__(self) -> None:
        check_lowest(self, _LOWEST)
        check_positive(self, ("sharpness", "chain_rate", "flow_rate"))
        if self.order > _MOST_MEMORY:
            raise SettingsError(f"order is {self.order}; it must be at most {_MOST_MEMORY}, since the chain has n_clusters ** order rows.")
        if self.n_clusters > _MOST_CLUSTERS:
            raise SettingsError(f"n_clusters is {self.n_clusters}; it must be at most {_MOST_CLUSTERS}.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Size of the code, clusters, and how much both are smoothed."""
        return cls(
            n_factors=trial.suggest_categorical("n_factors", [4, 8, 16, 32]),
            n_clusters=trial.suggest_categorical("n_clusters", [16, 20, 24]),
            order=trial.suggest_int("order", 1, 2),
            sharpness=trial.suggest_float("sharpness", 2.0, 6.0),
            ridge=trial.suggest_float("ridge", 0.1, 10.0, log=True),
            smoothing=trial.suggest_float("smoothing", 0.05, 0.5, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if train.n_samples < 2 or train.n_variants < 1:
            raise GenobenchError(
                f"A latent flow needs at least 2 samples and 1 variant; there are {train.n_samples} and {train.n_variants}."
            )
        device = checked_device(context.device)
        random = torch.Generator(device).manual_seed(context.seed)
        identity = fit_identity(self, train, context)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        encoder = ConditionEncoder.of_samples(train.samples, context.trait)
        condition = torch.from_numpy(encoder.encode(train.samples)).to(device)
        batches = PackedBatches.of_genotypes(train, layout, device)
        clusters = fit_haplotype_clusters(batches, layout, n_clusters=self.n_clusters, n_rounds=self.n_rounds, generator=random)
        size = LatentFlowSize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_condition=encoder.width,
            n_clusters=clusters.alleles.shape[1],
            order=self.order,
            n_factors=self.n_factors,
            width=self.width,
            n_residual=self.n_residual,
            ode_steps=self.ode_steps,
        )
        network = LatentFlowNetwork(size, torch.from_numpy(layout.is_followed), random)
        paths = torch.from_numpy(cluster_pairs(batches, layout, clusters, generator=random)).to(device)
        network.chain.begin_with(clusters, paths, prior=self.chain_prior)
        network.alleles.copy_(torch.sigmoid(self.sharpness * clusters.alleles.logit(eps=_SMALLEST)))
        if _varies(train):
            whole, without, names = codes_by_chromosome(train, n_factors=self.n_factors, seed=context.seed)
            held_back = torch.randperm(train.n_samples, generator=random, device=device)[: int(train.n_samples * _HELD_BACK)]
            chain_task = ChainTask(
                network.chain,
                paths,
                torch.cat([without.to(device), condition.expand(len(without), -1, -1)], dim=-1),
                chromosome_of_blocks(train, layout, names).to(device),
                held_back=held_back,
                learning_rate=self.chain_rate,
                ridge=self.ridge,
                random=random,
            )
            flow_task = FlowTask(
                network.velocity,
                whole.to(device),
                condition,
                smoothing=self.smoothing,
                batch_size=self.batch_size,
                learning_rate=self.flow_rate,
                n_steps=self.flow_steps,
                random=random,
            )
            self._train(chain_task, flow_task, context, identity)
        return NetworkSampler(
            network=network.requires_grad_(False).to("cpu").eval(),
            description=dataclasses.asdict(size),
            layout=layout,
            encoder=encoder,
            variants=train.variants,
        )

    def _train(self, chain_task: ChainTask, flow_task: FlowTask, context: FitContext, identity: str) -> None:
        per_epoch = -(-len(chain_task.trained) // chain_task.batch_size)
        n_steps = self.chain_epochs * per_epoch
        total = n_steps + self.flow_steps
        run(
            chain_task,
            n_steps,
            _reporting(context, after=0, total=total),
            identity=identity,
            check_every=per_epoch,
            patience=_PATIENCE,
            batch_size=chain_task.batch_size,
            stage="decoder",
        )
        run(
            flow_task,
            self.flow_steps,
            _reporting(context, after=n_steps, total=total),
            identity=identity,
            batch_size=self.batch_size,
            stage="flow",
        )
        flow_task.average.install()

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


_MOST_CLUSTERS: Final = 256
_MOST_MEMORY: Final = 3
_HELD_BACK: Final = 0.1
_PATIENCE: Final = 3
_SMALLEST: Final = 1e-5

_LOWEST: Final = {
    "n_factors": 1,
    "block_size": 4,
    "n_clusters": 1,
    "n_rounds": 0,
    "order": 1,
    "chain_prior": 0.1,
    "chain_epochs": 0,
    "ridge": 0,
    "flow_steps": 0,
    "width": 1,
    "n_residual": 0,
    "smoothing": 0,
    "ode_steps": 1,
    "batch_size": 1,
}


@dataclass(frozen=True)
class LatentFlowSize:
    """What fixes the shapes of a `LatentFlowNetwork`; `LatentFlow` says what each is."""

    n_blocks: int
    block_size: int
    n_condition: int
    n_clusters: int
    order: int
    n_factors: int
    width: int
    n_residual: int
    ode_steps: int


class LatentFlowNetwork(GenotypeNetwork):
    """Noise to a code, code and condition to paths, paths to alleles.

    Args:
        size: Shapes.
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        generator: Draws the first weights.
    """

    alleles: torch.Tensor

    def __init__(self, size: LatentFlowSize, is_followed: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.size, device = size, generator.device
        self.chain = CodeChain(
            is_followed, n_clusters=size.n_clusters, order=size.order, n_code=size.n_factors + size.n_condition, device=device
        )
        self.velocity = VelocityNetwork(
            n_latent=size.n_factors,
            n_condition=size.n_condition,
            width=size.width,
            n_residual=size.n_residual,
            generator=generator,
            device=device,
        )
        self.register_buffer("alleles", torch.zeros(size.n_blocks, size.n_clusters, size.block_size, device=device))

    @torch.no_grad()
    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        noise = torch.randn(len(condition), self.size.n_factors, generator=generator, device=condition.device)
        code = carried(lambda x, t: self.velocity(x, t, condition), noise, n_steps=self.size.ode_steps)
        paths = self.chain.walk(torch.cat([code, condition], dim=1), generator)
        calls = torch.zeros(self.size.n_blocks, len(condition), self.size.block_size, dtype=torch.uint8, device=condition.device)
        for haplotype in range(2):
            chosen = paths[:, :, haplotype, None].expand(-1, -1, self.size.block_size)
            p = self.alleles.gather(1, chosen)
            calls += (torch.rand(p.shape, generator=generator, device=p.device) < p).byte()
        return calls


def _reporting(context: FitContext, *, after: int, total: int) -> FitContext:
    """The context of one stage, whose steps are counted after those of the stages before it."""

    def report(step: int, losses: Mapping[str, float]) -> None:
        context.report(after + step, {**losses, "total_steps": float(total)})

    return dataclasses.replace(context, report=report)


def _varies(train: Genotypes) -> bool:
    """Whether some variant has two alleles among the calls, so that there are components."""
    counts = genotype_counts(train.calls)
    n_alt = counts[1] + 2 * counts[2]
    return bool(((n_alt > 0) & (n_alt < 2 * counts.sum(axis=0))).any())


def _network(description: dict[str, Any], is_followed: torch.Tensor) -> LatentFlowNetwork:
    return LatentFlowNetwork(LatentFlowSize(**description), is_followed, torch.Generator())
