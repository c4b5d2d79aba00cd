from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genobench.contracts import Dataset, DatasetCard, Trait
from genobench.datasets import (
    About,
    TraitRequest,
    describe,
    import_dataset,
    join_phenotypes,
    list_datasets,
    make_trait,
    open_dataset,
    save_dataset,
)
from genobench.errors import DatasetError, FormatError, UnknownNameError
from genobench.formats import write_genotypes
from genobench.genotypes import Genotypes
from genobench.registry import Registered, Registry
from genobench.storage import content_sha256
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

NOTHING = Registry(())
CARD = DatasetCard("Toys", "toy", "none", "made here", "CC0", "none", "", (EXAMPLE_TRAITS["quantitative"],))


@pytest.fixture
def files(tmp_path):
    """A .bed of 24 samples without phenotypes, and their phenotypes by another order of rows."""
    made = example_genotypes(n_samples=24, n_variants=15)
    write_genotypes(made.with_samples(made.samples[["id"]]), tmp_path / "x.bed")
    table = made.samples.iloc[np.random.default_rng(1).permutation(24)]
    table.to_csv(tmp_path / "phenotypes.csv", index=False)
    return made, tmp_path / "x.bed", tmp_path / "phenotypes.csv"


@pytest.fixture
def toys(monkeypatch):
    """A function that makes a registry with a dataset `toy`, loaded as often as its counter says."""

    def make(genotypes, card=CARD, causal=None):
        loads = []

        class Toy(Dataset):
            @property
            def card(self):
                return card

            def load(self, cache):
                loads.append(cache)
                return genotypes

            def causal(self):
                return causal

        module = types.ModuleType("tests_toys")
        vars(module)["Toy"] = Toy
        monkeypatch.setitem(sys.modules, "tests_toys", module)
        entry = Registered("dataset", "toy", "toys-dist", "1.0", "tests_toys:Toy", "toys to test with")
        return Registry((entry,)), loads

    return make


def test_phenotypes__are_joined_by_id_never_by_row(home, files):
    made, bed, table = files
    report = import_dataset("mine", bed, phenotypes=table, traits=TraitRequest(columns=("weight",)))
    opened = open_dataset("mine", NOTHING)
    assert opened.genotypes.samples["weight"].tolist() == pytest.approx(made.samples["weight"].tolist())
    assert opened.genotypes.sample_ids.tolist() == made.sample_ids.tolist()
    assert np.array_equal(opened.genotypes.to_array(), made.to_array())
    assert report.join is not None
    assert (report.join.n_matched, report.join.without_phenotypes, report.join.without_genotypes) == (24, (), ())
    assert report.sha256 == opened.sha256 == opened.card.sha256 == content_sha256(opened.genotypes)


def test_samples_in_one_table_only__are_reported(home, files):
    _, bed, table = files
    rows = pd.read_csv(table)
    rows = pd.concat([rows[rows["id"] != "sample0003"], rows.iloc[:1].assign(id="stranger")])
    rows.to_csv(table, index=False)
    report = import_dataset("mine", bed, phenotypes=table, traits=TraitRequest(columns=("weight",)))
    assert report.join is not None
    assert (report.join.n_matched, report.join.without_phenotypes, report.join.without_genotypes) == (23, ("sample0003",), ("stranger",))
    assert report.n_with_trait == (23,)
    assert open_dataset("mine", NOTHING).genotypes.samples["weight"].isna().sum() == 1


def test_ids_that_match_nothing__are_an_error_that_shows_both_styles(home, files):
    _, bed, table = files
    rows = pd.read_csv(table).sort_values("id")
    rows.assign(id="rat-" + rows["id"]).to_csv(table, index=False)
    with pytest.raises(
        DatasetError, match=r"None of the 24 ids .* The table has rat-sample0000, .*; the genotypes have sample0000, sample0001"
    ):
        import_dataset("mine", bed, phenotypes=table)
    assert list_datasets(NOTHING) == ()


def test_duplicate_ids_in_the_table__are_an_error_that_names_them(home, files):
    _, bed, table = files
    rows = pd.read_csv(table)
    pd.concat([rows, rows[rows["id"] == "sample0007"]]).to_csv(table, index=False)
    with pytest.raises(DatasetError, match="1 ids stand more than once in column 'id': sample0007"):
        import_dataset("mine", bed, phenotypes=table)


