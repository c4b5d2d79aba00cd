"""The simulators do what their cards say, and make what genobench ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msprime
import numpy as np
import pandas as pd
import pytest

from genobench import SettingsError, content_sha256
from genobench.builtin.demos import CattleDemo, RatDemo
from genobench.testing import DatasetSuite
from genobench_simulation.cattle import CattleSim
from genobench_simulation.coalescent import founder_haplotypes
from genobench_simulation.gene_drop import drop_genes
from genobench_simulation.make_demos import write_demo
from genobench_simulation.measurement import cattle_facts, hudson_fst, mean_r2, rat_facts
from genobench_simulation.panel import spaced_cells
from genobench_simulation.pedigree import FEMALE, FOUNDER, MALE, DairyDesign, Pedigree, dairy_pedigree, litter_pedigree
from genobench_simulation.rat import RatSim
from genobench_simulation.simulated import Simulated
from genobench_simulation.traits import additive_trait, conditioning_index

if TYPE_CHECKING:
    from pathlib import Path

SMALL_CATTLE: dict[str, Any] = {"n_samples": 120, "chromosomes": ("14", "20"), "whole": (), "block_variants": 60, "n_polygenic": 30}
SMALL_RATS: dict[str, Any] = {"n_samples": 120, "chromosomes": ("12", "20"), "blocks": 2, "block_variants": 20, "n_causal": 20}


class TestCattleSim(DatasetSuite):
    """Every rule for datasets."""

    plugin = CattleSim
    settings = SMALL_CATTLE


class TestRatSim(DatasetSuite):
    """Every rule for datasets."""

    plugin = RatSim
    settings = SMALL_RATS


@pytest.mark.parametrize(
    ("simulation", "demo"),
    [(CattleSim(chromosomes=("1", "2"), n_polygenic=100), CattleDemo()), (RatSim(chromosomes=("1", "2")), RatDemo())],
)
def test_simulation__makes_what_genobench_ships(simulation: CattleSim | RatSim, demo: CattleDemo | RatDemo, tmp_path: Path) -> None:
    """Chromosomes have seeds of their own, so that the first two stand for all; make_demos makes the whole."""
    shipped, again = demo.load(tmp_path), simulation.simulate()
    columns = np.flatnonzero(shipped.variants["chromosome"].isin(["1", "2"]))
    np.testing.assert_array_equal(again.calls, shipped.calls.columns(columns))
    pd.testing.assert_frame_equal(again.variants, shipped.variants.iloc[columns].reset_index(drop=True), check_dtype=False)
    fixed = [column for column in shipped.samples.columns if column not in ("fat_content", "pavca_index", "pavca_class")]
    pd.testing.assert_frame_equal(again.samples[fixed], shipped.samples[fixed], check_dtype=False)


def test_simulation__is_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = RatSim(**SMALL_RATS).load(tmp_path)
    monkeypatch.setattr(RatSim, "simulate", lambda _: pytest.fail("simulated again"))
    assert content_sha256(RatSim(**SMALL_RATS).load(tmp_path)) == content_sha256(first)


def test_simulation__another_seed_gives_other_genotypes() -> None:
    one, two = (RatSim(**{**SMALL_RATS, "seed": seed}).simulate() for seed in (1, 2))
    assert (one.calls != two.calls).any()


@pytest.mark.parametrize("simulation", [CattleSim, RatSim])
@pytest.mark.parametrize(
    ("settings", "message"),
    [({"n_samples": 10}, "n_samples is 10"), ({"chromosomes": ("X",)}, "chromosomes are"), ({"chromosomes": ()}, "chromosomes are")],
)
def test_simulation__impossible_settings_are_refused(simulation: type[CattleSim | RatSim], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        simulation(**settings)


def test_cattle__unknown_whole_chromosome_is_refused() -> None:
    with pytest.raises(SettingsError, match="whole is"):
        CattleSim(whole=("30",))


def test_write_demo__is_read_as_it_was_written(tmp_path: Path) -> None:
    rats = RatSim(**SMALL_RATS).simulate()
    cattle = CattleSim(**SMALL_CATTLE).simulate()
    write_demo(rats, tmp_path / "rat", {"traits": []}, rat_facts(rats))
    write_demo(cattle, tmp_path / "cattle", {"traits": []}, cattle_facts(cattle))

    class Written(RatDemo):
        def _file(self, name: str) -> Path:
            return tmp_path / "rat" / name

    genotypes = Written().load(tmp_path)
    np.testing.assert_array_equal(genotypes.to_array(), rats.calls)
    assert genotypes.samples["pavca_index"].tolist() == rats.samples["pavca_index"].tolist()
    assert Written()._card_values()["sha256"] == content_sha256(genotypes)


def test_founder_haplotypes__have_the_expected_diversity_and_lie_in_the_regions() -> None:
    """Under a constant size the expected number of segregating sites is 4 N mu L (1 + 1/2 + ... + 1/(n - 1)) (Watterson 1975)."""
    demography = msprime.Demography()
    demography.add_population(name="herd", initial_size=1000)
    regions = [(1_000_001, 2_000_000), (4_000_001, 5_000_000)]
    counts = [
        founder_haplotypes(
            demography,
            {"herd": 10},
            regions=regions,
            recombination_rate=1e-8,
            mutation_rate=1e-8,
            sampling_time=0,
            discrete_generations=10,
            seed=seed,
        )
        for seed in range(1, 41)
    ]
    expected = 4 * 1000 * 1e-8 * 2_000_000 * sum(1 / k for k in range(1, 20))
    n_sites = [len(haplotypes.position_bp) for haplotypes in counts]
    assert np.mean(n_sites) == pytest.approx(expected, abs=4 * np.std(n_sites) / np.sqrt(40))
    position = np.concatenate([haplotypes.position_bp for haplotypes in counts])
    inside = [(position >= first) & (position <= last) for first, last in regions]
    assert (inside[0] | inside[1]).all()
    assert all(region.any() for region in inside)


def test_drop_genes__recombines_as_haldane_says() -> None:
    """20,000 offspring of one pair: neighbours .5 (1 - exp(-2 d)) apart, each parent's haplotypes equally often."""
    n = 20_000
    pedigree = Pedigree(
        sire=np.array([FOUNDER, FOUNDER] + [0] * n),
        dam=np.array([FOUNDER, FOUNDER] + [1] * n),
        sex=np.array([MALE, FEMALE] + [FEMALE] * n),
        birth=np.array([0, 0] + [1] * n),
    )
    distance = np.array([1_000_000, 10_000_000, 200_000_000])
    centre = np.concatenate([[0], np.cumsum(distance)])
    origins = drop_genes(pedigree, centre, recombination_rate=1e-8, rng=np.random.default_rng(1))[2:]
    assert set(np.unique(origins[:, 0])) == {0, 1}
    assert set(np.unique(origins[:, 1])) == {2, 3}
    expected = 0.5 * (1 - np.exp(-2 * 1e-8 * distance))
    found = (np.diff(origins, axis=2) != 0).mean(axis=(0, 1))
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / (2 * n)))
    assert (origins[:, 0, 0] == 0).mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / n))


