"""The shipped demo datasets are what their cards say."""

from __future__ import annotations

import itertools
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import allel
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from genobench import DatasetError, content_sha256
from genobench.builtin.demos import CattleDemo, RatDemo
from genobench.testing import DatasetSuite

if TYPE_CHECKING:
    from genobench import Genotypes

NOWHERE = Path("never-written")
VENDORS = ("charles-river-like", "harlan-like")

# Minor allele frequencies of 50,161 chip variants in 93,484 Holsteins (Xie et al. 2026, doi:10.1093/gigascience/giag044).
MAF_EDGES = (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MAF_COUNTS = (1272, 667, 984, 2564, 4593, 9446, 9959, 10187, 10489)


class TestCattleDemo(DatasetSuite):
    """Every rule for datasets."""

    plugin = CattleDemo


class TestRatDemo(DatasetSuite):
    """Every rule for datasets."""

    plugin = RatDemo


@pytest.fixture(scope="module")
def cattle() -> Genotypes:
    return CattleDemo().load(NOWHERE)


@pytest.fixture(scope="module")
def rats() -> Genotypes:
    return RatDemo().load(NOWHERE)


@pytest.mark.parametrize(("demo", "shape"), [(CattleDemo, (1950, 4011)), (RatDemo, (1900, 3840))])
def test_demo__has_the_content_and_size_of_its_card(demo, shape):
    genotypes = demo().load(NOWHERE)
    assert genotypes.calls.shape == shape
    assert (demo().measured()["n_samples"], demo().measured()["n_variants"]) == shape
    assert content_sha256(genotypes) == demo().card.sha256
    assert genotypes.to_array().min() >= 0


@pytest.mark.parametrize("demo", [CattleDemo, RatDemo])
def test_demo__takes_at_most_two_megabytes(demo):
    with as_file(files("genobench.builtin").joinpath("demo_data", demo.folder)) as folder:
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 2_000_000


@pytest.mark.parametrize("damage", ["changed", "truncated"])
def test_demo__damaged_file_is_named(damage, tmp_path):
    with as_file(files("genobench.builtin").joinpath("demo_data", "rat")) as folder:
        shutil.copytree(folder, tmp_path / "rat")

    class Damaged(RatDemo):
        def _file(self, name):
            return tmp_path / "rat" / name

    other = "samples.csv.xz" if damage == "changed" else "variants.csv.xz"
    content = (tmp_path / "rat" / other).read_bytes()
    (tmp_path / "rat" / "variants.csv.xz").write_bytes(content if damage == "changed" else content[:-50])
    with pytest.raises(DatasetError, match=r"variants\.csv\.xz.*Install genobench again"):
        Damaged().load(NOWHERE)


@pytest.mark.parametrize("demo", [CattleDemo, RatDemo])
def test_demo__positions_increase_within_chromosomes(demo):
    variants = demo().load(NOWHERE).variants
    assert variants.groupby("chromosome")["position_bp"].agg(lambda position: position.is_monotonic_increasing).all()
    assert variants["id"].is_unique


def _genetic_values(genotypes: Genotypes, causal: pd.DataFrame) -> np.ndarray:
    columns = pd.Index(genotypes.variants["id"]).get_indexer(causal["id"])
    assert (columns >= 0).all(), "every causal variant is among the variants"
    values: np.ndarray = genotypes.calls.columns(columns) @ causal["effect"].to_numpy()
    return values


def _mean_r2(genotypes: Genotypes, rows: np.ndarray, distance_bp: int) -> float:
    """Squared Pearson correlation of calls, not corrected, of pairs within chromosomes, .75 to 1.25 of the distance apart, MAF >= .05."""
    values = []
    for _, table in genotypes.variants.groupby("chromosome"):
        calls = genotypes.calls.columns(table.index.to_numpy())[rows]
        frequency = calls.mean(axis=0) / 2
        common = np.minimum(frequency, 1 - frequency) >= 0.05
        position = table["position_bp"].to_numpy(dtype=np.int64)[common]
        r = np.corrcoef(calls[:, common].T)
        apart = position - position[:, None]
        values.append(r[(apart >= 0.75 * distance_bp) & (apart < 1.25 * distance_bp)] ** 2)
    return float(np.concatenate(values).mean())


def _fst(first: np.ndarray, second: np.ndarray) -> float:
    numerator, denominator = allel.hudson_fst(*(np.stack([2 * len(c) - c.sum(axis=0), c.sum(axis=0)], axis=1) for c in (first, second)))
    return float(numerator.sum() / denominator.sum())


def test_cattle__covers_chromosome_14_and_a_block_of_each_other_autosome(cattle):
    counts = cattle.variants["chromosome"].value_counts()
    assert counts.drop("14").to_dict() == {str(number): 80 for number in range(1, 30) if number != 14}
    assert counts["14"] == 1771
    on_14 = cattle.variants.loc[cattle.variants["chromosome"] == "14", "position_bp"]
    assert on_14.iloc[0] < 500_000
    assert on_14.iloc[-1] > 81_900_000
    assert 29_000 <= on_14.diff().median() <= 40_000, "the median gap of the chip"


def test_cattle__linkage_decays_as_in_holsteins(cattle):
    everyone = np.arange(cattle.n_samples)
    facts = CattleDemo().measured()
    near, far = (_mean_r2(cattle, everyone, distance) for distance in (100_000, 1_000_000))
    assert 0.14 <= near <= 0.20
    assert 0.06 <= far <= 0.08
    assert (near, far) == pytest.approx((facts["mean_r2_100_kb"], facts["mean_r2_1_mb"]), abs=1e-4)


def test_cattle__minor_allele_frequencies_follow_the_chip(cattle):
    frequency = cattle.to_array().mean(axis=0) / 2
    found = np.histogram(np.minimum(frequency, 1 - frequency), MAF_EDGES)[0] / cattle.n_variants
    # Chosen to match, so closer than the .006 that 4,011 random draws would have as a standard error in the large bins.
    np.testing.assert_allclose(found, np.array(MAF_COUNTS) / sum(MAF_COUNTS), atol=0.006)
    assert frequency.min() > 0
    assert frequency.max() < 1


def test_cattle__large_causal_variants_explain_their_shares(cattle):
    causal = CattleDemo().causal().nlargest(3, "share")
    index = cattle.variants.set_index("id").index.get_indexer(causal["id"])
    places = cattle.variants.iloc[index]
    assert places["chromosome"].tolist() == ["14", "5", "20"]
    assert places["position_bp"].iloc[0] < 1_000_000, "near the start of chromosome 14, as DGAT1"
    calls = cattle.calls.columns(index)
    trait = cattle.samples["fat_content"].to_numpy()
    assert calls[:, 0].mean() / 2 == pytest.approx(0.37, abs=0.01)
    explained = calls.var(axis=0) * causal["effect"].to_numpy() ** 2 / trait.var()
    np.testing.assert_allclose(explained, [0.200, 0.035, 0.023], atol=1e-4)
    # Regressed one at a time, they share what little they are correlated: by about 1 / sqrt(n) = .02 in r.
    alone = np.array([np.polyfit(column, trait, 1)[0] for column in calls.T]) ** 2 * calls.var(axis=0)
    np.testing.assert_allclose(alone, [0.200, 0.035, 0.023], atol=0.01)


def test_cattle__heritability_is_a_half(cattle):
    trait = cattle.samples["fat_content"].to_numpy()
    genetic = _genetic_values(cattle, CattleDemo().causal())
    assert trait.mean() == pytest.approx(0, abs=1e-4)
    assert trait.var() == pytest.approx(1, abs=1e-3)
    assert genetic.var() / trait.var() == pytest.approx(0.50, abs=1e-3)
    assert np.corrcoef(genetic, trait - genetic)[0, 1] == pytest.approx(0, abs=1e-3)


def test_cattle__comes_in_large_half_sib_families_over_ten_years(cattle):
    sizes = cattle.samples["sire"].value_counts()
    assert sizes.max() >= 100
    assert sizes[sizes >= 20].sum() >= 0.75 * cattle.n_samples
    assert cattle.samples["birth_year"].value_counts().to_dict() == dict.fromkeys(range(2010, 2020), 195)


def test_cattle__half_sibs_share_a_quarter(cattle):
    """Checks the gene drop against pedigree theory: relationship .25 above that of cows who have no parent or grandsire in common."""
    pedigree = CattleDemo().pedigree().set_index("id")
    frequency = cattle.to_array().mean(axis=0) / 2
    common = np.minimum(frequency, 1 - frequency) >= 0.05
    scaled = cattle.to_array()[:, common] - 2 * frequency[common]
    relationship = scaled @ scaled.T / (2 * frequency[common] * (1 - frequency[common])).sum()
    sire, dam = cattle.samples["sire"].to_numpy(), cattle.samples["dam"].to_numpy()
    grandsires = np.stack([pedigree["sire"].reindex(parent).to_numpy() for parent in (sire, dam)])
    apart = sire[:, None] != sire
    for mine in grandsires:
        for other in grandsires:
            apart &= mine[:, None] != other
    half_sibs = (sire[:, None] == sire) & (dam[:, None] != dam) & (grandsires[1][:, None] != grandsires[1])
    # Chromosome 14 alone is nearly half of the variants, so that realised sharing varies; .04 is its spread over families.
    assert relationship[half_sibs].mean() - relationship[apart].mean() == pytest.approx(0.25, abs=0.04)


def test_cattle__pedigree_is_whole(cattle):
    pedigree = CattleDemo().pedigree()
    order = pd.Series(range(len(pedigree)), index=pedigree["id"])
    assert set(cattle.samples["id"]) <= set(pedigree["id"])
    bred = pedigree[pedigree["sire"] != ""]
    for parent, sex in (("sire", "male"), ("dam", "female")):
        assert (order[bred[parent]].to_numpy() < order[bred["id"]].to_numpy()).all()
        assert set(pedigree["sex"].to_numpy()[order[bred[parent]].to_numpy()]) == {sex}
    assert not set(cattle.samples["dam"]) & set(cattle.samples["id"]), "no dam is genotyped beside her daughter"


def test_rats__structure_is_that_of_the_card(rats):
    calls, samples, facts = rats.to_array(), rats.samples, RatDemo().measured()
    members = [calls[samples["vendor"] == vendor] for vendor in VENDORS]
    between = _fst(*members)
    assert between == pytest.approx(0.42, abs=0.02)
    assert between == pytest.approx(facts["hudson_fst_vendors"], abs=1e-4)
    for vendor in VENDORS:
        mine = samples["vendor"] == vendor
        groups = [calls[mine & (samples["facility"] == name)] for name in sorted(samples["facility"][mine].unique())]
        assert len(groups) == 3
        within = np.mean([_fst(groups[0], groups[1]), _fst(groups[0], groups[2]), _fst(groups[1], groups[2])])
        assert within == pytest.approx(0.10, abs=0.02)
        assert within == pytest.approx(facts["hudson_fst_facilities"][vendor], abs=1e-4)
    segregating = [np.ptp(mine, axis=0).astype(bool).mean() for mine in members]
    assert segregating == pytest.approx([0.82, 0.44], abs=0.005)


def test_rats__vendors_are_in_the_study_s_proportion(rats):
    assert (rats.samples["vendor"] == VENDORS[0]).sum() == round(1900 * 1780 / 4061)
    assert rats.variants["chromosome"].nunique() == 20
    gaps = rats.variants.groupby("chromosome")["position_bp"].diff().dropna()
    assert 20_000 <= gaps.median() <= 50_000


@pytest.mark.parametrize("vendor", VENDORS)
def test_rats__linkage_within_vendor_is_that_of_the_card(rats, vendor):
    rows = np.flatnonzero(rats.samples["vendor"] == vendor)
    facts = RatDemo().measured()
    assert _mean_r2(rats, rows, 100_000) == pytest.approx(facts["mean_r2_100_kb"][vendor], abs=1e-4)
    assert _mean_r2(rats, rows, 1_000_000) == pytest.approx(facts["mean_r2_1_mb"][vendor], abs=1e-4)


@pytest.mark.parametrize(("vendor", "shares"), [(VENDORS[0], (0.39, 0.41, 0.20)), (VENDORS[1], (0.19, 0.37, 0.44))])
def test_rats__classes_take_their_shares_in_each_vendor(rats, vendor, shares):
    samples = rats.samples[rats.samples["vendor"] == vendor]
    index = samples["pavca_index"]
    assert index.between(-1, 1).all()
    expected = np.select([index <= -0.5, index < 0.5], ["GT", "IR"], "ST")
    assert (samples["pavca_class"] == expected).all()
    found = samples["pavca_class"].value_counts(normalize=True)
    # One rat of 833 or 1,067 on either side of a border.
    assert [found[name] for name in ("GT", "IR", "ST")] == pytest.approx(shares, abs=0.0025)


@pytest.mark.parametrize("vendor", VENDORS)
def test_rats__index_is_heritable_within_vendor(rats, vendor):
    mine = (rats.samples["vendor"] == vendor).to_numpy()
    genetic = _genetic_values(rats, RatDemo().causal())[mine]
    index = rats.samples["pavca_index"].to_numpy()[mine]
    assert np.corrcoef(genetic, index)[0, 1] ** 2 == pytest.approx(0.30, abs=1e-3)


def test_rats__vendor_alone_predicts_little(rats):
    """What any model must beat: each vendor's most common class."""
    samples, facts = rats.samples, RatDemo().measured()["balanced_accuracy_of_vendor_alone"]
    found = {
        classes: balanced_accuracy_score(samples["pavca_class"], samples["vendor"].map(dict(zip(VENDORS, classes, strict=True))))
        for classes in itertools.product(("GT", "IR", "ST"), repeat=2)
    }
    assert found["IR", "ST"] == pytest.approx(0.40, abs=0.005)
    assert found["IR", "ST"] == pytest.approx(facts["most_common_class"], abs=1e-4)
    assert max(found.values()) == pytest.approx(facts["best_pair"], abs=1e-4)


def test_rats__litter_mates_share_half(rats):
    """Checks the litters against theory: full sibs' relationship within a facility is .50 above that of other rats there."""
    differences = []
    for _, table in rats.samples.groupby("facility"):
        calls = rats.calls.rows(table.index.to_numpy()).astype(np.float64)
        frequency = calls.mean(axis=0) / 2
        scaled = calls - 2 * frequency
        relationship = scaled @ scaled.T / (2 * frequency * (1 - frequency)).sum()
        family = table["family"].to_numpy()
        mates = (family[:, None] == family) & ~np.eye(len(family), dtype=bool)
        differences.append(relationship[mates].mean() - relationship[family[:, None] != family].mean())
    assert np.mean(differences) == pytest.approx(0.50, abs=0.03)
