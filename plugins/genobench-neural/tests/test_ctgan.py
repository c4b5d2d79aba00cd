"""CTGAN: training by sampling, conditions, limits, and what must hold of any generator."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import MISSING, ConditionEncoder, GenobenchError, Genotypes, PackedCalls, SettingsError, Trait
from genobench.statgen import BlockLayout
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_context, example_genotypes
from genobench_neural.ctgan import Ctgan
from genobench_neural.tabular.columns import ClassColumns, TrainingBySampling
from genobench_neural.training_data import TrainingData

QUICK: dict[str, Any] = {"max_epochs": 2, "batch_size": 20, "n_hidden": 16}


class TestCtgan(GeneratorSuite):
    plugin = Ctgan
    settings = QUICK


def without_calls(train: Genotypes, n_variants: int) -> Genotypes:
    """The same with no call at the first variants."""
    calls = train.to_array().copy()
    calls[:, :n_variants] = MISSING
    return Genotypes(PackedCalls.from_calls(calls), train.samples, train.variants)


def sampling(trait_share: float, *, n_samples: int = 200, n_without_calls: int = 0) -> tuple[TrainingBySampling, np.ndarray, torch.Tensor]:
    train = without_calls(example_genotypes(n_samples=n_samples), n_without_calls)
    layout = BlockLayout.of_variants(train.variants, block_size=16)
    encoder = ConditionEncoder.of_samples(train.samples, EXAMPLE_TRAITS["categorical"])
    encoded = encoder.encode(train.samples)
    columns = ClassColumns.of_encoder(encoder, encoded, n_quantiles=4)
    classes = columns.classes(torch.from_numpy(encoded))
    data = TrainingData.of_genotypes(train, example_context(Path()), layout)
    source = TrainingBySampling(data, classes, columns=columns, trait_share=trait_share)
    placed = np.full((n_samples, layout.variant_at.size), -1)
    placed[:, layout.place_of] = train.to_array()
    return source, placed, classes


def test_training_by_sampling__samples_fulfil_the_condition_on_a_variant() -> None:
    source, placed, _ = sampling(0.0)
    drawn = source.draw(500, torch.arange(200))
    places, genotypes = drawn.variants.numpy() // 3, drawn.variants.numpy() % 3
    assert (placed[drawn.rows.numpy(), places] == genotypes).all()
    assert (drawn.classes == 0).all()


def test_training_by_sampling__classes_come_by_the_logarithm_of_their_counts() -> None:
    """Xu et al. 2019, section 4.3; counts have one added, so that a class of one sample is drawn too."""
    source, placed, _ = sampling(0.0)
    place = int(source.place_of[0])
    source.place_of = source.place_of[:1]
    drawn = source.draw(20_000, torch.arange(200))
    log_counts = np.log(np.bincount(placed[:, place], minlength=3) + 1)
    expected = log_counts / log_counts.sum()
    shares = np.bincount(drawn.variants.numpy() % 3, minlength=3) / 20_000
    np.testing.assert_allclose(shares, expected, atol=4 * (0.25 / 20_000) ** 0.5)


def test_training_by_sampling__a_condition_on_the_trait_asks_for_all_covariates_of_the_sample() -> None:
    source, placed, classes = sampling(1.0)
    drawn = source.draw(300, torch.arange(200))
    assert torch.equal(drawn.classes, classes[drawn.rows])
    assert (drawn.variants == 3 * placed.shape[1]).all()


@pytest.mark.parametrize("n_without_calls", [12, 60])
def test_training_by_sampling__shows_all_samples_alike_where_variants_have_no_calls(n_without_calls: int) -> None:
    source, _, _ = sampling(0.0, n_without_calls=n_without_calls)
    drawn = source.draw(20_000, torch.arange(200))
    # The first sample fulfils no more conditions than others do on average, so its share varies about 1 / 200 as theirs does.
    share = np.bincount(drawn.rows.numpy(), minlength=200) / 20_000
    assert share[0] < 1 / 200 + 5 * share[1:].std()
    if n_without_calls < 60:
        assert (drawn.variants < 3 * len(source.counts)).all()


def test_training_by_sampling__a_condition_that_no_sample_of_the_pool_fulfils_becomes_what_one_of_it_has() -> None:
    source, placed, _ = sampling(0.0)
    pool = torch.tensor([7, 8])
    drawn = source.draw(4000, pool)
    places, genotypes = drawn.variants.numpy() // 3, drawn.variants.numpy() % 3
    assert (placed[drawn.rows.numpy(), places] == genotypes).all()
    is_alike = placed[7, places] == placed[8, places]
    # Where both are alike either is as good, whether they fulfil the condition or not.
    assert np.mean(drawn.rows.numpy()[is_alike] == 7) == pytest.approx(0.5, abs=5 * 0.5 / is_alike.sum() ** 0.5)


def test_fit__a_variant_without_calls_begins_at_no_alt_allele(tmp_path: Path) -> None:
    train = without_calls(example_genotypes(n_samples=40), 5)
    untrained = Ctgan(**{**QUICK, "max_epochs": 0})
    synthetic = untrained.fit(train, example_context(tmp_path)).generate(200, seed=1).to_array()
    # Genotypes 1 and 2 begin at a share of 1e-4 each: .2 of these 1,000 calls, of which a Poisson count above 5 has a chance of 1e-7.
    assert (synthetic[:, :5] > 0).sum() <= 5


def test_class_columns__cut_quantitative_values_at_quantiles() -> None:
    samples = pd.DataFrame({"weight": np.arange(100.0)})
    encoder = ConditionEncoder.of_samples(samples, Trait(column="weight", kind="quantitative"))
    encoded = encoder.encode(samples)
    columns = ClassColumns.of_encoder(encoder, encoded, n_quantiles=4)
    classes = columns.classes(torch.from_numpy(encoded)).argmax(dim=1)
    assert classes.bincount().tolist() == [25, 25, 25, 25]
    assert ClassColumns.from_json(columns.to_json()) == columns


@pytest.mark.parametrize("kind", ["categorical", "quantitative"])
def test_generate__the_condition_on_the_trait_is_followed(kind: Literal["categorical", "quantitative"], tmp_path: Path) -> None:
    train = example_genotypes(n_samples=300).take_variants(np.arange(46, 50))
    calls = train.to_array()[:, 0]
    assert np.bincount(calls).min() > 50
    values = calls.astype(float) if kind == "quantitative" else np.array(["low", "mid", "high"])[calls]
    train = train.with_samples(pd.DataFrame({"id": train.samples["id"], "trait": values}))
    trait = Trait(column="trait", kind=kind, classes=("low", "mid", "high") if kind == "categorical" else ())
    quick: dict[str, Any] = {"max_epochs": 30, "batch_size": 50, "pac": 1, "n_hidden": 32, "n_noise": 8, "n_embedding": 2}
    settings = Ctgan(learning_rate=5e-3, dropout=0.0, trait_share=0.8, **quick)
    sampler = settings.fit(train, dataclasses.replace(example_context(tmp_path), trait=trait))
    asked = np.repeat(np.array([0.0, 2.0]) if kind == "quantitative" else np.array(["low", "high"]), 300)
    synthetic = sampler.generate(600, seed=1, condition=pd.DataFrame({"trait": asked})).to_array()[:, 0]
    low, high = synthetic[:300], synthetic[300:]
    assert high.mean() - low.mean() > 4 * np.sqrt((high.var() + low.var()) / 300)


def test_fit__says_what_to_do_with_too_many_variants(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match=r"There are 60 variants; ctgan takes at most 50 .* Take fewer variants"):
        Ctgan(most_variants=50).fit(example_genotypes(n_samples=20), example_context(tmp_path))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"batch_size": 25}, "batch_size is 25; it must be a multiple of pac, which is 10"),
        ({"trait_share": 1.5}, "trait_share is 1.5"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"n_quantiles": 1}, "n_quantiles is 1"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_settings__refuse_values_out_of_range(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        Ctgan(**changes)
