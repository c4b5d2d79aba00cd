"""What every sampler has but its model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genobench import GenobenchError, SamplerTables, Trait
from genobench.builtin.sample_tables import synthetic_samples
from genobench.calls import pack_calls
from genobench.testing import example_genotypes

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = example_genotypes(n_samples=30, n_variants=9)
TRAIT = Trait(column="weight", kind="quantitative", covariates=("sex",))


@pytest.fixture
def tables() -> SamplerTables:
    return SamplerTables.of_training(TRAIN.with_samples(_samples(30)), TRAIT)


def _samples(n_samples: int) -> pd.DataFrame:
    random = np.random.default_rng(1)
    sex = np.where(np.arange(n_samples) % 3 == 0, "male", "female")
    return pd.DataFrame({"id": [f"a{k}" for k in range(n_samples)], "weight": random.normal(20, 3, n_samples), "sex": sex})


@pytest.mark.parametrize(("n_samples", "n_variants"), [(1, 9), (30, 0)])
def test_of_training__needs_two_samples_and_a_variant(n_samples: int, n_variants: int) -> None:
    train = TRAIN.with_samples(_samples(30)).take_samples(np.arange(n_samples)).take_variants(np.arange(n_variants))
    with pytest.raises(GenobenchError, match=f"{n_samples} training samples and {n_variants} variants; a fit needs at least 2 samples"):
        SamplerTables.of_training(train, TRAIT)


def test_conditions__as_given_but_for_the_ids(tables: SamplerTables) -> None:
    asked = _samples(5).set_index(pd.Index([4, 9, 2, 7, 1]))
    given = tables.conditions(5, asked, seed=3)
    assert list(given.columns) == ["weight", "sex"]
    assert list(given.index) == [0, 1, 2, 3, 4]
    assert list(given["weight"]) == list(asked["weight"])


def test_conditions__of_another_length_are_refused(tables: SamplerTables) -> None:
    with pytest.raises(GenobenchError, match="has 5 rows; 4 samples need as many"):
        tables.conditions(4, _samples(5), seed=3)


@pytest.mark.parametrize(("value", "shown"), [("heavy", "heavy"), (None, "None"), (float("nan"), "nan"), (float("inf"), "inf")])
def test_conditions__a_quantitative_value_that_is_no_number_is_refused(tables: SamplerTables, value: object, shown: str) -> None:
    """It was read as the mean of training."""
    asked = _samples(5)
    asked["weight"] = pd.Series([20.0, 21.0, 22.0, value, 24.0], dtype=object)
    with pytest.raises(
        GenobenchError, match=rf"asks for weight = '{shown}' in row 3; weight is quantitative, so that every row must hold a finite"
    ):
        tables.conditions(5, asked, seed=3)


def test_conditions__are_drawn_by_the_seed_from_a_stream_of_their_own(tables: SamplerTables) -> None:
    drawn = tables.conditions(6, None, seed=3)
    assert drawn.equals(tables.conditions(6, None, seed=3))
    assert not drawn.equals(tables.conditions(6, None, seed=4))
    # A sampler that draws its calls by the bare seed must not repeat the numbers that made the condition.
    assert not drawn.equals(tables.encoder.draw(6, np.random.default_rng(3)))


def test_genotypes__stand_over_the_training_variants_with_new_ids(tables: SamplerTables) -> None:
    calls = np.random.default_rng(2).integers(0, 3, (4, 9)).astype(np.int8)
    packed = tables.packed_rows(4)
    packed[:] = pack_calls(calls)
    made = tables.genotypes(packed, tables.conditions(4, _samples(4), seed=0))
    assert (made.to_array() == calls).all()
    assert made.variants.equals(TRAIN.variants)
    assert list(made.samples.columns) == ["id", "weight", "sex"]
    assert list(made.samples["id"]) == ["synthetic-000001", "synthetic-000002", "synthetic-000003", "synthetic-000004"]


def test_genotypes__ids_are_those_of_the_built_in_samplers(tables: SamplerTables) -> None:
    made = tables.genotypes(tables.packed_rows(12), tables.conditions(12, None, seed=0))
    assert list(made.samples["id"]) == list(synthetic_samples(12, None)["id"])


def test_load__is_the_reverse_of_save(tables: SamplerTables, tmp_path: Path) -> None:
    tables.save(tmp_path / "model", {"order": 2, "names": ["x"], "schema": "its own"})
    loaded, description = SamplerTables.load(tmp_path / "model", needs=("order", "names", "schema"))
    assert loaded.encoder == tables.encoder
    pd.testing.assert_frame_equal(loaded.variants, tables.variants)
    assert description == {"order": 2, "names": ["x"], "schema": "its own"}


def test_load__without_what_is_needed(tables: SamplerTables, tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match="holds no whole sampler"):
        SamplerTables.load(tmp_path)
    tables.save(tmp_path, {"order": 2})
    with pytest.raises(GenobenchError, match="it lacks 'names'; another generator may have written it"):
        SamplerTables.load(tmp_path, needs=("order", "names"))


@pytest.mark.parametrize("name", ["sampler.json", "variants.parquet"])
def test_load__of_a_damaged_file(tables: SamplerTables, tmp_path: Path, name: str) -> None:
    tables.save(tmp_path, {})
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(GenobenchError, match="holds no whole sampler"):
        SamplerTables.load(tmp_path)


def test_load__another_schema(tables: SamplerTables, tmp_path: Path) -> None:
    tables.save(tmp_path, {})
    description = json.loads((tmp_path / "sampler.json").read_text(encoding="utf-8"))
    (tmp_path / "sampler.json").write_text(json.dumps({**description, "schema": 0}), encoding="utf-8")
    with pytest.raises(GenobenchError, match="has schema 0; this version reads"):
        SamplerTables.load(tmp_path)
