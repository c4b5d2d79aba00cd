"""Phasing, against haplotypes that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from genobench.calls import MISSING, PackedCalls
from genobench.genotypes import Genotypes
from genobench.statgen import (
    BlockedCallMatrix,
    BlockLayout,
    cluster_pairs,
    fit_haplotype_clusters,
    infer_phase,
    phased_haplotypes,
    switch_errors,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Alleles = NDArray[np.int8]


def _variants(chromosomes: list[str]) -> pd.DataFrame:
    places = pd.array(range(1, len(chromosomes) + 1), dtype="Int64")
    ids = [f"v{place}" for place in places]
    return pd.DataFrame({"chromosome": chromosomes, "position_bp": places, "id": ids, "ref": "A", "alt": "C"})


def _layout(n_variants: int) -> BlockLayout:
    return BlockLayout.of_variants(_variants(["1"] * n_variants), block_size=8)


def _calls(haplotypes: Alleles) -> Alleles:
    return (haplotypes[0::2] + haplotypes[1::2]).astype(np.int8)


def _switch_rate(inferred: PackedCalls, truth: Alleles) -> float:
    return switch_errors(inferred, PackedCalls.from_calls(truth), ["1"] * truth.shape[1]).rate


def _families(founders: Alleles, *, n_samples: int, crossover: float, seed: int) -> Alleles:
    """Haplotypes that are mosaics of founders, changing with a chance a variant."""
    rng = np.random.default_rng(seed)
    n_variants = founders.shape[1]
    is_new = rng.random((2 * n_samples, n_variants)) < crossover
    is_new[:, 0] = True
    drawn = rng.integers(len(founders), size=(2 * n_samples, n_variants))
    last = np.maximum.accumulate(np.where(is_new, np.arange(n_variants), 0), axis=1)
    return founders[np.take_along_axis(drawn, last, axis=1), np.arange(n_variants)]


def test_switch_errors__worked_example() -> None:
    """Four heterozygous calls on chromosome 1, of which the last two are turned round, and two on chromosome 2, turned round as one."""
    truth = np.array([[1, 1, 0, 1, 1, 0], [0, 0, 1, 0, 0, 1]], dtype=np.int8)
    inferred = np.array([[1, 1, 1, 0, 0, 1], [0, 0, 0, 1, 1, 0]], dtype=np.int8)
    errors = switch_errors(PackedCalls.from_calls(inferred), PackedCalls.from_calls(truth), list("111122"))
    assert (errors.n_switches, errors.n_pairs) == (1, 4)
    assert errors.rate == 0.25


def test_switch_errors__nothing_heterozygous_has_no_rate() -> None:
    zeros = PackedCalls.from_calls(np.zeros((4, 5), dtype=np.int8))
    assert np.isnan(switch_errors(zeros, zeros, ["1"] * 5).rate)


def test_infer_phase__two_founder_haplotypes_are_found() -> None:
    """Samples of two complementary haplotypes: every heterozygote is heterozygous everywhere, and homozygotes show the haplotypes."""
    first = np.tile(np.array([0, 1, 1, 0, 1], dtype=np.int8), 8)
    truth = np.stack([first, 1 - first])[np.random.default_rng(1).integers(2, size=80)]
    assert _switch_rate(infer_phase(PackedCalls.from_calls(_calls(truth)), _layout(40), seed=1), truth) == 0


def test_infer_phase__rounds_of_copying_mend_most_of_what_clusters_leave() -> None:
    """Sixteen founders, more than there are clusters; a random phase switches at half of the places."""
    founders = np.random.default_rng(2).integers(0, 2, size=(16, 96)).astype(np.int8)
    truth = _families(founders, n_samples=150, crossover=0.01, seed=3)
    calls = PackedCalls.from_calls(_calls(truth))
    clusters = _switch_rate(infer_phase(calls, _layout(96), seed=1, n_rounds=0), truth)
    copied = _switch_rate(infer_phase(calls, _layout(96), seed=1), truth)
    assert clusters < 0.25
    assert copied < clusters / 2


def test_infer_phase__alleles_add_up_to_the_calls_and_missing_ones_are_filled() -> None:
    founders = np.random.default_rng(4).integers(0, 2, size=(6, 64)).astype(np.int8)
    truth = _families(founders, n_samples=120, crossover=0.01, seed=5)
    calls = _calls(truth)
    is_hidden = np.random.default_rng(6).random(calls.shape) < 0.05
    hidden = np.where(is_hidden, MISSING, calls).astype(np.int8)
    inferred = infer_phase(PackedCalls.from_calls(hidden), _layout(64), seed=1).rows(slice(None))
    filled = _calls(inferred)
    assert (filled[~is_hidden] == calls[~is_hidden]).all()
    # The most frequent genotype alone is right half of the time here.
    assert (filled[is_hidden] == calls[is_hidden]).mean() > 0.9


@pytest.mark.parametrize(("n_samples", "n_variants"), [(1, 30), (2, 1), (3, 7)])
def test_infer_phase__few_samples_and_variants(n_samples: int, n_variants: int) -> None:
    calls = np.random.default_rng(7).integers(0, 3, size=(n_samples, n_variants)).astype(np.int8)
    assert (_calls(infer_phase(PackedCalls.from_calls(calls), _layout(n_variants), seed=1).rows(slice(None))) == calls).all()


def test_phased_haplotypes__a_recorded_phase_is_used() -> None:
    truth = np.random.default_rng(8).integers(0, 2, size=(40, 20)).astype(np.int8)
    phase = np.packbits((truth[0::2] == 1) & (truth[1::2] == 0), axis=1, bitorder="little")
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(20)]})
    calls = _calls(truth)
    calls[3, 4] = MISSING
    genotypes = Genotypes(calls=PackedCalls.from_calls(calls), samples=samples, variants=_variants(["1"] * 20), phase=phase)
    haplotypes = phased_haplotypes(genotypes, seed=1).rows(slice(None))
    others = np.delete(truth, [6, 7], axis=0)
    assert (np.delete(haplotypes, [6, 7], axis=0) == others).all()
    assert (haplotypes[6:8, 4] == (others[:, 4].mean() > 0.5)).all()


def test_phased_haplotypes__variants_may_stand_in_any_order() -> None:
    founders = np.random.default_rng(9).integers(0, 2, size=(4, 48)).astype(np.int8)
    truth = _families(founders, n_samples=80, crossover=0.01, seed=10)
    order = np.random.default_rng(11).permutation(48)
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(80)]})
    shuffled = Genotypes(calls=PackedCalls.from_calls(_calls(truth)[:, order]), samples=samples, variants=_variants(["1"] * 48).iloc[order])
    haplotypes = phased_haplotypes(shuffled, seed=1).rows(slice(None))[:, np.argsort(order)]
    assert _switch_rate(PackedCalls.from_calls(haplotypes), truth) < 0.05


def test_cluster_pairs__draws_agree_with_the_likeliest_where_haplotypes_are_plain() -> None:
    founders = np.random.default_rng(12).integers(0, 2, size=(3, 32)).astype(np.int8)
    truth = _families(founders, n_samples=100, crossover=0.0, seed=13)
    calls = BlockedCallMatrix(PackedCalls.from_calls(_calls(truth)), _layout(32))
    generator = torch.Generator().manual_seed(1)
    clusters = fit_haplotype_clusters(calls, calls.layout, n_clusters=3, n_rounds=20, generator=generator)
    likeliest = cluster_pairs(calls, calls.layout, clusters)
    drawn = cluster_pairs(calls, calls.layout, clusters, generator=generator)
    assert likeliest.shape == (4, 100, 2)
    assert (np.sort(likeliest, axis=2) == np.sort(drawn, axis=2)).mean() > 0.95
    assert len(np.unique(likeliest[0])) == 3


@pytest.mark.parametrize(("name", "most"), [("cattle_cgu_bta12", 0.21), ("human_1kg_lct", 0.02)])
def test_infer_phase__real_haplotypes(shared_data: Path, name: str, most: float) -> None:
    """140 Creole cattle and 200 people: Beagle 5.4 leaves .131 and .005 of all calls and people; a random phase .5."""
    haplotypes = np.load(shared_data / name / "genotypes.npz")["haplotypes"][:400].astype(np.int8)
    frequency = haplotypes.mean(axis=0)
    truth = haplotypes[:, (frequency > 0.05) & (frequency < 0.95)][:, :400]
    layout = BlockLayout.of_variants(_variants(["1"] * truth.shape[1]), block_size=8)
    assert _switch_rate(infer_phase(PackedCalls.from_calls(_calls(truth)), layout, seed=1), truth) < most
