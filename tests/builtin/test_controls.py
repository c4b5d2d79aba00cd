"""The controls: what they keep, what they forget, and what they write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench import MISSING, FitContext, Genotypes, PackedCalls, SettingsError
from genobench.builtin.controls import Copy, Independent, Leaky
from genobench.statgen import Imputer, genotype_frequencies, r2_matrix
from genobench.testing import EXAMPLE_TRAITS, FixedTrial, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
TRAIN = example_genotypes(n_samples=90, n_variants=80, missing_share=0.02, seed=3)


@pytest.fixture
def context(tmp_path) -> FitContext:
    return FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)


def _condition(n: int) -> pd.DataFrame:
    return pd.DataFrame({"weight": np.arange(n, dtype=float), "sex": "female"})


def _is_copied(synthetic: Genotypes) -> np.ndarray:
    train = Imputer.fit(TRAIN.to_array()).complete(TRAIN.to_array())
    rows = {row.tobytes() for row in train}
    return np.array([row.tobytes() in rows for row in synthetic.to_array()])


def test_independent__keeps_genotype_frequencies(context):
    """20,000 draws a variant: a share is within 4.5 standard errors of its target, over 240 shares."""
    n = 20_000
    target = genotype_frequencies(TRAIN.to_array())
    drawn = genotype_frequencies(Independent().fit(TRAIN, context).generate(n, seed=2).to_array())
    errors = np.sqrt(target * (1 - target) / n)
    assert np.all(np.abs(drawn - target) <= 4.5 * errors)


def test_independent__forgets_linkage(context):
    """Mean r2 of neighbours among 2,000 samples is 1 / 1,999 when nothing links them; here it is over 0.2 in training."""
    calls = Independent().fit(TRAIN, context).generate(2_000, seed=2).to_array()
    neighbours = np.diagonal(r2_matrix(calls, calls)[0], offset=1)
    assert neighbours.mean() < 3 / 2_000
    in_training = r2_matrix(TRAIN.to_array(), TRAIN.to_array())[0]
    assert np.diagonal(in_training, offset=1).mean() > 0.2


def test_independent__is_the_same_however_it_is_cut_into_blocks(context, monkeypatch):
    sampler = Independent().fit(TRAIN, context)
    whole = sampler.generate(50, seed=2).to_array()
    monkeypatch.setattr("genobench.builtin.controls._DRAWS_PER_BLOCK", 7 * 80)
    np.testing.assert_array_equal(sampler.generate(50, seed=2).to_array(), whole)


def test_independent__gives_zero_where_training_has_no_call(context):
    calls = TRAIN.to_array().copy()
    calls[:, 4] = MISSING
    sampler = Independent().fit(Genotypes(PackedCalls.from_calls(calls), TRAIN.samples, TRAIN.variants), context)
    assert not sampler.generate(30, seed=1).to_array()[:, 4].any()


def test_independent__carries_the_condition(context):
    samples = Independent().fit(TRAIN, context).generate(5, seed=1, condition=_condition(5)).samples
    assert list(samples) == ["id", "weight", "sex"]
    assert samples["weight"].tolist() == [0, 1, 2, 3, 4]


def test_copy__gives_each_training_sample_once_before_any_again(context):
    synthetic = Copy().fit(TRAIN, context).generate(2 * 90 + 10, seed=1)
    assert _is_copied(synthetic).all()
    counts = pd.Series([row.tobytes() for row in synthetic.to_array()]).value_counts()
    assert len(counts) == 90
    assert set(counts) == {2, 3}


def test_copy__carries_its_own_trait_with_the_right_calls(context):
    synthetic = Copy().fit(TRAIN, context).generate(90, seed=1, condition=_condition(90))
    train = Imputer.fit(TRAIN.to_array()).complete(TRAIN.to_array())
    weight_of = {row.tobytes(): weight for row, weight in zip(train, TRAIN.samples["weight"], strict=True)}
    assert [weight_of[row.tobytes()] for row in synthetic.to_array()] == synthetic.samples["weight"].tolist()
    assert set(synthetic.samples["sex"]) == set(TRAIN.samples["sex"])
    assert not set(synthetic.sample_ids) & set(TRAIN.sample_ids)


@pytest.mark.parametrize(("share", "n_copied"), [(0.01, 2), (0.05, 10), (0.10, 20), (0.0, 0)])
def test_leaky__copies_the_stated_share(context, share, n_copied):
    synthetic = Leaky(share=share).fit(TRAIN, context).generate(200, seed=1, condition=_condition(200))
    is_copied = _is_copied(synthetic)
    assert is_copied.sum() == n_copied
    assert (synthetic.samples["weight"][~is_copied] == np.flatnonzero(~is_copied)).all()
    assert synthetic.samples["weight"][is_copied].isin(TRAIN.samples["weight"]).all()


def test_leaky__suggests_a_share():
    assert Leaky.suggest(FixedTrial(place=1.0)) == Leaky(share=0.10)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_leaky__refuses_a_share_that_is_none(share):
    with pytest.raises(SettingsError, match=f"share is {share}; it must lie in"):
        Leaky(share=share)


@pytest.mark.parametrize("generator", [Independent(), Copy(), Leaky()])
def test_controls__generate_the_same_from_what_they_saved(context, generator, tmp_path):
    sampler = generator.fit(TRAIN, context)
    folder = tmp_path / "sampler"
    folder.mkdir()
    sampler.save(folder)
    first, second = (made.generate(40, seed=5, condition=_condition(40)) for made in (sampler, type(generator).load(folder)))
    np.testing.assert_array_equal(first.to_array(), second.to_array())
    pd.testing.assert_frame_equal(first.samples, second.samples)
    pd.testing.assert_frame_equal(first.variants, second.variants)
