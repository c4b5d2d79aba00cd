"""mosaic, hmm and gene-drop keep every rule, and copy as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
import pytest

from genobench import FitContext, Genotypes, PackedCalls, SettingsError, Trait
from genobench.testing import GeneratorSuite
from genobench_classical.donors import Donors
from genobench_classical.gene_drop import GeneDrop, Offspring
from genobench_classical.hmm import HaplotypeHmm
from genobench_classical.mosaic import Mosaic

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from genobench import Generator


_VALUE = Trait(column="value", kind="quantitative")


class TestMosaic(GeneratorSuite):
    """Every rule for generators."""

    plugin = Mosaic


class TestHaplotypeHmm(GeneratorSuite):
    """Every rule for generators."""

    plugin = HaplotypeHmm
    settings: ClassVar = {"n_clusters": 4, "n_rounds": 2}


class TestGeneDrop(GeneratorSuite):
    """Every rule for generators."""

    plugin = GeneDrop
    settings: ClassVar = {"n_generations": 2, "founder_rate": 5.0}


class TestOffspring(GeneratorSuite):
    """Every rule for generators."""

    plugin = Offspring


def _variants(n_variants: int, *, length_bp: int) -> pd.DataFrame:
    positions = pd.array(np.linspace(1, length_bp, n_variants).astype(int), dtype="Int64")
    ids = [f"v{k}" for k in range(n_variants)]
    return pd.DataFrame({"chromosome": "1", "position_bp": positions, "id": ids, "ref": "A", "alt": "C"})


def _genotypes(haplotypes: NDArray[np.int8], *, length_bp: int = 100_000_000, **columns: object) -> Genotypes:
    """Phased samples on one chromosome; two haplotypes a sample."""
    first, second = haplotypes[0::2], haplotypes[1::2]
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(len(first))], **columns})
    phase = np.packbits((first == 1) & (second == 0), axis=1, bitorder="little")
    return Genotypes(
        calls=PackedCalls.from_calls((first + second).astype(np.int8)),
        samples=samples,
        variants=_variants(first.shape[1], length_bp=length_bp),
        phase=phase,
    )


def _generated(generator: Generator, train: Genotypes, folder: Path, *, condition: pd.DataFrame, trait: Trait = _VALUE) -> NDArray[np.int8]:
    sampler = generator.fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=folder))
    return sampler.generate(len(condition), seed=2, condition=condition).to_array()


def _flat(n: int) -> pd.DataFrame:
    return pd.DataFrame({"value": np.zeros(n)})


@pytest.mark.parametrize("rate", [2.0, 20.0])
def test_mosaic__changes_donor_at_its_rate(tmp_path: Path, rate: float) -> None:
    """Donors all of REF or all of ALT, on one morgan: half of the changes bring the other allele."""
    homozygous = _genotypes(np.repeat(np.arange(40) // 2 % 2, 400).reshape(40, 400).astype(np.int8), value=np.zeros(20))
    calls = _generated(Mosaic(switch_rate=rate, mutation_rate=0.0), homozygous, tmp_path, condition=_flat(500))
    n_changes = np.abs(np.diff(calls.astype(int), axis=1)).sum(axis=1)
    chance = -np.expm1(-rate / 399) / 2
    expected = 2 * 399 * chance
    # Where both haplotypes change at one place, in opposite directions, two changes are not seen.
    assert -5 * np.sqrt(expected / 500) - 2 * 399 * chance**2 < n_changes.mean() - expected < 5 * np.sqrt(expected / 500)


def test_mosaic__without_changes_haplotypes_are_those_of_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    haplotypes = rng.integers(0, 2, size=(40, 60)).astype(np.int8)
    train = _genotypes(haplotypes, value=rng.normal(size=20))
    calls = _generated(Mosaic(switch_rate=0.0, mutation_rate=0.0), train, tmp_path, condition=_flat(50))
    sums = {(a + b).tobytes() for a in haplotypes for b in haplotypes}
    assert all(row.tobytes() in sums for row in calls)


def test_mosaic__an_outlier_is_not_copied_by_those_asked_to_be_like_it(tmp_path: Path) -> None:
    """The sample with the largest value alone has ALT alleles: their share is that of the places copied from it."""
    haplotypes = np.zeros((600, 500), dtype=np.int8)
    haplotypes[-2:] = 1
    value = np.random.default_rng(1).normal(size=300)
    value[-1] = 6.0
    generator = Mosaic(switch_rate=100.0, mutation_rate=0.0, least_donors=25)
    calls = _generated(generator, _genotypes(haplotypes, value=value), tmp_path, condition=pd.DataFrame({"value": np.full(50, 6.0)}))
    # 100 haplotypes of about 100 segments.
    share = calls.mean() / 2
    assert share < 1 / np.sqrt(25) + 5 * np.sqrt(0.2 * 0.8 / 10_000)


@pytest.mark.parametrize("generator", [Mosaic(), HaplotypeHmm(n_clusters=4, n_rounds=10, block_variants=4), GeneDrop(n_generations=3)])
def test_condition__classes_and_values_go_with_the_genotypes(tmp_path: Path, generator: Generator) -> None:
    """Two classes with frequencies .2 and .8; a trait that is the number of ALT alleles at the first half of the variants.

    Variants go in fours that are alike on each haplotype.
    """
    rng = np.random.default_rng(3)
    group = np.arange(200) % 2
    fours = rng.random((400, 20)) < np.where(np.repeat(group, 2)[:, None] == 1, 0.8, 0.2)
    fours[:, :10] = rng.random((400, 10)) < 0.5
    haplotypes = np.repeat(fours, 4, axis=1).astype(np.int8)
    value = (haplotypes[0::2, :40] + haplotypes[1::2, :40]).sum(axis=1).astype(float)
    train = _genotypes(haplotypes, value=value, group=np.where(group == 1, "b", "a"))
    trait = Trait(column="value", kind="quantitative", covariates=("group",))
    asked = pd.DataFrame({"value": np.repeat([32.0, 48.0], 100), "group": ["a", "b"] * 100})
    calls = _generated(generator, train, tmp_path, condition=asked, trait=trait).astype(float)
    frequency = calls[:, 40:].mean(axis=1) / 2
    # Against .5, which is that of both classes: ten fours on both haplotypes of what stands for at least 25 donors.
    error = np.sqrt(0.25 / (10 * 2 * 25))
    assert frequency[0::2].mean() < 0.5 - 4 * error
    assert frequency[1::2].mean() > 0.5 + 4 * error
    gain = calls[100:, :40].sum(axis=1).mean() - calls[:100, :40].sum(axis=1).mean()
    # Asked for 16, nearly two standard deviations of 8.9; kernel and prior take off some, and the gain has a standard error of 1.3.
    assert 4 * 1.3 < gain < 16 + 4 * 1.3


def test_gene_drop__one_generation_has_no_opposing_homozygote_with_its_parents(tmp_path: Path) -> None:
    """A child carries one allele of each parent, so two training samples exist with which it has no opposing homozygote."""
    rng = np.random.default_rng(4)
    train = _genotypes(rng.integers(0, 2, size=(60, 300)).astype(np.int8), value=np.zeros(30))
    child = _generated(GeneDrop(n_generations=1), train, tmp_path, condition=_flat(20)).astype(int)
    parents = train.to_array().astype(int)
    opposing = (np.abs(child[:, None] - parents[None]) == 2).sum(axis=2)
    assert (np.sort(opposing, axis=1)[:, :2] == 0).all()
    later = _generated(GeneDrop(n_generations=4), train, tmp_path, condition=_flat(20)).astype(int)
    is_child = ((np.abs(later[:, None] - parents[None]) == 2).sum(axis=2) == 0).sum(axis=1) >= 2
    assert is_child.mean() < 0.5


@pytest.mark.parametrize("seed", range(6))
def test_gene_drop__no_sample_is_mated_with_itself(tmp_path: Path, seed: int) -> None:
    """Two samples without a sex, each homozygous for an allele of its own: all children are heterozygous for both."""
    train = _genotypes(np.repeat(np.eye(2, dtype=np.int8), 2, axis=0), value=np.zeros(2))
    sampler = GeneDrop(n_generations=1).fit(train, FitContext(trait=_VALUE, seed=1, device="cpu", folder=tmp_path))
    assert (sampler.generate(5, seed=seed, condition=_flat(5)).to_array() == 1).all()


def test_gene_drop__a_breed_of_12_keeps_its_heterozygosity(tmp_path: Path) -> None:
    """Six generations with 1 / (2 Ne) lost in each, where sexes of effective numbers m and f have Ne = 4 m f / (m + f).

    They are 3 and 3 at least among the 12, then 10 and 10; parents are drawn, and of them those of each child, so that twice that is lost.
    """
    rng, breed = np.random.default_rng(6), np.where(np.arange(300) % 25 == 0, "small", "large")
    haplotypes = (rng.random((600, 200)) < rng.uniform(0.1, 0.9, 200)).astype(np.int8)
    # 100 morgans, so that variants are inherited nearly one by one.
    train = _genotypes(haplotypes, length_bp=10_000_000_000, value=rng.normal(size=300), breed=breed)
    trait = Trait(column="value", kind="quantitative", covariates=("breed",))
    sampler = GeneDrop().fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))
    asked = train.samples[["value", "breed"]][breed == "small"].reset_index(drop=True)
    kept = [(sampler.generate(12, seed=seed, condition=asked).to_array() == 1).mean() for seed in range(5)]
    heterozygosity = (train.to_array()[breed == "small"] == 1).mean()
    assert np.mean(kept) / heterozygosity > (1 - 2 / 12) * (1 - 2 / 40) ** 4


def test_gene_drop__generations_between_have_40_animals_of_each_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    train = _genotypes(rng.integers(0, 2, size=(120, 30)).astype(np.int8), value=rng.normal(size=60), breed=["a"] * 53 + ["b"] * 7)
    trait = Trait(column="value", kind="quantitative", covariates=("breed",))
    sampler = GeneDrop().fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))
    donors = Donors(sampler.tables.encoder, sampler.encoded, kernel_width=0.3)
    encoded = sampler._drawn_conditions(donors, rng)
    _, counts = np.unique(encoded[:, sampler.tables.encoder.slices()["breed"]], axis=0, return_counts=True)
    assert counts.min() == 40
    assert counts.sum() < 60 + 40


def test_gene_drop__families_are_as_large_as_asked_for(tmp_path: Path) -> None:
    """Founders that carry a private allele each: those of the sires and dams of 100 children are counted."""
    haplotypes = np.repeat(np.eye(60, dtype=np.int8), 2, axis=0)
    train = _genotypes(haplotypes, length_bp=1000, value=np.zeros(60), sex=["male", "female"] * 30)
    generator = GeneDrop(n_generations=1, offspring_per_sire=25, offspring_per_dam=5)
    calls = _generated(generator, train, tmp_path, condition=_flat(100))
    is_parent: NDArray[np.bool_] = np.any(calls > 0, axis=0)
    assert 1 <= is_parent[0::2].sum() <= 4
    assert 5 <= is_parent[1::2].sum() <= 20
    assert (calls[:, 0::2].sum(axis=1) == 1).all()


@pytest.mark.parametrize("cls", [GeneDrop, Offspring])
def test_generate__of_no_sample_is_a_set_of_none(cls: type[GeneDrop], tmp_path: Path) -> None:
    train = _genotypes(np.eye(12, dtype=np.int8), length_bp=1000, value=np.zeros(6), sex=["male", "female"] * 3)
    context = FitContext(trait=_VALUE, seed=1, device="cpu", folder=tmp_path)
    made = cls().fit(train, context).generate(0, seed=1, condition=pd.DataFrame({"value": np.zeros(0)}))
    assert made.calls.shape == (0, 12)
    assert list(made.samples.columns) == ["id", "value"]


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (Mosaic, {"switch_rate": -1.0}, "switch_rate is -1.0; it must be at least 0"),
        (Mosaic, {"mutation_rate": 2.0}, r"mutation_rate is 2.0; it must lie in \[0, 1\]"),
        (Mosaic, {"least_donors": 0}, "least_donors is 0; it must be at least 1"),
        (HaplotypeHmm, {"n_clusters": 1}, "n_clusters is 1; it must be at least 2"),
        (HaplotypeHmm, {"n_clusters": 65}, "n_clusters is 65; it must be at most 64"),
        (HaplotypeHmm, {"kernel_width": 0.0}, "kernel_width is 0.0; it must be above 0"),
        (Mosaic, {"kernel_width": 1e6}, r"kernel_width is 1000000.0; it must be below 1000000.0"),
        (HaplotypeHmm, {"kernel_width": 9e-7}, "kernel_width is 9e-07; it must be at least 1e-06"),
        (GeneDrop, {"kernel_width": 1e300}, r"kernel_width is 1e\+300; it must be a number that float32 can hold"),
        (GeneDrop, {"n_generations": 0}, "n_generations is 0; it must be at least 1"),
        (GeneDrop, {"offspring_per_dam": 0.5}, "offspring_per_dam is 0.5; it must be at least 1"),
    ],
)
def test_settings__are_checked(cls: type, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        cls(**settings)