def test_the_id_column__is_found_named_or_refused(tmp_path):
    samples = pd.DataFrame({"id": ["a", "b"]})
    (tmp_path / "x.csv").write_text("FID,IID,w\nf,a,1\nf,b,2\n")
    assert join_phenotypes(samples, tmp_path / "x.csv")[1].id_column == "IID"
    (tmp_path / "y.csv").write_text("RatID,w,tag\na,1,b\nb,2,a\n")
    assert join_phenotypes(samples, tmp_path / "y.csv")[0]["w"].tolist() == [1, 2]
    assert join_phenotypes(samples, tmp_path / "y.csv", id_column="tag")[0]["w"].tolist() == [2, 1]
    with pytest.raises(DatasetError, match=r"y\.csv has no column 'rat'; its columns are RatID, w, tag"):
        join_phenotypes(samples, tmp_path / "y.csv", id_column="rat")
    (tmp_path / "z.csv").write_text("id,w\na,1\n,2\n")
    with pytest.raises(DatasetError, match=r"z\.csv, line 3: the column 'id' is empty"):
        join_phenotypes(samples, tmp_path / "z.csv")
    (tmp_path / "e.csv").write_text("id,w\n")
    with pytest.raises(DatasetError, match=r"e\.csv lists no samples"):
        join_phenotypes(samples, tmp_path / "e.csv")


def test_a_column_in_both__takes_the_tables_value_and_reports_disagreement(tmp_path):
    samples = pd.DataFrame({"id": ["a", "b", "c"], "sex": ["male", "female", "male"]})
    (tmp_path / "x.csv").write_text("id,sex\nb,1\na,1\nc,0\n")
    joined, report = join_phenotypes(samples, tmp_path / "x.csv")
    assert joined["sex"].tolist() == ["male", "male", "male"]
    assert report.disagreements == (("sex", 1),)


def test_texts_for_missing__are_said_by_the_user(tmp_path):
    samples = pd.DataFrame({"id": ["a", "b"]})
    (tmp_path / "x.csv").write_text("id,w\na,-9\nb,2\n")
    assert join_phenotypes(samples, tmp_path / "x.csv")[0]["w"].tolist() == [-9, 2]
    assert join_phenotypes(samples, tmp_path / "x.csv", missing=["-9"])[0]["w"].isna().tolist() == [True, False]


def samples_with(values):
    return pd.DataFrame({"id": [f"s{i}" for i in range(len(values))], "t": values, "age": 3})


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        ([0.5, 1.5, 2.0, None], "quantitative", ()),
        (list(range(20)), "quantitative", ()),
        ([1, 2, 1, None], "categorical", ("1", "2")),
        ([0.0, 1.0, 0.0, None], "categorical", ("0", "1")),
        ([10, 9, 8, 10], "ordinal", ("8", "9", "10")),
        (["b", "a", "a", None], "categorical", ("a", "b")),
    ],
)
def test_kind__is_inferred(values, kind, classes):
    trait, column = make_trait(samples_with(values), "t", covariates=["age"])
    assert (trait.kind, trait.classes, trait.covariates) == (kind, classes, ("age",))
    assert column.isna().tolist() == [value is None for value in values]
    if classes:
        assert set(column.dropna()) == set(classes)


def test_kind__can_be_said():
    assert make_trait(samples_with([1, 2, 1, 2]), "t", kind="quantitative")[1].tolist() == [1.0, 2.0, 1.0, 2.0]
    trait, _ = make_trait(samples_with(["hi", "lo", "mid"]), "t", kind="ordinal", classes=["lo", "mid", "hi"])
    assert trait.classes == ("lo", "mid", "hi")


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        (["a", "a"], {}, "The trait 't' is 'a' in all 2 samples that have it; a trait must vary"),
        ([5.0, 5.0, None], {}, r"The trait 't' is '5\.0' in all 2 samples"),
        ([None, None], {}, "The trait 't' is not known in any sample"),
        (["1", "2", "x3"], {"kind": "quantitative"}, "The quantitative trait 't' is 'x3' in sample 's2'"),
        ([f"{i} g" for i in range(40)], {}, "is text with 40 different values in 40 samples"),
        (["a", "b"], {"kind": "ordinal"}, "The order of the classes of 't' is not known: a, b"),
        (["a", "b"], {"classes": ["a"]}, "has the classes b beside those given: a"),
        (["a", "b"], {"classes": ["a", "b", "c"]}, "No sample has the class c of trait 't'"),
        (["a", "b"], {"covariates": ["diet"]}, "There is no column 'diet'; the columns are id, t, age"),
        (["a", "b"], {"covariates": ["age", "t"]}, "The trait 't' cannot be among its own covariates"),
        (["a", "b"], {"family": "litter"}, "There is no column 'litter'"),
    ],
)
def test_a_trait_that_cannot_be_used__is_an_error(values, settings, message):
    with pytest.raises(DatasetError, match=message):
        make_trait(samples_with(values), "t", **settings)


