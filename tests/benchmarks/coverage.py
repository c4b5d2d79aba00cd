"""How often the 95 % intervals of the main scores hold what further draws give on average, and how wide they are.

`python tests/benchmarks/coverage.py`, about three minutes on one core. Not a test. Half-sib families of six in a population with linkage
and some inbreeding; a tenth of the synthetic samples are copies of training samples, the others new samples whose frequencies are nearer to
one half. All samples are drawn anew each time. Scores whose errors leave out samples are drawn on one genome; scores whose errors leave out
blocks of the genome on a new one each time, since that is the noise that their errors speak of. For each score: its mean, the spread of its
values, the errors (their root mean square) over the spread, and the share of intervals that held the mean.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from genobench.answers import Answers
from genobench.calls import PackedCalls
from genobench.contracts import Comparison, Trait
from genobench.evaluation import _error_of
from genobench.genotypes import Genotypes
from genobench.registry import load_registry
from genobench.splitting.drawing import spread_over_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.contracts import Score
    from genobench.registry import Registry

OF_SAMPLES: Final = {
    "membership-distance": ("membership_auc", "membership_advantage", "membership_tpr_at_10pct_fpr", "worst_hit_share"),
    "calibrated-distance": ("calibrated_auc",),
    "learned-attack": ("learned_auc",),
    "kinship-replay": ("kinship_replay",),
    "hidden-variants": ("hidden_variant_inference",),
    "frequency-lr": ("frequency_lr_auc",),
    "precision-recall": ("precision", "recall", "precision_recall_f1", "density", "coverage"),
    "aats": ("aats",),
    "two-sample-test": ("two_sample_auc",),
    "heterozygosity": ("heterozygosity_distance", "f_distance", "f_variance_ratio"),
    "homozygosity": ("f_roh_distance", "roh_number_distance"),
    "pca": ("pca_distance", "pca_spectrum_error"),
    "relatedness": ("relatedness_distribution_error",),
}
OF_VARIANTS: Final = {
    "allele-frequency": ("allele_frequency_error", "allele_frequency_correlation", "genotype_frequency_error"),
    "hardy-weinberg": ("f_is_error", "hwe_departure"),
    "ld-decay": ("ld_decay_error", "ld_r2_100kb"),
    "ld-agreement": ("ld_correlation_near", "ld_score_correlation"),
    "fst": ("fst_hudson", "fst_weir_cockerham"),
    "imputation": ("imputation_r2",),
}
N_CHROMOSOMES: Final = 10
VARIANTS_PER_CHROMOSOME: Final = 150
SPACING_BP: Final = 50_000
CORRELATION: Final = 0.9
INBRED_SHARE: Final = 0.2
FAMILY_SIZE: Final = 6
N_TRAINING: Final = 480
N_NONMEMBERS: Final = 120
N_JUDGED: Final = 120
COPIED_SHARE: Final = 0.1
TRAIT: Final = Trait(column="weight", kind="quantitative")
VARIANTS: Final = pd.DataFrame(
    {
        "chromosome": np.repeat([str(number + 1) for number in range(N_CHROMOSOMES)], VARIANTS_PER_CHROMOSOME),
        "position_bp": np.tile(np.arange(1, VARIANTS_PER_CHROMOSOME + 1) * SPACING_BP, N_CHROMOSOMES),
        "id": [f"v{number}" for number in range(N_CHROMOSOMES * VARIANTS_PER_CHROMOSOME)],
        "ref": "A",
        "alt": "C",
    }
)


def haplotypes(n: int, cuts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """ALT where a chain of correlated normal numbers lies below the variant's cut, shape (n, n_variants)."""
    noise = rng.normal(size=(n, N_CHROMOSOMES, VARIANTS_PER_CHROMOSOME))
    for place in range(1, VARIANTS_PER_CHROMOSOME):
        noise[:, :, place] = CORRELATION * noise[:, :, place - 1] + np.sqrt(1 - CORRELATION**2) * noise[:, :, place]
    return (noise.reshape(n, -1) < cuts).astype(np.int8)


