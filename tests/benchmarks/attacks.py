"""What every attack finds in controls, what cheats score, and how far attacks on unseen samples lie from chance.

`python tests/benchmarks/attacks.py [--dataset cattle-demo]`, about a minute on one core. Not a test. Three tables: privacy scores of
`independent`, of `leaky` with 1, 5 and 10 % of copies, and of `copy`; primary scores of samples that no honest generator would give; and,
over other splits, the self-check of each attack in standard errors.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genobench.answers import Answers
from genobench.builtin.controls import Copy, Independent, Leaky
from genobench.calls import PackedCalls
from genobench.comparing import masked, matched
from genobench.contracts import Comparison, FitContext
from genobench.datasets.catalogue import open_dataset
from genobench.draws import exchange_check, real_draws
from genobench.evaluation import _error_of
from genobench.registry import load_registry
from genobench.scoring import _scored
from genobench.splitting.making import split_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from genobench.contracts import Generator, Metric, Part, Score, Trait
    from genobench.genotypes import Genotypes
    from genobench.registry import Registry

CONTROLS = {
    "independent": Independent(),
    "leaky 1 %": Leaky(share=0.01),
    "leaky 5 %": Leaky(share=0.05),
    "leaky 10 %": Leaky(share=0.10),
    "copy": Copy(),
}


def comparison_of(genotypes: Genotypes, trait: Trait, seed: int) -> Comparison:
    """A split; train stands for the synthetic samples."""
    split = split_samples(genotypes, trait=trait, seed=seed)
    names: tuple[Part, ...] = ("train", "holdout", "nonmembers")
    groups: dict[Part, NDArray[np.intp]] = {part: split.groups[split.part(part)] for part in names}
    train, holdout, nonmembers = (genotypes.take_samples(split.part(part)) for part in names)
    return Comparison(trait=trait, train=train, holdout=holdout, nonmembers=nonmembers, synthetic=train, groups=groups)


def scores_of(comparison: Comparison, metrics: Sequence[Metric], registry: Registry, answers: Answers | None = None) -> dict[str, Score]:
    """All scores, as the harness shows the parts."""
    answers = answers or Answers(registry, comparison.train)
    as_many = matched(comparison, seed=0)
    shown = {"fidelity": masked(as_many, seed=0), "utility": as_many}
    found = [_scored(metric, shown.get(metric.family, comparison), answers, 0) for metric in metrics]
    return {score.name: score for scores in found for score in scores}


def generated(generator: Generator, comparison: Comparison) -> Genotypes:
    """As many samples as were in training."""
    train = comparison.train
    condition = train.samples[[comparison.trait.column, *comparison.trait.covariates]]
    with tempfile.TemporaryDirectory() as folder:
        sampler = generator.fit(train, FitContext(trait=comparison.trait, seed=0, device="cpu", folder=Path(folder)))
        return sampler.generate(train.n_samples, seed=0, condition=condition)


def cheats(train: Genotypes, trait: Trait) -> dict[str, Genotypes]:
    """Samples that some score takes for good."""
    rng, calls = np.random.default_rng(0), train.to_array().clip(0)
    frequency, n = calls.mean(axis=0) / 2, len(calls)
    independent = (rng.random(calls.shape) < frequency).astype(np.int8) + (rng.random(calls.shape) < frequency)
    fixed = rng.permutation(calls.shape[1])[: calls.shape[1] // 2]
    half_fixed, noisy = calls.copy(), np.where(rng.random(calls.shape) < 0.05, independent, calls)
    half_fixed[:, fixed] = np.where(frequency[fixed] > 0.5, 2, 0)
    rounding = rng.choice([-0.1, 0.1], size=calls.shape)
    made: dict[str, NDArray[np.generic]] = {
        "copies": calls,
        "copies, 5 % of calls redrawn": noisy,
        "means of two, rounded": np.rint((calls + calls[rng.permutation(n)]) / 2 + rounding),
        "half of the variants fixed": half_fixed,
        "independent": independent,
        "ten samples, again and again": calls[rng.integers(10, size=n)],
        "one sample": np.repeat(calls[:1], n, axis=0),
        "the commonest calls": np.repeat(np.rint(2 * frequency)[None], n, axis=0),
    }
    samples = train.samples[["id", trait.column, *trait.covariates]].assign(id=[f"synthetic-{number}" for number in range(n)])
    return {
        name: replace(train, calls=PackedCalls.from_calls(np.ascontiguousarray(of, dtype=np.int8)), samples=samples)
        for name, of in made.items()
    }


def table(columns: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> None:
    """Print a row for each score."""
    print(f"\n| score | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name in names:
        print(f"| `{name}` | {' | '.join(f'{column.get(name, np.nan):.3f}' for column in columns.values())} |", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="cattle-demo")
    parser.add_argument("--splits", type=int, default=20, help="splits of the self-check, two checks each")
    options = parser.parse_args()
    registry = load_registry()
    opened = open_dataset(options.dataset, registry)
    trait = opened.card.traits[0]
    loaded = [registry.load("metric", entry.qualified_name)() for entry in registry.offers("metric")]
    metrics = [metric for metric in loaded if metric.applies_to(trait)]
    attacks = [metric for metric in metrics if metric.family == "privacy"]
    whole = comparison_of(opened.genotypes, trait, 0)
    found = {name: scores_of(replace(whole, synthetic=generated(control, whole)), attacks, registry) for name, control in CONTROLS.items()}
    columns = {name: {key: score.value for key, score in scores.items()} for name, scores in found.items()}
    table(columns, [key for key, value in columns["copy"].items() if np.isfinite(value)])
    primary = [spec.name for metric in metrics for spec in metric.scores if spec.is_primary]
    judges = [metric for metric in metrics if any(spec.is_primary for spec in metric.scores)]
    answers = Answers(registry, whole.train)
    draws = real_draws(whole, answers, n_draws=10, n_synthetic=None, has_families=True, seed=0)
    real = [scores_of(drawn, [metric for metric in judges if metric.family != "privacy"], registry, answers) for drawn in draws]
    cheated = {"real": {name: float(np.mean([scores[name].value for scores in real])) for name in real[0]}}
    for name, synthetic in cheats(whole.train, trait).items():
        cheated[name] = {key: score.value for key, score in scores_of(replace(whole, synthetic=synthetic), judges, registry).items()}
    table(cheated, [*primary, "copied_share", "worst_hit_share"])
    check(opened.genotypes, trait, attacks, registry, options.splits)


def check(genotypes: Genotypes, trait: Trait, attacks: Sequence[Metric], registry: Registry, n_splits: int) -> None:
    """Print how far from chance the attacks on nonmembers are."""
    chances = {spec.name: spec.chance for metric in attacks for spec in metric.scores if spec.chance is not None}
    far: dict[str, list[tuple[float, float]]] = {name: [] for name in chances}
    for seed in range(n_splits):
        comparison = comparison_of(genotypes, trait, seed)
        answers = Answers(registry, comparison.train)
        for number in range(2):
            shown = exchange_check(comparison, answers, seed=2 * seed + number)
            for metric in attacks:
                for score in _scored(metric, shown, answers, seed):
                    error = _error_of(asdict(score)) if score.name in chances and np.isfinite(score.value) else None
                    if error:
                        far[score.name].append((score.value - float(chances[score.name] or 0), error))
    print("\n| self-check of | checks | mean - chance | errors / spread | beyond 2 errors | beyond 4 | farthest |")
    print(f"|{'---|' * 7}")
    for name, pairs in far.items():
        away, errors = np.transpose(pairs)
        distance, ratio = np.abs(away / errors), np.sqrt(np.mean(errors**2)) / away.std(ddof=1)
        shares = f"{np.mean(distance > 2):.3f} | {np.mean(distance > 4):.3f} | {distance.max():.1f}"
        print(f"| `{name}` | {len(away)} | {away.mean():+.4f} | {ratio:.2f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