def test_traits__keep_order_family_and_card(home, files):
    _, bed, table = files
    report = import_dataset(
        "mine",
        bed,
        phenotypes=table,
        traits=TraitRequest(columns=("coat", "weight"), covariates=("sex",), birth_column="weight"),
        about=About(title="My cows", species="Bos taurus (cattle)", licence="private"),
    )
    card = open_dataset("mine", NOTHING).card
    assert [trait.column for trait in card.traits] == ["coat", "weight"]
    assert {trait.family for trait in card.traits} == {"family"}
    assert card.traits[0].covariates == ("sex",)
    assert (card.title, card.licence, card.birth_column) == ("My cows", "private", "weight")
    assert report.traits == card.traits


def test_a_class_of_few_samples__is_noted(home, files):
    _, bed, table = files
    rows = pd.read_csv(table)
    rows.assign(coat=["dun"] * 3 + ["red"] * 21).to_csv(table, index=False)
    report = import_dataset("mine", bed, phenotypes=table, traits=TraitRequest(columns=("coat",)))
    assert report.notes == ("Class dun of 'coat' has 3 samples only; some part of a split may have none.",)


def test_which_column_is_the_trait__is_asked_where_it_is_not_plain(home, files):
    _, bed, table = files
    with pytest.raises(DatasetError, match=r"Which column of .* is the trait\? It could be: weight, coat, grade"):
        import_dataset("mine", bed, phenotypes=table)
    pd.read_csv(table)[["id", "sex", "weight"]].to_csv(table, index=False)
    assert [trait.column for trait in import_dataset("mine", bed, phenotypes=table).traits] == ["weight"]


@pytest.mark.parametrize(
    ("scale", "values", "message"),
    [
        (
            1.0,
            [1e200],
            r"phenotypes\.csv: the column 'weight' is 1e\+200 in sample '\S+', and .* the variance inf\.",
        ),
        (1.0, [-1e200, 1e190], r"the column 'weight' is -1e\+200 in sample"),
        (1e-200, [], "has the variance 0"),
    ],
)
def test_a_variance_that_no_number_holds__is_an_error_with_file_column_and_value(home, files, scale, values, message):
    _, bed, table = files
    rows = pd.read_csv(table)
    weight = np.array(rows["weight"] * scale)
    weight[: len(values)] = values
    rows.assign(weight=weight).to_csv(table, index=False)
    for request in (TraitRequest(columns=("weight",)), TraitRequest(columns=("coat",), covariates=("weight",))):
        with pytest.raises(DatasetError, match=message):
            import_dataset("mine", bed, phenotypes=table, traits=request)
    assert "mine" not in {entry.name for entry in list_datasets(NOTHING)}


def test_a_birth_column_that_is_not_there__is_an_error(home, files):
    _, bed, table = files
    with pytest.raises(DatasetError, match="There is no column 'born'; the columns are id, sex"):
        import_dataset("mine", bed, phenotypes=table, traits=TraitRequest(columns=("weight",), birth_column="born"))


def test_genotypes_alone__are_imported_with_a_note(home, files):
    _, bed, _ = files
    report = import_dataset("mine", bed)
    assert report.traits == ()
    assert report.notes[0].startswith("No trait was named")


