from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genobench.calls import PackedCalls
from genobench.contracts import Trait
from genobench.errors import SplitError
from genobench.genotypes import Genotypes
from genobench.splitting import PARTS, Shares, Split, StoredParts, load_or_make_split, making, split_samples, split_sha256
from genobench.splitting.drawing import spread_over_groups
from genobench.statgen.kinship import SECOND_DEGREE, king_robust
from genobench.storage import files_sha256
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

FAMILY = EXAMPLE_TRAITS["quantitative"]
PLAIN = replace(FAMILY, family=None)


@pytest.fixture(scope="module")
def genotypes():
    """200 samples in families of six (the last of two), born in four years."""
    made = example_genotypes(n_samples=200, n_variants=120)
    return made.with_samples(made.samples.assign(year=2000 + np.arange(200) // 50))


def parts_of(split: Split) -> dict[str, set[int]]:
    return {name: set(split.part(name).tolist()) for name in PARTS}


@pytest.mark.parametrize("scheme", ["random", "family", "kinship", "forward"])
def test_parts__are_disjoint_whole_and_of_the_shares_asked_for(genotypes, scheme):
    split = split_samples(genotypes, trait=FAMILY, scheme=scheme, birth_column="year", seed=4)
    parts = parts_of(split)
    assert split.scheme == scheme
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 200
    # A group that does not fit is passed over, so a part may fall short by less than the smallest group left.
    assert [len(parts[name]) for name in PARTS] == pytest.approx([110, 20, 40, 30], abs=5)


def test_one_seed__gives_one_split(genotypes):
    first, again, other = (split_samples(genotypes, trait=FAMILY, seed=seed) for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256
    assert first.to_json() == again.to_json()


def test_family__keeps_families_whole_but_for_nonmembers(genotypes):
    split = split_samples(genotypes, trait=FAMILY, seed=4)
    families = genotypes.samples["family"]
    sides = {name: set(families.iloc[split.part(name)]) for name in ("holdout", "validation", "train")}
    assert (split.scheme, split.column) == ("family", "family")
    assert not sides["holdout"] & (sides["validation"] | sides["train"])
    assert not sides["validation"] & sides["train"]
    assert set(families.iloc[split.nonmembers]) <= sides["train"]


def test_nonmembers__are_the_same_share_of_every_training_family(genotypes):
    split = split_samples(genotypes, trait=FAMILY, seed=4)
    sizes = pd.Series(split.groups).iloc[np.concatenate([split.train, split.nonmembers])].value_counts()
    taken = pd.Series(split.groups).iloc[split.nonmembers].value_counts().reindex(sizes.index, fill_value=0)
    share = len(split.nonmembers) / (len(split.nonmembers) + len(split.train))
    assert share == pytest.approx(0.15 / 0.70, abs=0.5 / 140)
    assert ((taken >= np.floor(sizes * share)) & (taken <= np.ceil(sizes * share))).all()


@pytest.mark.parametrize("groups", [np.arange(20), np.repeat([0, 1, 2], [12, 5, 3]), np.zeros(20, dtype=int)])
def test_each_sample__is_a_nonmember_equally_often(groups):
    """Exchangeable: 6 of 20 in each of 2,000 draws; the share of a sample has a standard error of sqrt(.3 * .7 / 2000) = .0102."""
    rng = np.random.default_rng(0)
    drawn = np.stack([spread_over_groups(groups, 6, rng) for _ in range(2000)])
    assert (drawn.sum(axis=1) == 6).all()
    assert np.abs(drawn.mean(axis=0) - 0.3).max() < 4 * 0.0102


def test_kinship__separates_every_pair_of_relatives():
    """Sixty unrelated samples, each of them twice: a kinship of .5 within a pair, about 0 between pairs."""
    rng = np.random.default_rng(1)
    calls = rng.binomial(2, rng.uniform(0.2, 0.8, 2000), size=(60, 2000)).astype(np.int8)
    table = pd.DataFrame({"id": [f"s{i}" for i in range(120)], "weight": np.arange(120.0)})
    variants = pd.DataFrame({"chromosome": "1", "position_bp": np.arange(2000) + 1, "id": "", "ref": "", "alt": ""})
    pairs = Genotypes(calls=PackedCalls.from_calls(np.concatenate([calls, calls])), samples=table, variants=variants)
    split = split_samples(pairs, trait=PLAIN, seed=2)
    assert split.scheme == "kinship"
    assert np.array_equal(split.groups[:60], split.groups[60:])
    assert len(set(split.groups)) == 60
    assert {i % 60 for i in split.holdout}.isdisjoint({i % 60 for part in ("train", "validation", "nonmembers") for i in split.part(part)})
    assert split.largest_kinship is not None
    assert split.largest_kinship < SECOND_DEGREE
    assert split.notes == ()


def test_largest_kinship__is_the_same_block_by_block(genotypes, monkeypatch):
    whole = split_samples(genotypes, trait=PLAIN, scheme="random", seed=2)
    phi = king_robust(genotypes)
    outside = np.concatenate([whole.train, whole.nonmembers, whole.validation])
    assert whole.largest_kinship == pytest.approx(float(np.nanmax(phi[np.ix_(whole.holdout, outside)])), abs=1e-4)
    monkeypatch.setattr(making, "_SAMPLES_PER_BLOCK", 17)
    blocks = split_samples(genotypes, trait=PLAIN, scheme="random", seed=2)
    assert (blocks.largest_kinship, blocks.largest_kinship_pair) == (whole.largest_kinship, whole.largest_kinship_pair)


def test_a_duplicate_across_the_edge__is_the_pair_that_is_named(genotypes):
    split = split_samples(genotypes, trait=PLAIN, scheme="random", seed=2)
    calls = genotypes.to_array()
    inside, outside = split.holdout[0], split.train[0]
    calls[inside] = calls[outside]
    twin = Genotypes(calls=PackedCalls.from_calls(calls), samples=genotypes.samples, variants=genotypes.variants)
    again = split_samples(twin, trait=PLAIN, scheme="random", seed=2)
    assert again.largest_kinship == pytest.approx(0.5)
    assert again.largest_kinship_pair == (genotypes.sample_ids[inside], genotypes.sample_ids[outside])


def test_kinship_that_cannot_be_computed__is_none(genotypes):
    """On sex chromosomes alone there are no autosomal calls to compare."""
    on_x = replace(genotypes, variants=genotypes.variants.assign(chromosome="X"))
    split = split_samples(on_x, trait=FAMILY)
    assert (split.largest_kinship, split.largest_kinship_pair) == (None, None)


def test_forward__puts_no_holdout_sample_before_a_training_sample(genotypes):
    split = split_samples(genotypes, trait=FAMILY, scheme="forward", birth_column="year", seed=3)
    year = genotypes.samples["year"].to_numpy()
    learned = np.concatenate([split.train, split.nonmembers])
    assert year[split.holdout].min() >= year[split.validation].max() >= year[split.validation].min() >= year[learned].max()
    assert split.notes == ("50 samples share the 'year' at the edge of the holdout; they were drawn at random.",)


def test_forward__sorts_dates_as_text_and_leaves_out_those_without(genotypes):
    dates = [None if i < 10 else f"20{i // 20:02d}-{1 + i % 12:02d}-01" for i in range(200)]
    dated = genotypes.with_samples(genotypes.samples.assign(born=dates))
    split = split_samples(dated, trait=FAMILY, scheme="forward", birth_column="born")
    born = dated.samples["born"]
    assert split.left_out.tolist() == list(range(10))
    assert min(born.iloc[split.holdout]) >= max(born.iloc[split.train])
    assert "10 samples have no 'born' and were left out." in split.notes


def test_column__keeps_its_values_on_one_side(genotypes):
    cages = genotypes.with_samples(genotypes.samples.assign(cage=[f"c{i % 40}" for i in range(200)]))
    split = split_samples(cages, trait=FAMILY, column="cage")
    sides = [set(cages.samples["cage"].iloc[split.part(name)]) for name in ("holdout", "validation", "train")]
    assert (split.scheme, split.column) == ("column", "cage")
    assert not sides[0] & sides[1]
    assert not sides[2] & (sides[0] | sides[1])


@pytest.mark.parametrize(
    ("trait", "table", "expected"),
    [
        (FAMILY, {}, ("family", "family")),
        (PLAIN, {"sire": [f"bull{i // 5}" for i in range(200)]}, ("family", "sire")),
        (PLAIN, {"sire": [f"bull{i}" for i in range(200)]}, ("kinship", None)),
        (PLAIN, {"sire": ["bull", "bull"] + [None] * 198}, ("kinship", None)),
        (PLAIN, {}, ("kinship", None)),
    ],
)
def test_auto__takes_family_else_sire_else_kinship(genotypes, trait, table, expected):
    split = split_samples(genotypes.with_samples(genotypes.samples.assign(**table)), trait=trait)
    assert (split.scheme, split.column) == expected


def test_samples_of_unknown_family__are_families_of_their_own(genotypes):
    families = genotypes.samples["family"].where(np.arange(200) >= 60, None)
    split = split_samples(genotypes.with_samples(genotypes.samples.assign(family=families)), trait=FAMILY)
    assert len(set(split.groups[:60])) == 60


def test_samples_without_the_trait__are_left_out_and_reported(genotypes):
    weight = genotypes.samples["weight"].where(np.arange(200) % 10 != 0)
    split = split_samples(genotypes.with_samples(genotypes.samples.assign(weight=weight)), trait=FAMILY)
    assert split.left_out.tolist() == list(range(0, 200, 10))
    assert split.notes[0] == "20 samples have no 'weight' and were left out."


def test_a_part_without_some_class__is_reported(genotypes):
    coat = np.where(np.arange(200) == 0, "white", "red")
    split = split_samples(genotypes.with_samples(genotypes.samples.assign(coat=coat)), trait=EXAMPLE_TRAITS["categorical"])
    assert sum(note.endswith("has no sample of class white.") for note in split.notes) == 3


def test_relatives_across_the_edge__are_reported(genotypes):
    samples = genotypes.samples.assign(pair=[f"p{i % 100}" for i in range(200)])
    split = split_samples(genotypes.with_samples(samples), trait=FAMILY, column="pair")
    assert split.largest_kinship is not None
    assert split.largest_kinship >= SECOND_DEGREE
    assert any(note.startswith("The holdout is not free of relatives") for note in split.notes)


def test_shares__can_be_others(genotypes):
    split = split_samples(genotypes, trait=PLAIN, scheme="random", shares=Shares(train=0.4, validation=0.2, holdout=0.2, nonmembers=0.2))
    assert [len(split.part(name)) for name in PARTS] == [80, 40, 40, 40]


def test_shares__must_sum_to_one():
    with pytest.raises(SplitError, match=r"sum to 1\.1; they must be positive and sum to 1"):
        Shares(train=0.65)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "familly"}, "There is no split scheme 'familly'; choose one of auto, random, family"),
        ({"scheme": "column"}, "needs the name of the column"),
        ({"column": "cage"}, "has no column 'cage' to split by; its columns are id, "),
        ({"scheme": "forward"}, "needs a birth column, and the dataset's card names none"),
        ({"scheme": "forward", "birth_column": "born"}, "has no column 'born' to split by"),
        ({"scheme": "family", "trait": PLAIN}, "No family is recorded"),
        ({"trait": Trait("height", "quantitative")}, "has no column 'height'"),
        ({"trait": Trait("weight", "quantitative", family="litter")}, "has no column 'litter' to split by"),
        ({"column": "sex"}, "The holdout part would hold 0 of the 40 samples it should: the 2 values of 'sex' have up to"),
    ],
)
def test_what_cannot_be_split__is_an_error_that_says_why(genotypes, arguments, message):
    with pytest.raises(SplitError, match=message):
        split_samples(genotypes, **({"trait": FAMILY} | arguments))


