"""What the GAN along the genome begins with, where calls are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from genobench import MISSING
from genobench.statgen import BlockLayout
from genobench.testing import example_context, genotypes_of
from genobench_neural.clusters.effects import fit_effects
from genobench_neural.training_data import TrainingData


def test_effects__missing_calls_do_not_shrink_them() -> None:
    """Calls are binomial with p = .5 + .1 z, a slope of .2; the regression's standard error is sd / sqrt(n_calls)."""
    n, n_variants = 4000, 12
    random = np.random.default_rng(1)
    z = np.clip(random.normal(size=n), -3, 3)
    calls = random.binomial(2, 0.5 + 0.1 * z[:, None], (n, n_variants)).astype(np.int8)
    calls[random.random(calls.shape) < 0.3] = MISSING
    genotypes = genotypes_of(calls)
    layout = BlockLayout.of_variants(genotypes.variants, block_size=4)
    data = TrainingData.of_genotypes(genotypes, example_context(Path()), layout)
    condition = torch.from_numpy((z - z.mean()) / z.std()).float()[:, None]
    slopes = fit_effects(data, condition, ridge=10.0)[:, 0].numpy()[layout.is_variant]
    expected = 0.2 * z.std() * n / (n + 10)
    standard_error = np.sqrt(0.5 / (0.7 * n))
    assert np.abs(slopes - expected).max() < 4 * standard_error
    assert abs(slopes.mean() - expected) < 4 * standard_error / np.sqrt(n_variants) < 0.3 * expected
