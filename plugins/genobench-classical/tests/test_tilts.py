"""Tilts of a chain against enumeration of all its paths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from genobench_classical.tilts import stratum_tilts


def pairs_of(chance: np.ndarray, tilts: np.ndarray) -> np.ndarray:
    """How often each call follows each call, shape (n_variants, 3, 3), summed over all paths."""
    n_variants, n_histories = chance.shape[:2]
    pairs = np.zeros((n_variants, 3, 3))
    for path in product(range(3), repeat=n_variants):
        probability, history, before = 1.0, 0, 0
        steps = []
        for place, call in enumerate(path):
            odds = chance[place, history] * np.exp(tilts[place, before])
            probability *= odds[call] / odds.sum()
            steps.append((place, before, call))
            history, before = (history * 3 + call) % n_histories, call
        for step in steps:
            pairs[step] += probability
    return pairs


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_stratum_tilts__multiply_the_transitions_of_the_chain_without_them(order: int) -> None:
    """Calls follow calls as in the untilted chain times the ratios, but for what six rounds of scaling leave.

    Each leaves about a third of the differences, which are at most .7: (1 / 3)^6 of that is less than .001.
    """
    rng = np.random.default_rng(order)
    n_variants = 5
    chance = rng.dirichlet([2, 2, 2], (n_variants, 3**order))
    ratios = rng.uniform(0.3, 3, (n_variants, 3, 3))
    # At the beginning nothing lies before, and all histories are alike.
    chance[0], ratios[0] = chance[0, 0], ratios[0, 0]
    at_most = np.cumsum(chance, axis=2)[..., :2].astype(np.float32)
    tilts = stratum_tilts(at_most, np.arange(n_variants), ratios[None].astype(np.float32))
    assert not tilts[1].any()
    untilted, tilted = pairs_of(chance, tilts[1]), pairs_of(chance, tilts[0])
    share = np.array([1.0, 0, 0])
    for place in range(n_variants):
        wanted = ratios[place] * untilted[place] / np.maximum(untilted[place].sum(axis=1, keepdims=True), 1e-12)
        wanted /= np.maximum(wanted.sum(axis=1, keepdims=True), 1e-12)
        np.testing.assert_allclose(tilted[place], share[:, None] * wanted, atol=1e-3)
        share = share @ wanted


def test_stratum_tilts__of_no_strata_are_none() -> None:
    tilts = stratum_tilts(np.full((4, 3, 2), 0.5, dtype=np.float32), np.arange(4), np.ones((0, 4, 3, 3), dtype=np.float32))
    assert tilts.shape == (1, 4, 3, 3)
    assert not tilts.any()