def test_too_few_samples__are_an_error_that_says_how_many_are_needed(genotypes):
    with pytest.raises(SplitError, match="19 samples have a value of 'weight'; a split into four parts needs at least 20"):
        split_samples(genotypes.take_samples(np.arange(19)), trait=FAMILY)
    shares = Shares(train=0.91, validation=0.03, holdout=0.03, nonmembers=0.03)
    with pytest.raises(SplitError, match="The nonmembers part would have 1 of 20 samples; each part needs at least 2"):
        split_samples(
            genotypes.take_samples(np.arange(20)),
            trait=PLAIN,
            scheme="random",
            shares=replace(shares, validation=0.1, holdout=0.1, train=0.77),
        )


def test_a_trait_that_does_not_vary__is_an_error(genotypes):
    with pytest.raises(SplitError, match="The trait 'weight' is '7' in every sample; it must vary"):
        split_samples(genotypes.with_samples(genotypes.samples.assign(weight=7)), trait=FAMILY)
    with pytest.raises(SplitError, match="The trait 'weight' is not known in any sample"):
        split_samples(genotypes.with_samples(genotypes.samples.assign(weight=np.nan)), trait=FAMILY)


def test_json__gives_back_the_split(genotypes):
    split = split_samples(genotypes, trait=FAMILY, seed=5, dataset_sha256="abc")
    again = Split.from_json(json.loads(json.dumps(split.to_json())))
    assert again.to_json() == split.to_json()
    assert again.shares == split.shares
    assert np.array_equal(again.groups, split.groups)