def families(n_samples: int, cuts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """Calls of half sibs: a recombined haplotype of the family's sire, and one of the population or, where inbred, the same again."""
    family = np.arange(n_samples) // FAMILY_SIZE
    sires = haplotypes(2 * (family[-1] + 1), cuts, rng).reshape(-1, 2, len(cuts))
    crossover = rng.integers(VARIANTS_PER_CHROMOSOME, size=(n_samples, N_CHROMOSOMES, 1))
    first = rng.integers(2, size=(n_samples, N_CHROMOSOMES, 1))
    which = (first ^ (np.arange(VARIANTS_PER_CHROMOSOME) >= crossover)).reshape(n_samples, 1, -1)
    paternal = np.take_along_axis(sires[family], which, axis=1)[:, 0]
    maternal = haplotypes(n_samples, cuts, rng)
    is_inbred = np.repeat(rng.random((n_samples, N_CHROMOSOMES)) < INBRED_SHARE, VARIANTS_PER_CHROMOSOME, axis=1)
    return paternal + np.where(is_inbred, paternal, maternal)


def genotypes(calls: NDArray[np.int8]) -> Genotypes:
    """Calls with ids."""
    samples = pd.DataFrame({"id": [f"s{number}" for number in range(len(calls))]})
    return Genotypes(calls=PackedCalls.from_calls(np.ascontiguousarray(calls)), samples=samples, variants=VARIANTS)


def drawn(rng: np.random.Generator, cuts: NDArray[np.float64]) -> Comparison:
    """One draw of everything."""
    family = np.arange(N_TRAINING) // FAMILY_SIZE
    is_nonmember = spread_over_groups(family, N_NONMEMBERS, rng)
    calls = families(N_TRAINING, cuts, rng)
    train, nonmembers = calls[~is_nonmember], calls[is_nonmember]
    synthetic = families(N_JUDGED, 0.9 * cuts, rng)
    n_copied = round(COPIED_SHARE * N_JUDGED)
    synthetic[rng.permutation(N_JUDGED)[:n_copied]] = train[rng.permutation(len(train))[:n_copied]]
    return Comparison(
        trait=TRAIT,
        train=genotypes(train),
        holdout=genotypes(families(N_JUDGED, cuts, rng)),
        nonmembers=genotypes(nonmembers),
        synthetic=genotypes(synthetic),
        groups={"train": family[~is_nonmember], "nonmembers": family[is_nonmember], "holdout": np.arange(N_JUDGED) // FAMILY_SIZE},
    )


def scored(comparison: Comparison, registry: Registry, metrics: dict[str, tuple[str, ...]], seed: int) -> list[Score]:
    """The scores of one draw, in the order of the table."""
    answers = Answers(registry, comparison.train)
    scores = []
    for name, wanted in metrics.items():
        metric = registry.load("metric", f"genobench/{name}")()
        results = {request: answers.answer(request, comparison) for request in metric.needs(TRAIT)}
        given = {score.name: score for score in metric.score(replace(comparison, results=results), seed=seed)}
        scores += [given[score] for score in wanted]
    return scores


def main() -> None:
    """Print a line for each score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="how many draws of everything")
    n_draws = parser.parse_args().draws
    registry, rng = load_registry(), np.random.default_rng(11)
    n_variants = N_CHROMOSOMES * VARIANTS_PER_CHROMOSOME
    fixed = rng.uniform(-1.3, 1.3, n_variants)
    print("| score | mean | spread | errors / spread | nominal | held |\n|---|---|---|---|---|---|")
    for metrics, is_fixed in ((OF_SAMPLES, True), (OF_VARIANTS, False)):
        draws = [
            scored(drawn(rng, fixed if is_fixed else rng.uniform(-1.3, 1.3, n_variants)), registry, metrics, seed)
            for seed in range(n_draws)
        ]
        for column in zip(*draws, strict=True):
            values = np.array([score.value for score in column])
            errors = [_error_of({"standard_error": score.standard_error, "interval": score.interval}) for score in column]
            known = np.array([error for error in errors if error is not None])
            bounds = np.array([bound(score, error) for score, error in zip(column, errors, strict=True) if error is not None])
            held = np.mean((bounds[:, 0] <= values.mean()) & (values.mean() <= bounds[:, 1])) if len(bounds) else np.nan
            spread = values.std(ddof=1)
            ratio = np.sqrt(np.mean(known**2)) / spread if len(known) and spread else np.nan
            print(
                f"| {column[0].name} | {values.mean():.4f} | {spread:.4f} | {ratio:.2f} | .95 | {held:.3f} of {len(bounds)} |", flush=True
            )


def bound(score: Score, error: float) -> tuple[float, float]:
    """The interval as stated, or by the standard error."""
    return score.interval if score.interval is not None else (score.value - 1.96 * error, score.value + 1.96 * error)


if __name__ == "__main__":
    main()
