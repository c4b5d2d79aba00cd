"""Autoregression over haplotype blocks with families: new offspring of inferred parents and of the population."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from genobench import ConditionEncoder, FitContext, Generator, GenobenchError, Genotypes, Sampler, SettingsError, Trial
from genobench.statgen import BlockLayout, phased_haplotypes
from genobench_neural.batches import PackedBatches
from genobench_neural.lineages.autoregression import GameteTraining
from genobench_neural.lineages.gametes import fit_gamete_clusters
from genobench_neural.lineages.parents import Matings, block_size_within, infer_parents, recombination
from genobench_neural.lineages.progeny import MatingTable, ProgenyNetwork, ProgenySize, trait_effects
from genobench_neural.optimising import checked_device
from genobench_neural.sampling import NetworkSampler, load_sampler
from genobench_neural.training import fit_identity, run

if TYPE_CHECKING:
    from pathlib import Path

    from genobench_neural.lineages.parents import ParentalHaplotypes

_MOST_SAMPLES: Final = 4096
"""Parents and clusters are learned from at most so many training samples, drawn at random."""

_FEWEST_GAMETES: Final = 100
_KEPT_SHARE: Final = 0.1
_N_EMBEDDING: Final = 16


@dataclass(frozen=True)
class VirtualProgeny(Generator):
    """New offspring of inferred parents, whose unknown mates carry gametes from an autoregression over haplotype blocks.

    Real samples come in families: all chromosomes of one come from the same few parents. Samples that are mosaics of the whole
    population lie far from all real ones, and mosaics of near training samples betray these. What a family's training samples and their
    unseen sibs share alike is their parents. So the haplotypes of parents with enough offspring are inferred
    (`genobench_neural.lineages.parents`), and a synthetic sample is made by meiosis. A parent who is not known is made up of a gamete of a
    known one and a gamete of the population: an autoregressive network over haplotype clusters, block after block along the genome,
    conditional on trait and covariates (`genobench_neural.lineages.autoregression`), which begins as a Markov chain of clusters.

    Inferred parents do not mate as they did in training, since new full sibs of training samples would betray these; each dam goes to a
    sire whose offspring had like conditions.

    A condition acts in three places: matings are drawn by the conditions of their training offspring, the network is told it, and among
    several meioses of both parents those that suit the trait by the best linear predictor are likelier. Parents are read from the
    columns `sire` and `dam` of the sample table, or from the trait's family; without any, all gametes are the network's and
    the training samples are phased statistically. Haplotypes of parents stand in the saved model: they are private to whoever the
    parents are, though none of them needs to be a training sample.

    Args:
        min_offspring: A parent with fewer training offspring is not inferred, since these would be betrayed.
        block_size: The most variants in a block, within which nobody crosses over.
        block_cm: The most length of a block, in centimorgans, where variants are few; a block has four variants at least.
        n_parent_rounds: Rounds of expectation-maximisation for parents.
        prior: Weight, in gametes, of the family's average in a parent's haplotype.
        n_clusters: Haplotype clusters a block.
        n_cluster_rounds: Rounds of expectation-maximisation for clusters.
        sharpness: Factor on the log-odds of the clusters' alleles; above 1, gametes have fewer alleles that no training gamete had.
        grandparents: Share of made-up parents that have an inferred parent of their own: more make samples more related.
        n_hidden: Size of the network's state.
        training_blocks: Blocks of gametes that the network reads in training; fixes the number of steps. 0: the Markov chain alone.
        batch_size: Gametes a step.
        learning_rate: Of Adam.
        weight_decay: Decoupled from the gradient.
        heritability: Share of the trait's variance that variants are taken to explain.
        n_candidates: Meioses of each parent among which the trait chooses; 1: the trait does not choose.

    References:
        Parents from offspring: Druet T., Georges M. 2010. Genetics 184: 789-798, doi:10.1534/genetics.109.108431 (the same idea with a
        hidden Markov chain); clusters: Scheet P., Stephens M. 2006, doi:10.1086/502802; autoregression over genotypes as language:
        Yelmen B. et al. 2021, doi:10.1371/journal.pgen.1009303, for networks that make up genomes.
    """

    min_offspring: int = 8
    block_size: int = 12
    block_cm: float = 2.0
    n_parent_rounds: int = 8
    prior: float = 1.0
    n_clusters: int = 64
    n_cluster_rounds: int = 10
    sharpness: float = 2.0
    grandparents: float = 0.5
    n_hidden: int = 32
    training_blocks: int = 2_000_000
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    heritability: float = 0.5
    n_candidates: int = 6

    def __post_init__(self) -> None:
        for name, low in _LOWEST.items():
            if not getattr(self, name) >= low:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be at least {low}.")
        for name in ("block_cm", "prior", "sharpness", "learning_rate"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be above 0.")
        if self.grandparents > 1:
            raise SettingsError(f"grandparents is {self.grandparents}; it must be at most 1.")
        if not 0 < self.heritability < 1:
            raise SettingsError(f"heritability is {self.heritability}; it must lie between 0 and 1.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Clusters, families and the trait, around the defaults."""
        return cls(
            min_offspring=trial.suggest_int("min_offspring", 4, 10),
            n_clusters=trial.suggest_int("n_clusters", 32, 96),
            sharpness=trial.suggest_float("sharpness", 1.0, 3.0),
            learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            heritability=trial.suggest_float("heritability", 0.2, 0.8),
            n_candidates=trial.suggest_int("n_candidates", 1, 12),
        )

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if train.n_samples < 2 or train.n_variants < 1:
            raise GenobenchError(
                f"An autoregression needs at least 2 samples and 1 variant; there are {train.n_samples} and {train.n_variants}."
            )
        device = checked_device(context.device)
        random = torch.Generator(device).manual_seed(context.seed)
        size_of_block = block_size_within(train.variants, most_variants=self.block_size, most_cm=self.block_cm)
        layout = BlockLayout.of_variants(train.variants, block_size=size_of_block)
        encoder = ConditionEncoder.of_samples(train.samples, context.trait)
        batches = PackedBatches.of_genotypes(train, layout, device)
        rows = torch.randperm(train.n_samples, generator=random, device=device)[:_MOST_SAMPLES].sort().values
        samples = train.samples.iloc[rows.cpu().numpy()]
        condition = torch.from_numpy(encoder.encode(samples)).to(device)
        matings = Matings.of_samples(samples, context.trait, min_offspring=self.min_offspring)
        fractions = recombination(train.variants, layout).to(device)
        parents = None
        if matings.n_parents:
            parents = infer_parents(
                batches, layout, fractions, matings, rows=rows, n_rounds=self.n_parent_rounds, prior=self.prior, generator=random
            )
        gametes, of_samples = _population_gametes(train, layout, matings, parents, rows=rows, seed=context.seed)
        order = torch.randperm(gametes.shape[1], generator=random, device=device)
        gametes, of_gametes = gametes.to(device)[:, order], condition[of_samples.to(device)][order]
        clusters, tokens = fit_gamete_clusters(
            gametes, layout, n_clusters=self.n_clusters, n_rounds=self.n_cluster_rounds, generator=random
        )
        table = MatingTable.of_matings(matings, condition, encoder, random)
        n_trait = len(encoder.columns[0].classes) or 1
        size = ProgenySize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_parents=matings.n_parents,
            n_matings=len(table.mates),
            n_condition=encoder.width,
            n_trait=n_trait,
            n_clusters=clusters.alleles.shape[1],
            n_embedding=_N_EMBEDDING,
            n_hidden=self.n_hidden,
            n_candidates=self.n_candidates if matings.n_parents else 1,
            sharpness=self.sharpness,
            grandparents=self.grandparents,
            residual=1 - self.heritability / 2,
        )
        network = ProgenyNetwork(size, random)
        network.begin_with(clusters, parents, table, fractions)
        effects, centre = trait_effects(batches, condition[:, :n_trait], rows, heritability=self.heritability)
        network.effects.copy_(effects)
        network.centre.copy_(centre)
        task = GameteTraining(
            network.gametes,
            tokens,
            of_gametes,
            n_kept=int(_KEPT_SHARE * tokens.shape[1]),
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            random=random,
        )
        n_steps = math.ceil(self.training_blocks / (layout.n_blocks * self.batch_size))
        run(
            task,
            n_steps,
            context,
            identity=fit_identity(self, train, context),
            check_every=max(1, n_steps // 8),
            patience=2,
            batch_size=self.batch_size,
        )
        return NetworkSampler(
            network=network.requires_grad_(False).to("cpu").eval(),
            description=asdict(size),
            layout=layout,
            encoder=encoder,
            variants=train.variants,
        )

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


_LOWEST: Final = {
    "min_offspring": 2,
    "block_size": 4,
    "n_parent_rounds": 1,
    "n_clusters": 1,
    "n_cluster_rounds": 0,
    "n_hidden": 1,
    "training_blocks": 0,
    "batch_size": 1,
    "weight_decay": 0,
    "grandparents": 0,
    "n_candidates": 1,
}


def _population_gametes(
    train: Genotypes, layout: BlockLayout, matings: Matings, parents: ParentalHaplotypes | None, *, rows: torch.Tensor, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Phased gametes, uint8, shape (n_blocks, n_gametes, block_size), and the place in `rows` of the sample that got each.

    A gamete of an unknown parent is what is left of a sample without the gamete of the known one; a known parent counts by its
    haplotypes, in the place of all that its offspring got. Where that is too few, all samples are phased statistically.
    """
    n_samples = len(rows)
    if parents is not None:
        is_known = torch.stack([matings.sires, matings.dams]) < matings.n_parents
        is_left = (~is_known & is_known.flip(0)).to(parents.gametes.device)
        left = [parents.gametes[:, side, is_left[side]] for side in range(2)]
        of_left = [torch.nonzero(is_left[side])[:, 0].cpu() for side in range(2)]
        offspring = torch.zeros(matings.n_parents + 1, dtype=torch.long)
        for side in (matings.sires, matings.dams):
            offspring[side] = torch.arange(n_samples)
        gametes = torch.cat([*left, parents.haplotypes.flatten(1, 2)], dim=1)
        of_samples = torch.cat([*of_left, offspring[:-1].repeat_interleave(2)])
        if gametes.shape[1] >= min(_FEWEST_GAMETES, n_samples):
            return gametes, of_samples
    chosen = train if n_samples == train.n_samples else train.take_samples(rows.cpu().numpy())
    phased = phased_haplotypes(chosen, seed=seed).rows(slice(None))
    placed = torch.zeros(2 * n_samples, layout.n_blocks * layout.block_size, dtype=torch.uint8)
    placed[:, torch.from_numpy(layout.place_of)] = torch.from_numpy(phased.astype("uint8"))
    gametes = placed.view(2 * n_samples, layout.n_blocks, layout.block_size).transpose(0, 1)
    return gametes, torch.arange(n_samples).repeat_interleave(2)


def _network(description: dict[str, Any], _is_followed: torch.Tensor) -> ProgenyNetwork:
    return ProgenyNetwork(ProgenySize(**description), torch.Generator())
