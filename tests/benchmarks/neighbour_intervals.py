"""How often the 95 % intervals of neighbour statistics hold what further draws give on average, and how wide they are.

`python tests/benchmarks/neighbour_intervals.py`, about 20 seconds. Not a test. Of unrelated samples and of half-sib families of ten it
prints for each score its mean over pairs of draws, the jackknife's standard error over the spread, and how many intervals held the mean.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.builtin.fidelity.neighbourhoods import TwoSets, proportional_groups, score_at
from genobench.statgen import pairwise, sample_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Score

MANIFOLD: Final = ("precision", "recall", "precision_recall_f1", "density", "coverage")
ADVERSARIAL: Final = ("aats", "aats_real", "aats_synthetic")
N_SAMPLES: Final = 200
N_VARIANTS: Final = 300
K: Final = 10


def drawn(rng: np.random.Generator, frequencies: NDArray[np.float64], family_size: int) -> NDArray[np.int8]:
    """Calls of N_SAMPLES samples: each has one allele of its family's sire and one of the population; families of one are unrelated."""
    shape = (N_SAMPLES, len(frequencies))
    family = np.arange(N_SAMPLES) // family_size
    sires = rng.random((family[-1] + 1, 2, len(frequencies))) < frequencies
    inherited = np.take_along_axis(sires[family], rng.integers(2, size=(N_SAMPLES, 1, len(frequencies))), axis=1)[:, 0]
    return (inherited.astype(np.int8) + (rng.random(shape) < frequencies)).astype(np.int8)


def scores(rng: np.random.Generator, frequencies: NDArray[np.float64], family_size: int, seed: int) -> list[Score]:
    """Of one pair of draws; the synthetic samples have frequencies a twentieth nearer to one half."""
    holdout = drawn(rng, frequencies, family_size)
    synthetic = drawn(rng, 0.95 * frequencies + 0.025, family_size)
    groups = sample_groups(np.arange(N_SAMPLES) // family_size, N_SAMPLES, seed=seed)
    distances = (pairwise(holdout, holdout), pairwise(synthetic, holdout), pairwise(synthetic, synthetic))
    sets = TwoSets(distances, groups, proportional_groups(groups, N_SAMPLES, seed=seed + 1))
    manifold, adversarial = sets.manifold_estimates(K), sets.adversarial_estimates(tie=0.5)
    return [
        *(score_at(manifold, place, name, largest=np.inf if name == "density" else 1.0) for place, name in enumerate(MANIFOLD)),
        *(score_at(adversarial, place, name) for place, name in enumerate(ADVERSARIAL)),
    ]


def main() -> None:
    """Print a line for each kind of draw and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=400, help="pairs of draws")
    n_pairs = parser.parse_args().pairs
    for kind, family_size in (("unrelated", 1), ("families of 10", 10)):
        rng = np.random.default_rng(5)
        frequencies = rng.uniform(0.05, 0.95, N_VARIANTS)
        columns = zip(*(scores(rng, frequencies, family_size, seed) for seed in range(n_pairs)), strict=True)
        for column in columns:
            values = np.array([score.value for score in column])
            errors = np.array([score.standard_error for score in column if score.standard_error is not None])
            bounds = np.array([score.interval for score in column if score.interval is not None])
            share = np.mean((bounds[:, 0] <= values.mean()) & (values.mean() <= bounds[:, 1]))
            ratio = np.sqrt(np.mean(errors**2)) / values.std(ddof=1)
            print(f"{kind:15} {column[0].name:20} mean {values.mean():.3f}  error/spread {ratio:.2f}  held {share:.3f} of {len(bounds)}")


if __name__ == "__main__":
    main()