def test_json_of_another_schema_or_without_a_field__is_refused(genotypes):
    values = split_samples(genotypes, trait=FAMILY).to_json()
    with pytest.raises(SplitError, match="has schema 9; this genobench reads 1"):
        Split.from_json(values | {"schema": 9})
    with pytest.raises(SplitError, match="lacks or misstates the field 'holdout'"):
        Split.from_json({name: value for name, value in values.items() if name != "holdout"})


def test_a_split__is_made_once_and_then_reused(genotypes, tmp_path, monkeypatch):
    asked = {"dataset_sha256": "abc", "folder": tmp_path / "splits", "trait": FAMILY}
    first = load_or_make_split(genotypes, **asked)
    monkeypatch.setattr(making, "split_samples", None)
    assert load_or_make_split(genotypes, **asked).to_json() == first.to_json()
    assert len(list((tmp_path / "splits").glob("*.json"))) == 1


def test_another_question__gets_another_split(genotypes, tmp_path):
    asked = {"dataset_sha256": "abc", "folder": tmp_path, "trait": FAMILY}
    for change in ({}, {"seed": 1}, {"scheme": "random"}, {"dataset_sha256": "abd"}, {"trait": EXAMPLE_TRAITS["ordinal"]}):
        load_or_make_split(genotypes, **(asked | change))
    assert len(list(tmp_path.glob("*.json"))) == 5


