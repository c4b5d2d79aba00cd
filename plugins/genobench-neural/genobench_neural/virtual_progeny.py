"""Offspring of inferred parents who did not mate in training, and of parents made up from haplotype clusters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from genobench import FitContext, Generator, Genotypes, Sampler, Trial, check_lowest, check_positive, check_share
from genobench.statgen import BlockLayout, HaplotypeClusters, fit_gamete_clusters, phased_haplotypes
from genobench_neural.lineages.matings import Matings, MatingTable
from genobench_neural.lineages.parents import infer_parents, recombination
from genobench_neural.lineages.populations import population_columns, population_leanings
from genobench_neural.lineages.predictor import fit_predictor
from genobench_neural.lineages.progeny import ProgenyNetwork, ProgenySize
from genobench_neural.sampling import load_sampler
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from genobench_neural.lineages.parents import ParentalHaplotypes
    from genobench_neural.lineages.predictor import TraitPredictor

_MOST_SAMPLES: Final = 4096
"""Parents, clusters and effects are learned from at most so many training samples, drawn at random."""

_FEWEST_GAMETES: Final = 384
"""With 12 gametes a cluster, 32 clusters; where families give fewer gametes, all samples are phased statistically."""

_N_CLUSTER_ROUNDS: Final = 10

_PRIOR_OF_MOVES: Final = 0.1
"""Gametes that move from a cluster as they were learned to, beside those that are read to pass it."""


@dataclass(frozen=True)
class VirtualProgeny(Generator):
    """Samples made by meiosis of parents whose haplotypes are inferred from their training offspring.

    What a family's training samples have in common with its unseen members is their parents. So the haplotypes of parents are inferred
    by expectation-maximisation (`lineages.parents`), a synthetic sample gets a gamete of each of two parents, and no two parents mate
    who have training offspring together: these would be full sibs of training samples.

    A parent with few offspring is not used, since what is inferred of it is nearer to these than to other offspring. In its place stands
    one who is made up: of a walk along haplotype clusters of all inferred gametes, and of a gamete of another inferred parent or
    another walk. Without families, all gametes are such walks, and training samples are phased statistically.

    The trait and the covariates come in twice. Matings are drawn by the covariates of the training offspring. Then some gametes of
    some matings are tried, and a pair is drawn by how well its value in the best linear predictor suits the trait; the predictor is scaled
    such that synthetic samples have the genomic heritability of training.

    Parents are read from the columns `sire` and `dam` of the sample table, or from the trait's family. The saved model holds haplotypes
    of parents, who need not be training samples but have privacy of their own.

    Args:
        min_offspring: A parent with fewer training offspring is not used. Attacks on relatives find samples whose parents had 8 or 12.
        block_size: The most variants in a block, within which nobody crosses over.
        n_clusters: Haplotype clusters a block; fewer where there would not be a dozen gametes for each.
        sharpness: Factor on the log-odds of the clusters' alleles; above 1, gametes have fewer alleles that no training gamete had.
        grandparents: Share of made-up parents that have an inferred parent of their own: more make samples more related.
        n_matings: Matings a sample among which the trait chooses.
        n_meioses: Meioses of each of their parents among which the trait chooses.

    References:
        Parents from offspring: Druet T., Georges M. 2010. Genetics 184: 789-798, doi:10.1534/genetics.109.108431 (the same idea with a
        hidden Markov chain); clusters: Scheet P., Stephens M. 2006, doi:10.1086/502802; the predictor: Meuwissen T. et al. 2001,
        doi:10.1093/genetics/157.4.1819.
    """

    min_offspring: int = 20
    block_size: int = 12
    n_clusters: int = 64
    sharpness: float = 2.0
    grandparents: float = 0.25
    n_matings: int = 8
    n_meioses: int = 4

    def __post_init__(self) -> None:
        check_lowest(self, {"min_offspring": 2, "block_size": 4, "n_clusters": 1, "n_matings": 1, "n_meioses": 1})
        check_positive(self, ["sharpness"])
        check_share(self, ["grandparents"])

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Clusters, families and the trait, around the defaults."""
        return cls(
            min_offspring=trial.suggest_int("min_offspring", 12, 32),
            n_clusters=trial.suggest_int("n_clusters", 32, 96),
            sharpness=trial.suggest_float("sharpness", 1.0, 3.0),
            grandparents=trial.suggest_float("grandparents", 0.0, 1.0),
            n_matings=trial.suggest_int("n_matings", 1, 16),
        )

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples; nothing is trained step by step, so validation samples are not needed."""
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        data = TrainingData.of_genotypes(train, context, layout)
        rows = torch.randperm(data.n_samples, generator=data.random, device=data.device)[:_MOST_SAMPLES].sort().values
        samples, condition = train.samples.iloc[rows.cpu().numpy()], data.condition[rows]
        matings = Matings.of_samples(samples, context.trait)
        fractions = recombination(train.variants, layout).to(data.device)
        parents = infer_parents(data.batches, layout, fractions, matings, rows=rows, generator=data.random)
        gametes, of_gametes = _population_gametes(data, matings, parents, rows=rows, seed=context.seed)
        clusters, tokens = fit_gamete_clusters(
            gametes, layout, n_clusters=self.n_clusters, n_rounds=_N_CLUSTER_ROUNDS, generator=data.random
        )
        predictor = _predictor(data, samples[context.trait.column].notna().to_numpy(), rows)
        populations = population_columns(condition, data.encoder, predictor.is_population)
        n_clusters = clusters.alleles.shape[1]
        is_used = matings.n_offspring() >= self.min_offspring
        table = MatingTable.of_matings(
            matings.of_parents(is_used), condition, data.encoder, is_population=predictor.is_population, generator=data.random
        )
        size = ProgenySize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_parents=int(is_used.sum()),
            n_matings=len(table.mates),
            n_condition=data.encoder.width,
            n_trait=data.encoder.columns[0].width,
            n_clusters=n_clusters,
            n_tried=self.n_matings,
            n_meioses=self.n_meioses,
            grandparents=self.grandparents,
        )
        network = ProgenyNetwork(size, data.device)
        leanings = population_leanings(tokens, condition[of_gametes], data.encoder, populations, n_clusters=n_clusters)
        haplotypes = parents.haplotypes[:, is_used.to(data.device)]
        network.begin_with(
            with_counted_moves(clusters, tokens, layout).sharpened(self.sharpness),
            leanings=leanings,
            haplotypes=haplotypes,
            table=table,
            fractions=fractions,
        )
        network.predict_with(predictor, condition, data.random)
        return data.sampler(network, asdict(size))

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


def _predictor(data: TrainingData, has_trait: NDArray[np.bool_], rows: torch.Tensor) -> TraitPredictor:
    """From the samples among `rows` that have the trait, or all where fewer than two have."""
    chosen = rows[torch.tensor(has_trait, device=data.device)] if has_trait.sum() > 1 else rows
    columns = data.encoder.columns
    is_class = torch.tensor([bool(column.classes) for column in columns for _ in range(column.width)])
    return fit_predictor(data.batches, data.condition[chosen], chosen, n_trait=columns[0].width, is_class=is_class, generator=data.random)


def _population_gametes(
    data: TrainingData, matings: Matings, parents: ParentalHaplotypes, *, rows: torch.Tensor, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Phased gametes, uint8, shape (n_blocks, n_gametes, block_size), and the place in `rows` of a sample that has the condition of each.

    A gamete of an unknown parent is what is left of a sample without the gamete of the known one; a known parent counts by its
    haplotypes, in the place of all that its offspring got. Where that is too few, all samples are phased statistically.
    """
    n_samples = len(rows)
    is_known = torch.stack([matings.sires, matings.dams]) < matings.n_parents
    is_left = ~is_known & is_known.flip(0)
    left = [parents.gametes[:, side, is_left[side].to(data.device)] for side in range(2)]
    gametes = torch.cat([*left, parents.haplotypes.flatten(1, 2)], dim=1)
    if gametes.shape[1] >= _FEWEST_GAMETES:
        offspring = [int(torch.nonzero((matings.sires == k) | (matings.dams == k))[0, 0]) for k in range(matings.n_parents)]
        of_parents = torch.tensor(offspring, dtype=torch.long).repeat_interleave(2)
        of_left = [torch.nonzero(is_left[side])[:, 0] for side in range(2)]
        return gametes, torch.cat([*of_left, of_parents]).to(data.device)
    train = data.genotypes
    chosen = train if n_samples == train.n_samples else train.take_samples(rows.cpu().numpy())
    phased = phased_haplotypes(chosen, seed=seed).rows(slice(None)).astype("uint8")
    gametes = torch.from_numpy(data.layout.placed(phased, 0)).transpose(0, 1).to(data.device)
    return gametes, torch.arange(n_samples, device=data.device).repeat_interleave(2)


def with_counted_moves(clusters: HaplotypeClusters, tokens: torch.Tensor, layout: BlockLayout) -> HaplotypeClusters:
    """The clusters with transitions as gametes pass them, with a lighter prior than they were learned with.

    The prior with which clusters are learned lets a walk leave a dozen gametes at every block with a chance of 1 in 13, which is more than
    linkage allows.

    Args:
        clusters: As they were learned.
        tokens: Cluster of each gamete, shape (n_blocks, n_gametes).
        layout: Where the variants lie.
    """
    n_clusters = clusters.alleles.shape[1]
    transitions = clusters.transitions.clone()
    for block in range(1, layout.n_blocks):
        if layout.is_followed[block - 1]:
            moves = torch.bincount(tokens[block - 1] * n_clusters + tokens[block], minlength=n_clusters**2).view(n_clusters, -1)
            weights = moves + _PRIOR_OF_MOVES * clusters.transitions[block]
            transitions[block] = weights / weights.sum(dim=1, keepdim=True)
    return HaplotypeClusters(alleles=clusters.alleles, transitions=transitions)


def _network(description: dict[str, Any], _is_followed: torch.Tensor) -> ProgenyNetwork:
    return ProgenyNetwork(ProgenySize(**description))
