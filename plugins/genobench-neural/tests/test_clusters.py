"""What the GAN along the genome begins with, where calls are missing."""

from __future__ import annotations

import numpy as np
import torch

from genobench import MISSING, Genotypes, PackedCalls
from genobench.statgen import BlockLayout
from genobench.testing import example_genotypes
from genobench_neural.batches import PackedBatches
from genobench_neural.clusters.effects import fit_effects


def test_effects__missing_calls_do_not_shrink_them() -> None:
    """Calls are binomial with p = .5 + .1 z, a slope of .2; the regression's standard error is sd / sqrt(n_calls)."""
    n, n_variants = 4000, 12
    random = np.random.default_rng(1)
    z = np.clip(random.normal(size=n), -3, 3)
    calls = random.binomial(2, 0.5 + 0.1 * z[:, None], (n, n_variants)).astype(np.int8)
    calls[random.random(calls.shape) < 0.3] = MISSING
    like = example_genotypes(n_samples=n, n_variants=n_variants)
    genotypes = Genotypes(PackedCalls.from_calls(calls), like.samples, like.variants)
    layout = BlockLayout.of_variants(genotypes.variants, block_size=4)
    batches = PackedBatches.of_genotypes(genotypes, layout, torch.device("cpu"))
    condition = torch.from_numpy((z - z.mean()) / z.std()).float()[:, None]
    slopes = fit_effects(batches, layout, condition, ridge=10.0).slopes[:, 0].numpy()[layout.is_variant]
    expected = 0.2 * z.std() * n / (n + 10)
    standard_error = np.sqrt(0.5 / (0.7 * n))
    assert np.abs(slopes - expected).max() < 4 * standard_error
    assert abs(slopes.mean() - expected) < 4 * standard_error / np.sqrt(n_variants) < 0.3 * expected