def test_variants_beyond_the_autosomes__are_noted(home, files):
    made, _, table = files
    chromosomes = np.repeat(["1", "X", "MT"], [9, 4, 2])
    write_genotypes(Genotypes(made.calls, made.samples[["id"]], made.variants.assign(chromosome=chromosomes)), table.with_name("y.bed"))
    report = import_dataset("mine", table.with_name("y.bed"), phenotypes=table, traits=TraitRequest(columns=("weight",)))
    assert len(report.notes) == 1
    assert report.notes[0].startswith("6 of 15 variants lie beyond the autosomes (X: 4, MT: 2). The generators")


def test_a_name_that_is_taken__is_refused(home, files, toys):
    _, bed, _ = files
    import_dataset("mine", bed)
    with pytest.raises(DatasetError, match="There is an imported dataset 'mine' already"):
        import_dataset("mine", bed)
    import_dataset("mine", bed, replace=True)
    registry, _ = toys(example_genotypes())
    with pytest.raises(DatasetError, match=r"The name 'toy' is taken: toys-dist 1\.0 offers"):
        import_dataset("toy", bed, registry=registry)
    with pytest.raises(DatasetError, match="'My cows' cannot name a dataset"):
        import_dataset("My cows", bed)


def test_variants_that_are_all_constant__are_refused(home, tmp_path):
    made = example_genotypes(n_samples=24, n_variants=6, n_constant=6)
    write_genotypes(made, tmp_path / "x.bed")
    with pytest.raises(DatasetError, match=r"All 6 variants .* have one genotype only"):
        import_dataset("mine", tmp_path / "x.bed")


def test_constant_variants__are_kept_and_counted(home, tmp_path):
    write_genotypes(example_genotypes(n_samples=24, n_variants=9, n_constant=2), tmp_path / "x.bed")
    report = import_dataset("mine", tmp_path / "x.bed")
    assert (report.n_constant_variants, report.read.n_variants) == (2, 9)


def test_a_failed_import__leaves_nothing(home, files):
    _, bed, table = files
    bed.write_bytes(bed.read_bytes()[:-1])
    with pytest.raises(FormatError):
        import_dataset("mine", bed, phenotypes=table)
    assert list_datasets(NOTHING) == ()


def test_an_offered_dataset__is_loaded_once_and_memory_mapped(home, toys):
    made = example_genotypes(n_samples=24, n_variants=15)
    registry, loads = toys(made, replace(CARD, sha256=content_sha256(made)))
    for name in ("toy", "toys-dist/toy", "toy"):
        opened = open_dataset(name, registry)
        assert isinstance(opened.genotypes.calls.packed, np.memmap)
        assert opened.sha256 == opened.card.sha256 == content_sha256(made)
    assert len(loads) == 1


def test_an_offered_dataset_without_a_hash__is_loaded_each_time(home, toys):
    made = example_genotypes(n_samples=24, n_variants=15)
    registry, loads = toys(made)
    assert open_dataset("toy", registry).sha256 == open_dataset("toy", registry).sha256 == content_sha256(made)
    assert len(loads) == 2


def test_causal_variants__come_with_an_offered_dataset(home, toys):
    named = pd.DataFrame({"id": ["variant0003", "variant0001"], "effect": [0.5, -2.0], "share": [0.1, 0.2]})
    made = example_genotypes()
    for card in (CARD, replace(CARD, sha256=content_sha256(made))):
        registry, _ = toys(made, card, named)
        for _ in range(2):  # Loaded, and from the cache.
            assert open_dataset("toy", registry).causal == {"variant0003": 0.5, "variant0001": -2.0}
    assert open_dataset("toy", toys(made)[0]).causal is None
    with pytest.raises(DatasetError, match=r"causal variants of the dataset 'toy' of toys-dist 1\.0 could not be read: KeyError"):
        open_dataset("toy", toys(made, causal=named[["id"]])[0])


def test_other_bytes_than_the_card_says__are_an_error(home, toys):
    registry, _ = toys(example_genotypes(), replace(CARD, sha256="0" * 64))
    with pytest.raises(DatasetError, match=r"The dataset 'toy' of toys-dist 1\.0 has sha256 [0-9a-f]{64}; its card says 0000"):
        open_dataset("toy", registry)