def test_dairy_pedigree__parents_are_of_age_and_of_their_sex() -> None:
    pedigree = dairy_pedigree(DairyDesign(calves_a_year=50, last_year=2005), np.random.default_rng(1))
    bred = np.flatnonzero(pedigree.sire != FOUNDER)
    for parents, sex in ((pedigree.sire[bred], MALE), (pedigree.dam[bred], FEMALE)):
        assert (pedigree.sex[parents] == sex).all()
        age = pedigree.birth[bred] - pedigree.birth[parents]
        assert age.min() == 2
        assert age.max() <= 6
    assert ((pedigree.sire == FOUNDER) == (pedigree.dam == FOUNDER)).all()


def test_pedigree__subset_keeps_every_parent() -> None:
    pedigree = dairy_pedigree(DairyDesign(calves_a_year=50, last_year=2005), np.random.default_rng(1))
    youngest = np.arange(len(pedigree) - 5, len(pedigree))
    rows = pedigree.ancestry_of(youngest)
    part = pedigree.subset(rows)
    bred = part.sire != FOUNDER
    np.testing.assert_array_equal(rows[part.sire[bred]], pedigree.sire[rows[bred]])
    np.testing.assert_array_equal(rows[part.dam[bred]], pedigree.dam[rows[bred]])
    assert ((part.sire == FOUNDER) == (pedigree.sire[rows] == FOUNDER)).all()


