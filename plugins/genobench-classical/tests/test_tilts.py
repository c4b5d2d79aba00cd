"""Tilts of a chain against enumeration of all its paths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from genobench_classical.tilts import stratum_tilts


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_stratum_tilts__give_the_stratum_its_own_transitions(order: int) -> None:
    """All paths of five variants: pairs of neighbours are as frequent as in the first-order chain of the wanted transitions,

    but for what six rounds of scaling leave: each about a third, so (1 / 3)^6 = .0014 of differences of at most .7.
    """
    rng = np.random.default_rng(order)
    n_variants = 5
    chance = rng.dirichlet([2, 2, 2], (n_variants, 3**order))
    # At the beginning nothing lies before, and all histories are alike.
    chance[0] = chance[0, 0]
    wanted = rng.dirichlet([2, 2, 2], (n_variants, 3))
    wanted[0] = wanted[0, 0]
    at_most = np.cumsum(chance, axis=2)[..., :2].astype(np.float32)
    tilts = stratum_tilts(at_most, np.arange(n_variants), wanted[None].astype(np.float32))
    assert not tilts[1].any()
    pairs = np.zeros((n_variants, 3, 3))
    for path in product(range(3), repeat=n_variants):
        probability, history, before = 1.0, 0, 0
        steps = []
        for place, call in enumerate(path):
            odds = chance[place, history] * np.exp(tilts[0, place, before])
            probability *= odds[call] / odds.sum()
            steps.append((place, before, call))
            history, before = (history * 3 + call) % 3**order, call
        for step in steps:
            pairs[step] += probability
    share = np.array([1.0, 0, 0])
    for place in range(n_variants):
        np.testing.assert_allclose(pairs[place], share[:, None] * wanted[place], atol=1e-3)
        share = share @ wanted[place]


def test_stratum_tilts__of_no_strata_are_none() -> None:
    tilts = stratum_tilts(np.full((4, 3, 2), 0.5, dtype=np.float32), np.arange(4), np.zeros((0, 4, 3, 3), dtype=np.float32))
    assert tilts.shape == (1, 4, 3, 3)
    assert not tilts.any()
