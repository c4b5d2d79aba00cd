"""Latent flow: a genome-wide code by flow matching, decoded to haplotype clusters along each chromosome."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from genobench import FitContext, Generator, Genotypes, Sampler, SettingsError, Trial, check_lowest, check_positive
from genobench.statgen import BlockLayout, HaplotypeClusters, cluster_pairs, fit_haplotype_clusters
from genobench_neural.checkpoints import fit_identity
from genobench_neural.flow.chain import ChainTask
from genobench_neural.flow.codes import LatentCodes
from genobench_neural.flow.flow_matching import FlowTask
from genobench_neural.flow.network import LatentFlowNetwork, LatentFlowSize
from genobench_neural.flow.path_counts import PathCounts
from genobench_neural.flow.trait_tilts import covariate_numbers, share_of_tilts, trait_beside, trait_tilts
from genobench_neural.sampling import load_sampler
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class LatentFlow(Generator):
    """Flow matching over a genome-wide code, and a decoder of haplotype clusters whose chances the code shifts.

    A sample is a code (its scores on genome-wide principal components: families, lines, populations) and two paths through haplotype
    clusters along each chromosome. A flow carries normal noise to codes, given trait and covariates (quantitative ones standardised,
    classes one-hot). The decoder walks along each chromosome: the chance of a cluster follows from those before it, the code and the
    condition. Alleles are drawn from the cluster, sharpened at unchanged frequencies.

    A quantitative trait reaches the paths twice: by the code, and by its effect on each cluster in each block, in closed form. That effect
    is scaled until synthetic samples have the training samples' heritability (Haseman and Elston's, shrunken by its standard error), up to
    four times itself: where the clusters do not carry that much, heritability stays below. The fit reports what was wanted and reached.

    For privacy the decoder learns each chromosome from components found without that chromosome (where one chromosome holds most of the
    genome, each piece of it from components without it and its neighbours), from counts without the sample's own, it stops by samples that
    were held back, and codes are given with noise, so that no density peaks at a training sample.

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
        trait_ridge: Penalty of the effects of a quantitative trait on clusters, in haplotypes.
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
    trait_ridge: float = 10.0
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
        identity = fit_identity(self, train, context)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        data = TrainingData.of_genotypes(train, context, layout)
        clusters = fit_haplotype_clusters(data.batches, layout, n_clusters=self.n_clusters, n_rounds=self.n_rounds, generator=data.random)
        size = LatentFlowSize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_condition=data.encoder.width,
            n_clusters=clusters.alleles.shape[1],
            order=self.order,
            n_factors=self.n_factors,
            width=self.width,
            n_residual=self.n_residual,
            ode_steps=self.ode_steps,
        )
        network = LatentFlowNetwork(size, torch.from_numpy(layout.is_followed), data.random)
        alt_frequency = (data.shares[:, 1] / 2 + data.shares[:, 2]).view(layout.n_blocks, layout.block_size)
        network.alleles.copy_(clusters.sharpened(self.sharpness, alt_frequency=alt_frequency).alleles)
        codes = LatentCodes.of_training(train, layout, n_factors=self.n_factors, seed=context.seed)
        chain_task = self._chain_task(network, clusters, codes, data)
        if codes.whole.any():
            self._train(chain_task, self._flow_task(network, codes, data), context, identity)
            self._tilt_by_trait(chain_task, network, data, context)
        return data.sampler(network, dataclasses.asdict(size))

    def _chain_task(self, network: LatentFlowNetwork, clusters: HaplotypeClusters, codes: LatentCodes, data: TrainingData) -> ChainTask:
        """The decoder, begun as the chain of the training samples' paths. A quantitative trait has no part until it is trained."""
        paths = torch.from_numpy(cluster_pairs(data.batches, data.layout, clusters, generator=data.random)).to(data.device)
        counts = PathCounts.of_paths(paths, clusters, network.chain.n_before, order=self.order, prior=self.chain_prior)
        network.chain.log_transitions.copy_(counts.log_transitions())
        held_back = torch.randperm(data.n_samples, generator=data.random, device=data.device)[: int(data.n_samples * _HELD_BACK)]
        trait = _quantitative_trait(data)
        condition = data.condition if trait is None else covariate_numbers(data.condition, trait)
        return ChainTask(
            network.chain,
            counts,
            paths,
            codes=torch.cat([codes.without.to(data.device), condition.expand(len(codes.without), -1, -1)], dim=-1),
            part_of=codes.part_of.to(data.device),
            held_back=held_back,
            learning_rate=self.chain_rate,
            ridge=self.ridge,
            random=data.random,
        )

    def _flow_task(self, network: LatentFlowNetwork, codes: LatentCodes, data: TrainingData) -> FlowTask:
        return FlowTask(
            network.velocity,
            codes.whole.to(data.device),
            data.condition,
            smoothing=self.smoothing,
            batch_size=self.batch_size,
            learning_rate=self.flow_rate,
            n_steps=self.flow_steps,
            random=data.random,
        )

    def _train(self, chain_task: ChainTask, flow_task: FlowTask, context: FitContext, identity: str) -> None:
        n_steps = self._decoder_steps(chain_task)
        run(
            chain_task,
            n_steps,
            context,
            identity=identity,
            check_every=_steps_per_epoch(chain_task),
            patience=_PATIENCE,
            batch_size=chain_task.batch_size,
            stage="decoder",
            steps_after=self.flow_steps,
        )
        run(
            flow_task,
            self.flow_steps,
            context,
            identity=identity,
            batch_size=self.batch_size,
            stage="flow",
            steps_before=n_steps,
        )
        flow_task.average.install()

    def _tilt_by_trait(self, task: ChainTask, network: LatentFlowNetwork, data: TrainingData, context: FitContext) -> None:
        """Let a quantitative trait change clusters' log-odds until samples have the training samples' heritability."""
        trait = _quantitative_trait(data)
        if trait is None:
            return
        values, weights = trait_beside(data.condition, trait)
        tilts = torch.zeros_like(network.chain.loadings)
        tilts[:, network.size.n_factors :] = weights[:, None] * trait_tilts(task, values, ridge=self.trait_ridge)[:, None]
        with torch.no_grad():
            others = covariate_numbers(data.condition, trait)
            found = share_of_tilts(network, network.chain.loadings, tilts, data, values=values, others=others)
            network.chain.loadings.add_(tilts, alpha=found.share)
        n_steps = self._decoder_steps(task) + self.flow_steps
        heritability = {"heritability wanted": found.wanted, "heritability reached": found.reached}
        context.report(n_steps, {**heritability, "total_steps": float(n_steps)})

    def _decoder_steps(self, task: ChainTask) -> int:
        return self.chain_epochs * _steps_per_epoch(task)

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


