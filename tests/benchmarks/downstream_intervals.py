"""How often the intervals of downstream prediction hold what they should: `python tests/benchmarks/downstream_intervals.py`.

A population of families of four, a trait that a linear model explains, five splits with a fifth of the samples held out, and arms as in
`genobench downstream`: covariates alone, real samples, synthetic ones from a fitted model, and both. Each replicate is another set of
samples. What an interval should hold is the mean over all replicates: what such training gives on new samples of the population.

`--trained` is the share of all samples that is trained on; a split that also has validation samples and nonmembers trains on fewer than it
does not hold out. Printed is what Nadeau and Bengio's correction must add: variance of the mean / variance between splits - 1 / splits.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from genobench.downstream.measures import measures_for
from genobench.downstream.measuring import Measured, measure
from genobench.downstream.pairing import Pair, gain, mean_of
from genobench.downstream.records import PredictionRecord
from genobench.downstream.relative import relative_utility

N_COVARIATES = 3
HOLDOUT = 0.2
PENALTY = 5.0
PAIRS = (("real+1x", "real"), ("synthetic", "real"), ("real", "covariates"), ("synthetic", "covariates"))


@dataclass(frozen=True)
class Population:
    """Samples of a made-up population.

    Args:
        n_samples: How many.
        n_variants: Variants with an effect.
        n_splits: Splits of the samples.
        is_classes: Whether the trait is cut into two classes.
        trained: The share of all samples that is trained on.
    """

    n_samples: int
    n_variants: int
    n_splits: int
    is_classes: bool
    trained: float = 1 - HOLDOUT

    def replicate(self, seed: int) -> dict[str, dict[Pair, Measured]]:
        """The primary measure of each arm and split."""
        rng = np.random.default_rng(seed)
        families = np.arange(self.n_samples) // 4
        parents = rng.normal(size=(families.max() + 1, self.n_variants))
        genotypes = np.sqrt(0.5) * (parents[families] + rng.normal(size=(self.n_samples, self.n_variants)))
        effects = np.random.default_rng(0).normal(size=self.n_variants) * np.sqrt(0.4 / self.n_variants)
        values = genotypes @ effects + np.sqrt(0.6) * rng.normal(size=self.n_samples)
        arms: dict[str, dict[Pair, Measured]] = {}
        for split in range(self.n_splits):
            order = rng.permutation(families.max() + 1)
            is_held = np.isin(families, order[: round(HOLDOUT * len(order))])
            is_trained = np.isin(families, order[len(order) - round(self.trained * len(order)) :])
            train = genotypes[is_trained], values[is_trained]
            for arm, (x, y) in self._arms(*train, rng).items():
                width = N_COVARIATES if arm == "covariates" else self.n_variants
                record = self._record(_fit(x[:, :width], y, genotypes[is_held][:, :width]), values[is_held], families[is_held])
                arms.setdefault(arm, {})[str(split), split] = measure(record)[measures_for(record.kind)[0].name]
        return arms

    def _arms(self, x, y, rng):
        weights = np.linalg.lstsq(x, y, rcond=None)[0]
        left = np.sqrt(np.sum((y - x @ weights) ** 2) / (len(y) - self.n_variants))
        drawn = rng.multivariate_normal(x.mean(axis=0), np.cov(x, rowvar=False), size=len(y), method="cholesky")
        synthetic = drawn, drawn @ weights + left * rng.normal(size=len(y))
        return {
            "real": (x, y),
            "synthetic": synthetic,
            "real+1x": (np.concatenate([x, synthetic[0]]), np.concatenate([y, synthetic[1]])),
            "covariates": (x, y),
        }

    def _record(self, predicted, truth, families):
        if self.is_classes:
            chances = 1 / (1 + np.exp(-2 * predicted))
            told = tuple((float(1 - chance), float(chance)) for chance in chances)
            labels = tuple("high" if value > 0 else "low" for value in truth)
        else:
            told, labels = tuple(predicted.tolist()), tuple(truth.tolist())
        return PredictionRecord(
            dataset="made",
            dataset_sha256="0",
            split={"scheme": "family", "seed": 0, "sha256": "0", "n": {"holdout": len(truth)}},
            trait="trait",
            kind="categorical" if self.is_classes else "quantitative",
            generator="",
            generator_settings={},
            seed=0,
            classifier="ridge",
            classifier_settings={},
            code_sha256="0",
            arm="real",
            n_real=0,
            n_synthetic=0,
            n_components=0,
            truth=labels,
            predicted=told,
            classes=("low", "high") if self.is_classes else (),
            groups=tuple(map(int, families)),
            seconds=0.0,
        )


def _fit(x, y, held):
    """Ridge regression."""
    return held @ np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ y)


def coverage(population: Population, n_replicates: int) -> list[tuple[str, float, float, float, float, float]]:
    """Of each quantity: its name, mean, standard deviation over replicates, median half width, coverage, and the correction it needs."""
    primary = measures_for("categorical" if population.is_classes else "quantitative")[0]
    found: dict[str, list[tuple[float, tuple[float, float]]]] = {}
    between: dict[str, list[float]] = {}
    for seed in range(1, n_replicates + 1):
        arms = population.replicate(seed)
        means = {arm: mean_of(side, measure=primary, shared=HOLDOUT) for arm, side in arms.items()}
        means |= {f"{first} - {second}": gain(arms[first], arms[second], measure=primary, shared=HOLDOUT) for first, second in PAIRS}
        each = {arm: np.array([one.value for one in side.values()]) for arm, side in arms.items()}
        each |= {f"{first} - {second}": each[first] - each[second] for first, second in PAIRS}
        for name, values in each.items():
            between.setdefault(name, []).append(values.var(ddof=1))
        for name, one in means.items():
            found.setdefault(name, []).append((one.mean, one.interval or (-np.inf, np.inf)))
        for arm in ("synthetic", "real+1x"):
            share = relative_utility(arm=arms[arm], real=arms["real"], covariates=arms["covariates"], measure=primary, shared=HOLDOUT)
            if share.interval is not None:
                found.setdefault(f"relative utility of {arm}", []).append((share.value, share.interval))
    rows = []
    for name, drawn in found.items():
        values = np.array([value for value, _ in drawn])
        # The median of a ratio, which has no mean; the two are alike elsewhere.
        truth = np.median(values) if name.startswith("relative") else values.mean()
        held = np.mean([low <= truth <= high for _, (low, high) in drawn])
        needed = values.var(ddof=1) / np.mean(between[name]) - 1 / population.n_splits if name in between else np.nan
        rows.append((name, truth, values.std(), float(np.median([high - low for _, (low, high) in drawn])) / 2, held, needed))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--variants", type=int, default=40)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--trained", type=float, default=1 - HOLDOUT)
    asked = parser.parse_args()
    for is_classes in (False, True):
        rows = coverage(Population(asked.samples, asked.variants, asked.splits, is_classes, asked.trained), asked.replicates)
        print("classes" if is_classes else "values", "| truth | SD | median half width | coverage | correction needed")
        for name, *numbers in rows:
            print(f"  {name:32s}", " ".join(f"{number:8.4f}" for number in numbers), flush=True)
