"""Correction for many comparisons."""

from __future__ import annotations

import math

import pytest

from genobench.downstream.estimates import holm


def test_holm__of_nothing_is_nothing():
    assert holm([]) == []
    assert holm([math.nan, math.nan]) == pytest.approx([math.nan, math.nan], nan_ok=True)


def test_holm__gives_the_p_values_of_statsmodels_worked_by_hand():
    """Holm's own rule: the smallest times m, the next times m - 1, never below the one before."""
    assert holm([0.01, 0.04, math.nan, 0.03, 0.9]) == pytest.approx([0.04, 0.09, math.nan, 0.09, 0.9], nan_ok=True)
    assert holm([0.6, 0.7]) == [1.0, 1.0]