_MOST_CLUSTERS: Final = 256
"""Paths are kept as bytes."""

_MOST_MEMORY: Final = 3
_HELD_BACK: Final = 0.1
"""Share of the training samples by which the decoder stops."""

_PATIENCE: Final = 3
"""Epochs without a lower loss of the samples held back before it stops."""

_LOWEST: Final = {
    "n_factors": 1,
    "block_size": 4,
    "n_clusters": 1,
    "n_rounds": 0,
    "order": 1,
    "chain_prior": 0.1,
    "chain_epochs": 0,
    "ridge": 0,
    "trait_ridge": 0.1,
    "flow_steps": 0,
    "width": 1,
    "n_residual": 0,
    "smoothing": 0,
    "ode_steps": 1,
    "batch_size": 1,
}


def _quantitative_trait(data: TrainingData) -> slice | None:
    """The place of the trait's number in a condition; None for a trait with classes."""
    trait = data.encoder.columns[0]
    return None if trait.classes else data.encoder.slices()[trait.name]


def _steps_per_epoch(task: ChainTask) -> int:
    return -(-len(task.trained) // task.batch_size)


def _network(description: dict[str, Any], is_followed: torch.Tensor) -> LatentFlowNetwork:
    return LatentFlowNetwork(LatentFlowSize(**description), is_followed, torch.Generator())
