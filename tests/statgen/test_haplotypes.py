"""Haplotypes of phased calls, against the haplotypes that the calls were made of, and the textbook's r2."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.statgen import haplotype_calls, ld_decay, r2_matrix, unlikely_phases

SEED = 12
POSITIONS = np.arange(40) * 1e4


def _haplotypes(n_samples: int, *, seed: int = SEED, n_variants: int = 40) -> np.ndarray:
    """Autoregressive haplotypes, shape (n_samples, 2, n_variants)."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n_samples, 2, n_variants))
    for column in range(1, n_variants):
        latent[..., column] = 0.9 * latent[..., column - 1] + np.sqrt(1 - 0.81) * latent[..., column]
    return (latent < 0.1).astype(np.int8)


def _phased(haplotypes: np.ndarray) -> tuple[PackedCalls, np.ndarray]:
    """Calls and the plane of phase, as `Genotypes` describes them."""
    calls = haplotypes.sum(axis=1, dtype=np.int8)
    is_first = (calls == 1) & (haplotypes[:, 0] == 1)
    return PackedCalls.from_calls(calls), np.packbits(is_first, axis=1, bitorder="little")


def test_haplotype_calls__gives_back_what_calls_were_made_of(monkeypatch):
    haplotypes = _haplotypes(11, n_variants=13)
    monkeypatch.setattr("genobench.statgen.haplotypes._CALLS_PER_BLOCK", 40)
    np.testing.assert_array_equal(haplotype_calls(*_phased(haplotypes)).rows(slice(None)), haplotypes.reshape(22, 13))


def test_haplotype_calls__are_missing_where_the_call_is():
    calls = np.array([[0, 1, 2, MISSING]], dtype=np.int8)
    phase = np.packbits([[False, True, False, False]], axis=1, bitorder="little")
    found = haplotype_calls(PackedCalls.from_calls(calls), phase).rows(slice(None))
    assert found.tolist() == [[0, 1, 1, MISSING], [0, 0, 1, MISSING]]


def test_r2_of_haplotypes__is_that_of_hill_and_robertson():
    """D^2 / (p_A (1 - p_A) p_B (1 - p_B)), with D = p_AB - p_A p_B (Hill and Robertson 1968)."""
    haplotypes = _haplotypes(50).reshape(100, 40).astype(float)
    p = haplotypes.mean(axis=0)
    d = haplotypes.T @ haplotypes / 100 - np.outer(p, p)
    packed = haplotype_calls(*_phased(_haplotypes(50)))
    np.testing.assert_allclose(r2_matrix(packed, packed)[0], d**2 / np.outer(p * (1 - p), p * (1 - p)), rtol=1e-9, atol=1e-12)


def test_r2_of_haplotypes__is_near_that_of_calls_under_random_mating():
    """Their means over distance agree within sampling noise of the few hundred pairs at each."""
    calls, phase = _phased(_haplotypes(600))
    first, second = (ld_decay(side, chromosomes=["1"] * 40, positions=POSITIONS).mean_r2 for side in (calls, haplotype_calls(calls, phase)))
    is_filled = np.isfinite(first)
    np.testing.assert_allclose(first[is_filled], second[is_filled], atol=0.03)


def _rate(haplotypes: np.ndarray, reference: np.ndarray) -> float:
    sides = [haplotype_calls(*_phased(side)) for side in (haplotypes, reference)]
    return unlikely_phases(*sides, chromosomes=["1"] * 40, positions=POSITIONS).rate


def test_unlikely_phases__by_counting_one_pair_at_a_time():
    haplotypes, reference = _haplotypes(30, seed=1), _haplotypes(80, seed=2)
    flat = reference.reshape(160, 40)
    unlikely = pairs = 0
    for sample in haplotypes:
        for j in range(39):
            table = Counter(zip(flat[:, j].tolist(), flat[:, j + 1].tolist(), strict=True))
            odds = table[1, 1] * table[0, 0] - table[1, 0] * table[0, 1]
            if odds and sample[0, j] != sample[1, j] and sample[0, j + 1] != sample[1, j + 1]:
                pairs += 1
                unlikely += (sample[0, j] == sample[0, j + 1]) == (odds < 0)
    assert _rate(haplotypes, reference) == unlikely / pairs


def test_unlikely_phases__are_half_at_random_and_all_when_every_second_variant_is_switched():
    haplotypes, reference = _haplotypes(300, seed=1), _haplotypes(300, seed=2)
    random = np.where(np.random.default_rng(3).random((300, 1, 40)) < 0.5, haplotypes, haplotypes[:, ::-1])
    n_pairs = np.count_nonzero(np.diff(haplotypes, axis=1)[:, 0, 1:] * np.diff(haplotypes, axis=1)[:, 0, :-1])
    assert _rate(random, reference) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(n_pairs))
    switched = haplotypes.copy()
    switched[..., ::2] = haplotypes[:, ::-1, ::2]
    assert _rate(switched, reference) == pytest.approx(1 - _rate(haplotypes, reference))
    assert _rate(haplotypes[:, ::-1], reference) == _rate(haplotypes, reference)


def test_unlikely_phases__keep_to_chromosomes_and_blocks(monkeypatch):
    haplotypes, reference = (haplotype_calls(*_phased(_haplotypes(60, seed=seed))) for seed in (1, 2))
    chromosomes = np.repeat(["1", "2", "X"], [20, 15, 5])
    monkeypatch.setattr("genobench.statgen.haplotypes._VARIANTS_PER_BLOCK", 7)
    both = unlikely_phases(haplotypes, reference, chromosomes=chromosomes, positions=POSITIONS)
    first = unlikely_phases(haplotypes, reference, chromosomes=chromosomes, positions=POSITIONS, is_used=np.arange(40) < 20)
    assert both.rate_without[1] == first.rate
    assert both.n_pairs.tolist()[2:] == [0]


def test_unlikely_phases__are_undefined_without_pairs():
    homozygous = np.repeat(_haplotypes(10)[:, :1], 2, axis=1)
    assert np.isnan(_rate(homozygous, _haplotypes(10)))
