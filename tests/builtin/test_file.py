"""Samples of a ready file as a generator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench import FitContext, GenobenchError, GenotypesError, PackedCalls, SettingsError, write_genotypes
from genobench.builtin.file import File
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

TRAIN = example_genotypes(n_samples=40, n_variants=30, seed=3)
READY = example_genotypes(n_samples=50, n_variants=30, seed=3, missing_share=0.0)


@pytest.fixture
def context(tmp_path) -> FitContext:
    return FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)


@pytest.fixture
def bed(tmp_path):
    write_genotypes(READY, tmp_path / "ready.bed")
    return tmp_path / "ready.bed"


def test_generate__gives_samples_of_the_file_none_twice(bed, context):
    synthetic = File(path=str(bed)).fit(TRAIN, context).generate(50, seed=2).to_array()
    wanted, found = (sorted(row.tobytes() for row in calls) for calls in (READY.to_array(), synthetic))
    assert found == wanted


def test_generate__first_rows_are_those_of_the_file(bed, context):
    synthetic = File(path=str(bed), rows="first").fit(TRAIN, context).generate(7, seed=2)
    assert np.array_equal(synthetic.to_array(), READY.to_array()[:7])


def test_generate__other_order_and_exchanged_alleles_are_read_as_train_has_them(tmp_path, context):
    is_turned = np.arange(30) % 2 == 1
    calls = np.where(is_turned, 2 - READY.to_array(), READY.to_array()).astype(np.int8)
    variants = READY.variants.assign(ref="A", alt="G")
    train = example_genotypes(n_samples=40, n_variants=30, seed=3)
    train = type(train)(calls=train.calls, samples=train.samples, variants=variants)
    turned = variants.assign(ref=np.where(is_turned, "G", "A"), alt=np.where(is_turned, "A", "G"))
    path = tmp_path / "turned.npz"
    other = type(train)(calls=PackedCalls.from_calls(calls), samples=READY.samples, variants=turned)
    write_genotypes(other.take_variants(np.arange(30)[::-1]), path)
    synthetic = File(path=str(path), rows="first").fit(train, context).generate(50, seed=2)
    assert np.array_equal(synthetic.to_array(), READY.to_array())


def test_generate__more_than_there_are_is_an_error(bed, context):
    with pytest.raises(GenobenchError, match="holds 50 samples, and 51 were asked for; --n 50 asks for all"):
        File(path=str(bed)).fit(TRAIN, context).generate(51, seed=2)


def test_generate__without_traits_in_the_file_samples_carry_the_condition(bed, context):
    condition = pd.DataFrame({"weight": [1.0, 2.0, 3.0], "sex": "female"})
    synthetic = File(path=str(bed)).fit(TRAIN, context).generate(3, seed=2, condition=condition)
    pd.testing.assert_frame_equal(synthetic.samples[["weight", "sex"]], condition)


@pytest.mark.parametrize("value", ["abc", "inf"])
def test_fit__a_quantitative_trait_that_is_no_number_is_an_error(bed, tmp_path, context, value):
    table = READY.samples[["id", "weight", "sex"]].astype({"weight": object})
    table.loc[2, "weight"] = value
    table.to_csv(tmp_path / "traits.csv", index=False)
    plugin = File(path=str(bed), phenotypes=str(tmp_path / "traits.csv"))
    with pytest.raises(
        GenobenchError, match=rf"traits.csv has weight = '{value}' for the sample '{READY.sample_ids[2]}'; weight is a quan"
    ):
        plugin.fit(TRAIN, context)


@pytest.mark.parametrize("source", ["npz", "table"])
def test_generate__traits_of_the_file_go_with_their_samples(source, bed, tmp_path, context):
    """A .bed has no place for the trait, an .npz has; a table beside a .bed says the same, in whatever order."""
    if source == "npz":
        write_genotypes(READY, tmp_path / "ready.npz")
        plugin = File(path=str(tmp_path / "ready.npz"), rows="first")
    else:
        READY.samples[["id", "weight", "sex"]].iloc[::-1].to_csv(tmp_path / "traits.csv", index=False)
        plugin = File(path=str(bed), phenotypes=str(tmp_path / "traits.csv"), rows="first")
    condition = pd.DataFrame({"weight": np.zeros(50), "sex": "female"})
    synthetic = plugin.fit(TRAIN, context).generate(50, seed=2, condition=condition)
    np.testing.assert_allclose(synthetic.samples["weight"].to_numpy(dtype=float), READY.samples["weight"].to_numpy(dtype=float))


def test_fit__a_file_without_a_training_variant_is_an_error(tmp_path, context):
    write_genotypes(READY.take_variants(np.arange(28)), tmp_path / "few.bed")
    with pytest.raises(GenotypesError, match=r"2 of 30 variants of train are not in .*few\.bed"):
        File(path=str(tmp_path / "few.bed")).fit(TRAIN, context)


def test_fit__missing_calls_are_an_error(tmp_path, context):
    write_genotypes(example_genotypes(n_samples=50, n_variants=30, seed=3, missing_share=0.1), tmp_path / "missing.bed")
    with pytest.raises(GenobenchError, match=r"missing\.bed holds missing calls, the first for sample 1 at variant"):
        File(path=str(tmp_path / "missing.bed")).fit(TRAIN, context)


def test_settings__another_content_is_another_cell(bed):
    first = File(path=str(bed))
    write_genotypes(READY.take_samples(np.arange(49)), bed)
    assert File(path=str(bed)).sha256 != first.sha256
    with pytest.raises(SettingsError, match="it was changed since"):
        File(path=str(bed), sha256=first.sha256)


@pytest.mark.parametrize(
    ("table", "message"),
    [("name,weight\na,1\n", "must have a column 'id' in which each sample stands once"), ("id,weight\na,1\n", "lacks 50 of 50 samples")],
)
def test_settings__a_table_that_does_not_fit_is_refused(bed, tmp_path, table, message):
    (tmp_path / "traits.csv").write_text(table)
    with pytest.raises(SettingsError, match=message):
        File(path=str(bed), phenotypes=str(tmp_path / "traits.csv"))


def test_fit__without_a_path_says_what_to_write(context):
    with pytest.raises(SettingsError, match="path is empty; write --set path=FILE"):
        File().fit(TRAIN, context)
