"""The genetic map of a variant table, against distances by hand and Haldane's map function."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench.statgen import GeneticPath


def _variants(chromosomes: str, position_bp: list[int | None], position_cm: list[float | None] | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"chromosome": list(chromosomes), "position_bp": pd.array(position_bp, dtype="Int64"), "ref": "A", "alt": "C"})
    return table if position_cm is None else table.assign(position_cm=np.array(position_cm, dtype=np.float64))


def test_genetic_path__order_is_by_position_within_each_chromosome() -> None:
    path = GeneticPath.of_variants(_variants("12121", [30_000_000, 5, 10_000_000, 2_000_005, 20_000_000]))
    assert path.order.tolist() == [2, 4, 0, 1, 3]
    assert path.morgans == pytest.approx([np.inf, 0.1, 0.1, np.inf, 0.02])
    assert path.is_first.tolist() == [True, False, False, True, False]
    assert path.is_followed.tolist() == [True, True, False, True, False]
    assert path.n_before.tolist() == [0, 1, 2, 0, 1]
    assert path.chromosome_numbers.tolist() == [0, 0, 0, 1, 1]
    assert path.morgans_along == pytest.approx([0, 0.1, 0.2, 0, 0.02])


def test_genetic_path__each_chromosome_has_its_own_source() -> None:
    """Chromosome 1 has a map, that of 2 is zero throughout (PLINK's "not known"), 3 lacks one value, 4 has neither cM nor bp."""
    positions: list[int | None] = [1, 2, 1, 50_000_001, 1, 10_000_001, None, None, None]
    path = GeneticPath.of_variants(_variants("112233444", positions, [5.0, 7.5, 0, 0, 3.0, None, 0, 0, 0]))
    assert path.morgans == pytest.approx([np.inf, 0.025, np.inf, 0.5, np.inf, 0.1, np.inf, 0.5, 0.5])


def test_genetic_path__a_map_that_falls_back_is_no_distance() -> None:
    path = GeneticPath.of_variants(_variants("111", [1, 2, 3], [1.0, 0.5, 2.0]))
    assert path.morgans == pytest.approx([np.inf, 0.0, 0.015])


def test_genetic_path__one_variant() -> None:
    path = GeneticPath.of_variants(_variants("1", [7]))
    assert path.order.tolist() == [0]
    assert np.isinf(path.morgans).all()


def test_recombination__haldane() -> None:
    """Fractions multiply as 1 - 2r along a chromosome (no interference); far apart and between chromosomes they are one half."""
    path = GeneticPath.of_variants(_variants("11112", [1, 10_000_001, 35_000_001, 2_000_000_000, 1]))
    fraction = path.recombination()
    assert fraction[[0, 4]].tolist() == [0.5, 0.5]
    assert fraction[1] == pytest.approx((1 - np.exp(-0.2)) / 2)
    ends = GeneticPath.of_variants(_variants("11", [1, 35_000_001])).recombination()[1]
    assert (1 - 2 * fraction[1]) * (1 - 2 * fraction[2]) == pytest.approx(1 - 2 * ends)
    assert fraction[3] == pytest.approx(0.5, abs=1e-9)


def test_change_probability__poisson() -> None:
    path = GeneticPath.of_variants(_variants("112", [1, 1_000_001, 1]))
    assert path.change_probability(100) == pytest.approx([1, 1 - np.exp(-1), 1])
    assert path.change_probability(0).tolist() == [1, 0, 1]


def test_change_probability__neighbours_that_lie_close_keep_their_chance() -> None:
    """One base of 1e-8 morgans: 1 - exp(-1e-8) in double precision is off by one part in 10^8."""
    path = GeneticPath.of_variants(_variants("11", [1, 2]))
    assert path.change_probability(1)[1] == pytest.approx(1e-8, rel=1e-8, abs=0)
