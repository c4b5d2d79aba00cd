"""What a fit begins with: counts and shares against numpy, and steps against their closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genobench import MISSING, FitContext, Genotypes, PackedCalls
from genobench.statgen import BlockLayout
from genobench.testing import EXAMPLE_TRAITS, example_genotypes
from genobench_neural.training_data import TrainingData


@pytest.fixture
def calls() -> np.ndarray:
    """Calls of 20 samples at 10 variants, of which the first has none and a fifth of the others is missing."""
    calls = example_genotypes(n_samples=20, n_variants=10).to_array().copy()
    calls[np.random.default_rng(1).random(calls.shape) < 0.2] = MISSING
    calls[:, 0] = MISSING
    return calls


@pytest.fixture
def data(calls: np.ndarray) -> TrainingData:
    like = example_genotypes(n_samples=20, n_variants=10)
    train = Genotypes(PackedCalls.from_calls(calls), like.samples, like.variants)
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=Path())
    return TrainingData.of_genotypes(train, context, BlockLayout.of_variants(train.variants, block_size=4))


def test_counts__are_those_of_the_calls_at_their_places(data: TrainingData, calls: np.ndarray) -> None:
    expected = np.stack([(calls == genotype).sum(axis=0) for genotype in range(3)], axis=-1)
    assert (data.counts.numpy()[data.layout.place_of] == expected).all()
    assert int(data.counts.sum()) == (calls != MISSING).sum()


def test_shares__read_1_0_0_without_calls_and_at_padding(data: TrainingData, calls: np.ndarray) -> None:
    shares = data.shares.numpy()[data.layout.place_of]
    assert shares[0].tolist() == [1.0, 0.0, 0.0]
    padding = ~data.layout.is_variant.reshape(-1)
    assert (data.shares.numpy()[padding] == [1.0, 0.0, 0.0]).all()
    assert shares[1:, 1] == pytest.approx([(column[column != MISSING] == 1).mean() for column in calls.T[1:]])


def test_block_shares__are_the_shares_block_by_block(data: TrainingData) -> None:
    assert (data.block_shares.numpy()[data.layout.is_variant] == data.shares.numpy()[data.layout.is_variant.reshape(-1)]).all()


@pytest.mark.parametrize(("training_calls", "expected"), [(10**9, 3 * 20 / 6), (300, 5), (301, 6), (0, 0)])
def test_steps_within__is_the_smaller_bound_rounded_up(data: TrainingData, training_calls: int, expected: int) -> None:
    """Three epochs are 60 samples, 10 steps of 6; 300 calls are 30 samples of 10 variants, 5 steps."""
    assert data.steps_within(training_calls=training_calls, max_epochs=3, samples_per_step=6) == expected