def test_a_written_split_of_other_samples_or_damaged__is_an_error(genotypes, tmp_path):
    asked = {"dataset_sha256": "abc", "folder": tmp_path, "trait": FAMILY}
    load_or_make_split(genotypes, **asked)
    with pytest.raises(SplitError, match="does not belong to these samples; delete it"):
        load_or_make_split(genotypes.take_samples(np.arange(199, -1, -1)), **asked)
    next(tmp_path.glob("*.json")).write_text("{")
    with pytest.raises(SplitError, match="is no JSON"):
        load_or_make_split(genotypes, **asked)


def test_the_order_of_samples__does_not_bind_labels_to_rows(genotypes):
    """A split names positions; its hash names ids, so that a table in another order is noticed."""
    split = split_samples(genotypes, trait=FAMILY, seed=1)
    assert split_sha256(split, genotypes) == split.sha256
    assert split_sha256(split, genotypes.take_samples(np.roll(np.arange(200), 1))) != split.sha256


def test_real_rats__split_by_kinship_without_relatives_across(shared_data):
    from genobench.formats import read_genotypes

    split = split_samples(read_genotypes(shared_data / "rat_hs_192"), trait=Trait("Trait1", "quantitative"))
    assert split.scheme == "kinship"
    assert split.largest_kinship is not None
    assert split.largest_kinship < 0.0884


def test_stored_parts__mends_what_was_changed_or_removed_and_names_it(genotypes, tmp_path):
    split = split_samples(genotypes, trait=FAMILY)
    parts = StoredParts(genotypes, split, tmp_path / "parts")
    assert parts.mend() == ()
    whole = files_sha256(parts.folder)
    calls = parts.folder / "nonmembers" / "calls.npy"
    calls.write_bytes(calls.read_bytes()[:-1] + b"\x15")
    (parts.folder / "holdout" / "samples.parquet").unlink()
    assert parts.mend() == ("holdout", "nonmembers")
    assert files_sha256(parts.folder) == whole