def test_a_damaged_cache__is_made_again(home, toys):
    made = example_genotypes(n_samples=24, n_variants=15)
    registry, loads = toys(made, replace(CARD, sha256=content_sha256(made)))
    open_dataset("toy", registry)
    calls = next(home.rglob("calls.npy"))
    calls.write_bytes(calls.read_bytes()[:-1] + b"\xff")
    assert open_dataset("toy", registry).sha256 == content_sha256(made)
    calls.write_bytes(b"")
    assert open_dataset("toy", registry).sha256 == content_sha256(made)
    assert len(loads) == 3


def test_a_damaged_import__is_an_error_that_says_what_to_do(home, files):
    _, bed, _ = files
    import_dataset("mine", bed)
    calls = next(home.rglob("calls.npy"))
    good = calls.read_bytes()
    calls.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(DatasetError, match=r"The imported dataset 'mine' has sha256 .* import it again"):
        open_dataset("mine", NOTHING)
    calls.unlink()
    with pytest.raises(DatasetError, match=r"The imported dataset 'mine' is damaged: .*Import it again"):
        open_dataset("mine", NOTHING)
    (home / "datasets" / "mine" / "card.json").write_text("{")
    assert list_datasets(NOTHING)[0].summary.startswith("damaged: The card")


def test_a_wrong_name__gets_the_nearest_of_both_kinds(home, files, toys):
    _, bed, _ = files
    registry, _ = toys(example_genotypes())
    import_dataset("rat_hs_192", bed)
    with pytest.raises(UnknownNameError, match=r"There is no dataset 'rat_hs_129'\. Did you mean 'rat_hs_192'\?"):
        open_dataset("rat_hs_129", registry)
    with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
        open_dataset("toys", registry)
    with pytest.raises(UnknownNameError, match="there are: rat_hs_192, toy"):
        open_dataset("zzzzzz", registry)
    with pytest.raises(UnknownNameError):
        open_dataset("../datasets/rat_hs_192", registry)


def test_list__shows_offered_then_imported(home, files, toys):
    _, bed, _ = files
    registry, _ = toys(example_genotypes())
    import_dataset("a", bed, about=About(title="Mine"))
    entries = list_datasets(registry)
    assert [(entry.name, entry.origin, entry.summary, entry.n_samples) for entry in entries] == [
        ("toy", "toys-dist", "toys to test with", None),
        ("a", "imported", "Mine", 24),
    ]


def test_saving__replaces_whole_and_leaves_nothing_beside(home):
    save_dataset("a", example_genotypes(n_samples=24), CARD)
    opened = save_dataset("a", example_genotypes(n_samples=30), CARD)
    assert opened.genotypes.n_samples == 30
    assert {path.name for path in (home / "datasets").iterdir()} == {"a", ".a.lock"}


def test_describe__counts_by_hand():
    made = example_genotypes(n_samples=24, n_variants=15, missing_share=0.1, n_constant=1)
    calls = made.to_array().astype(float)
    calls[calls < 0] = np.nan
    facts = describe(made)
    frequency = np.nanmean(calls, axis=0) / 2
    assert facts.missing_share == pytest.approx(np.isnan(calls).mean())
    assert facts.minor_allele_frequency_quartiles == pytest.approx(np.quantile(np.minimum(frequency, 1 - frequency), [0.25, 0.5, 0.75]))
    expected = np.nanmean(np.where(np.isnan(calls), np.nan, calls == 1), axis=0).mean()
    assert facts.mean_heterozygosity == pytest.approx(expected)
    assert facts.n_constant_variants == (np.nanmin(calls, axis=0) == np.nanmax(calls, axis=0)).sum() > 0
    assert facts.variants_by_chromosome == {"1": 8, "2": 7}


def test_the_published_rats__join_their_published_phenotypes(home, shared_data):
    original = shared_data / "rat_hs_192" / "original"
    report = import_dataset("rats", original / "TEST", phenotypes=original / "TEST.phe", traits=TraitRequest(columns=("Trait1", "Trait2")))
    expected = pd.read_csv(shared_data / "rat_hs_192" / "samples.csv", dtype={"id": str}).set_index("id")
    samples = open_dataset("rats", NOTHING).genotypes.samples
    assert samples["Trait1"].tolist() == expected.loc[samples["id"], "Trait1"].tolist()
    assert samples["sex"].tolist() == ["male"] * 192
    assert report.traits == (Trait("Trait1", "quantitative"), Trait("Trait2", "quantitative"))
