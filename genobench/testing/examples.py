"""Small genotypes to try a plugin on: linkage disequilibrium, half-sib families, one trait of each kind. Simulated here, with numpy alone.

A haplotype is a Gaussian first-order autoregression along each chromosome, cut at the quantile of the allele frequency, so that r2 falls
with distance. Each family shares a sire: a sample's first haplotype is one of the sire's two, the second is a fresh one.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.answers import Answers
from genobench.calls import MISSING, PackedCalls
from genobench.contracts import Comparison, FitContext, Prediction, Predictions, Trait
from genobench.genotypes import Genotypes
from genobench.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from genobench.calls import Calls, Indices
    from genobench.contracts import Request, TraitKind

EXAMPLE_TRAITS: Final[Mapping[TraitKind, Trait]] = MappingProxyType(
    {
        "quantitative": Trait(column="weight", kind="quantitative", covariates=("sex",), family="family"),
        "categorical": Trait(column="coat", kind="categorical", classes=("red", "white"), covariates=("sex",), family="family"),
        "ordinal": Trait(column="grade", kind="ordinal", classes=("low", "medium", "high"), covariates=("sex",), family="family"),
    }
)
"""A trait of each kind, all of them in the sample table of `example_genotypes`."""

_SPACING_BP: Final = 50_000
_LD_RANGE_BP: Final = 200_000
_SAMPLES_PER_FAMILY: Final = 6
_N_CAUSAL: Final = 10


def example_genotypes(
    *, n_samples: int = 96, n_variants: int = 60, n_constant: int = 0, missing_share: float = 0.0, seed: int = 1
) -> Genotypes:
    """Genotypes on two chromosomes, 50 kb between variants, in families of six.

    Args:
        n_samples: Number of samples.
        n_variants: Number of variants; the first half lies on chromosome 1.
        n_constant: So many variants, the first ones, have one genotype in all samples (0 and 2 in turn).
        missing_share: Share of calls that are missing, at random.
        seed: Same seed, same genotypes.

    Returns:
        Genotypes whose sample table has `id`, `sex`, `family` and the columns of `EXAMPLE_TRAITS`.

    Example:
        >>> genotypes = example_genotypes(n_samples=12)
        >>> genotypes.calls.shape
        (12, 60)
        >>> list(genotypes.samples.columns)
        ['id', 'sex', 'family', 'weight', 'coat', 'grade']
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    frequencies = rng.uniform(0.1, 0.9, n_variants)
    frequencies[:n_constant] = np.arange(n_constant) % 2
    chromosomes = np.where(np.arange(n_variants) < (n_variants + 1) // 2, "1", "2")
    effects = np.zeros(n_variants)
    n_causal = min(_N_CAUSAL, n_variants)
    effects[rng.choice(n_variants, n_causal, replace=False)] = rng.normal(size=n_causal)

    family = np.arange(n_samples) // _SAMPLES_PER_FAMILY
    sires = _haplotypes(2 * (int(family.max(initial=0)) + 1), frequencies, chromosomes, rng)
    calls = sires[2 * family + rng.integers(2, size=n_samples)] + _haplotypes(n_samples, frequencies, chromosomes, rng)
    samples = pd.DataFrame(
        {
            "id": [f"sample{row:04d}" for row in range(n_samples)],
            "sex": rng.choice(np.array(["female", "male"], dtype=object), n_samples),
            "family": [f"family{number:03d}" for number in family],
            **_phenotypes(calls @ effects, rng),
        }
    )
    variants = pd.DataFrame(
        {
            "chromosome": chromosomes.astype(object),
            "position_bp": _SPACING_BP * (1 + np.arange(n_variants) - np.where(chromosomes == "2", (n_variants + 1) // 2, 0)),
            "id": [f"variant{column:04d}" for column in range(n_variants)],
            "ref": "A",
            "alt": "G",
        }
    )
    calls[rng.random(calls.shape) < missing_share] = MISSING
    return Genotypes(calls=calls, samples=samples, variants=variants)


def genotypes_of(calls: Calls) -> Genotypes:
    """Calls of one's own between the tables of `example_genotypes`; its traits and families have nothing to do with them.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Example:
        >>> genotypes_of(np.array([[0, 1, 2], [2, -1, 0]], dtype=np.int8)).variants["chromosome"].tolist()
        ['1', '1', '2']
    """
    n_samples, n_variants = calls.shape
    like = example_genotypes(n_samples=n_samples, n_variants=n_variants)
    return Genotypes(calls=PackedCalls.from_calls(calls), samples=like.samples, variants=like.variants)


def example_context(folder: Path, kind: TraitKind = "quantitative", *, seed: int = 1) -> FitContext:
    """A context to fit an example in, on the CPU, without validation samples; `dataclasses.replace` changes the rest.

    Args:
        folder: A folder of the fit's own.
        kind: Which of `EXAMPLE_TRAITS`.
        seed: Of the fit.
    """
    return FitContext(trait=EXAMPLE_TRAITS[kind], seed=seed, device="cpu", folder=folder)


def example_comparison(
    kind: TraitKind = "quantitative", *, n_synthetic: int = 48, missing_share: float = 0.0, n_constant: int = 0, seed: int = 1
) -> Comparison:
    """A comparison of four parts of one population: 64 train and 32 nonmembers of the same families, 48 holdout, and the synthetic.

    Args:
        kind: Which of `EXAMPLE_TRAITS`.
        n_synthetic: Number of synthetic samples: further samples of the population, from families of their own.
        missing_share: Share of calls that are missing in all parts but the synthetic one.
        n_constant: As for `example_genotypes`.
        seed: Same seed, same comparison.

    Returns:
        A comparison without results; `answer_requests` adds them.
    """
    n_samples = 96 + 48 + n_synthetic
    complete = example_genotypes(n_samples=n_samples, n_constant=n_constant, seed=seed)
    observed = example_genotypes(n_samples=n_samples, n_constant=n_constant, missing_share=missing_share, seed=seed)
    rows = np.arange(n_samples)
    is_nonmember = rows % 3 == 2
    return Comparison(
        trait=EXAMPLE_TRAITS[kind],
        train=observed.take_samples(rows[(rows < 96) & ~is_nonmember]),
        holdout=observed.take_samples(rows[96:144]),
        nonmembers=observed.take_samples(rows[(rows < 96) & is_nonmember]),
        synthetic=complete.take_samples(rows[144:]),
    )


def answer_requests(comparison: Comparison, requests: Iterable[Request]) -> Comparison:
    """The comparison with a result for each request.

    Numbers for pairs and components are computed; predictions are stand-ins (the truth with noise that depends on the arm alone), since no
    classifier is on trial here.

    Args:
        comparison: Parts to answer from.
        requests: What a metric asked for.

    Returns:
        A copy whose `results` answer the requests.
    """
    answers = Answers(Registry(()), comparison.train)
    results = {
        request: _stand_in_prediction(comparison, request) if isinstance(request, Predictions) else answers.answer(request, comparison)
        for request in requests
    }
    return replace(comparison, results=results)


def permute_samples(genotypes: Genotypes, *, seed: int) -> Genotypes:
    """The same samples in another order."""
    order: Indices = np.random.default_rng(seed).permutation(genotypes.n_samples)
    return genotypes.take_samples(order)


def _haplotypes(n: int, frequencies: NDArray[np.float64], chromosomes: NDArray[Any], rng: np.random.Generator) -> Calls:
    noise = rng.normal(size=(n, len(frequencies)))
    latent = noise.copy()
    carried = float(np.exp(-_SPACING_BP / _LD_RANGE_BP))
    for column in range(1, len(frequencies)):
        if chromosomes[column] == chromosomes[column - 1]:
            latent[:, column] = carried * latent[:, column - 1] + np.sqrt(1 - carried**2) * noise[:, column]
    inside = np.clip(frequencies, 1e-6, 1 - 1e-6)
    thresholds = np.array([NormalDist().inv_cdf(float(p)) for p in inside])
    thresholds[frequencies <= 0] = -np.inf
    thresholds[frequencies >= 1] = np.inf
    return (latent < thresholds).astype(np.int8)


def _phenotypes(genetic: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    """A quantitative, a two-class and a three-class trait, each with a heritability near one half."""
    spread = genetic.std()
    scaled = (genetic - genetic.mean()) / (spread if spread > 0 else 1.0)
    noise = rng.normal(size=(3, len(genetic)))
    coat = scaled + noise[1]
    grade = scaled + noise[2]
    return {
        "weight": 100.0 + 10.0 * (scaled + noise[0]),
        "coat": np.where(coat < np.median(coat), "red", "white").astype(object),
        "grade": np.array(["low", "medium", "high"], dtype=object)[np.searchsorted(np.quantile(grade, [1 / 3, 2 / 3]), grade)],
    }


def _stand_in_prediction(comparison: Comparison, request: Predictions) -> Prediction:
    trait, table = comparison.trait, comparison.part(request.target).samples
    noise_share = 0.5 if request.arm == "train" else 1.0
    # The noise belongs to the sample, not to its row: reordering the holdout reorders the predictions.
    noise = np.array([np.random.default_rng([int(name[-4:]), len(request.arm)]).normal() for name in table["id"]])
    families = list(table["family"])
    groups = np.array([sorted(set(families)).index(family) for family in families], dtype=np.intp)
    if trait.kind == "quantitative":
        truth = table[trait.column].to_numpy(dtype=np.float64)
        return Prediction(truth=truth, predicted=truth + noise_share * truth.std() * noise, classes=(), groups=groups)
    labels = table[trait.column].to_numpy(dtype=object)
    codes = np.array([trait.classes.index(label) for label in labels])
    logits = -np.abs(np.arange(len(trait.classes)) - (codes + noise_share * noise)[:, None])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Prediction(truth=labels, predicted=probabilities, classes=trait.classes, groups=groups)