def test_litter_pedigree__pairs_stay_in_their_group() -> None:
    pedigree = litter_pedigree(3, [10, 20], np.random.default_rng(1))
    offspring = np.arange(12, 42)
    assert (pedigree.sire[offspring] // 6 == np.repeat([0, 1], [10, 20])).all()
    assert (pedigree.dam[offspring] == pedigree.sire[offspring] + 1).all()


def test_spaced_cells__cover_everything_once() -> None:
    cells = spaced_cells(101, 1_000_100, 25, np.random.default_rng(1))
    assert (cells.first_bp[0], cells.last_bp[-1]) == (101, 1_000_100)
    np.testing.assert_array_equal(cells.first_bp[1:], cells.last_bp[:-1] + 1)
    assert (cells.first_bp <= cells.centre_bp).all()
    assert (cells.centre_bp <= cells.last_bp).all()


def _random_calls(n_samples: int, n_variants: int) -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(5)
    calls = rng.binomial(2, rng.uniform(0.1, 0.9, n_variants), size=(n_samples, n_variants)).astype(np.int8)
    variants = pd.DataFrame(
        {"chromosome": "1", "position_bp": 1000 * np.arange(1, n_variants + 1), "id": [f"v{i}" for i in range(n_variants)]}
    )
    return calls, variants


def test_additive_trait__has_the_stated_shares_exactly() -> None:
    calls, variants = _random_calls(300, 60)
    values, causal = additive_trait(
        calls, variants, large_shares={"v7": 0.2}, n_polygenic=20, heritability=0.5, rng=np.random.default_rng(1)
    )
    effect = causal.set_index("id")["effect"]
    genetic = calls[:, [int(name[1:]) for name in effect.index]] @ effect.to_numpy()
    assert (values.mean(), values.var()) == pytest.approx((0, 1), abs=1e-9)
    assert genetic.var() == pytest.approx(0.5, abs=1e-4)
    assert np.corrcoef(calls[:, 7], values)[0, 1] ** 2 == pytest.approx(0.2, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"n_polygenic": 60}, "n_polygenic is 60"), ({"heritability": 0.1}, "heritability is 0.1")],
)
def test_additive_trait__impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    calls, variants = _random_calls(300, 60)
    settings: dict[str, Any] = {"large_shares": {"v7": 0.2}, "n_polygenic": 20, "heritability": 0.5, **change}
    with pytest.raises(SettingsError, match=message):
        additive_trait(calls, variants, **settings, rng=np.random.default_rng(1))


def _rat_table(n_samples: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vendor": np.repeat(["a", "b"], n_samples // 2),
            "facility": np.repeat(["a1", "a2", "b1", "b2"], n_samples // 4),
            "sex": np.tile(["male", "female"], n_samples // 2),
        }
    )


def test_conditioning_index__has_shares_and_heritability_in_both_vendors() -> None:
    calls, variants = _random_calls(400, 60)
    calls[:200, :20] = 0
    calls[200:, 20:30] = 0
    samples = _rat_table(400)
    shares = {"a": (0.4, 0.4, 0.2), "b": (0.2, 0.3, 0.5)}
    values, causal = conditioning_index(
        calls, variants, samples, class_shares=shares, n_causal=30, heritability=0.3, rng=np.random.default_rng(1)
    )
    genetic = calls[:, [int(name[1:]) for name in causal["id"]]] @ causal["effect"].to_numpy()
    for vendor, (low, _, high) in shares.items():
        mine = (samples["vendor"] == vendor).to_numpy()
        assert (values[mine] <= -0.5).mean() == pytest.approx(low, abs=1 / 200)
        assert (values[mine] >= 0.5).mean() == pytest.approx(high, abs=1 / 200)
        # The squared correlation steps as ranks change places: with 200 samples, by less than .002.
        assert np.corrcoef(genetic[mine], values[mine])[0, 1] ** 2 == pytest.approx(0.3, abs=0.002)
    assert np.ptp([genetic[samples["vendor"] == vendor].std() for vendor in shares]) == pytest.approx(0, abs=1e-3)


def test_conditioning_index__too_many_causal_variants_are_refused() -> None:
    calls, variants = _random_calls(40, 10)
    with pytest.raises(SettingsError, match="n_causal is 11"):
        conditioning_index(calls, variants, _rat_table(40), class_shares={}, n_causal=11, heritability=0.3, rng=np.random.default_rng(1))


def test_hudson_fst__is_one_between_fixed_groups_and_zero_on_average_within_one() -> None:
    assert hudson_fst(np.zeros((10, 5), dtype=np.int8), np.full((10, 5), 2, dtype=np.int8)) == pytest.approx(1)
    calls, _ = _random_calls(400, 2000)
    # The estimator is unbiased; over 2,000 variants its standard error is about 1 / (2 n) sqrt(2 / 2000) < 2e-4.
    assert hudson_fst(calls[:200], calls[200:]) == pytest.approx(0, abs=8e-4)


def test_mean_r2__of_copies_is_one() -> None:
    calls, variants = _random_calls(100, 1)
    pair = Simulated(
        np.repeat(calls, 2, axis=1), pd.DataFrame(), pd.concat([variants, variants.assign(position_bp=101_000)]), variants, variants
    )
    assert mean_r2(pair.calls, pair.variants.reset_index(drop=True), 100_000) == pytest.approx(1)
