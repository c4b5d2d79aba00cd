"""Places of variants: what a curve and a line must keep."""

from __future__ import annotations

import numpy as np
import pandas as pd

from genobench_neural.prediction.places import hilbert_cells, places_along


def test_hilbert_cells__steps_to_a_neighbour_and_meets_each_cell_once() -> None:
    rows, columns = hilbert_cells(1024)
    assert (np.abs(np.diff(rows)) + np.abs(np.diff(columns)) == 1).all()
    assert sorted(rows * 32 + columns) == list(range(1024))


def test_hilbert_cells__a_run_of_sixteen_is_a_square() -> None:
    rows, columns = (cells.reshape(-1, 16) for cells in hilbert_cells(1024))
    assert (np.ptp(rows, axis=1) == 3).all()
    assert (np.ptp(columns, axis=1) == 3).all()


def test_places_along__keeps_order_of_position_and_chromosomes_apart() -> None:
    variants = pd.DataFrame({"chromosome": ["2", "1", "2", "1", "2"], "position_bp": pd.array([30, 7, 10, 9, 20], dtype="Int64")})
    places, n_places = places_along(variants, gap=3, multiple=4)
    assert places.tolist() == [2, 8, 0, 9, 1]
    assert n_places == 16


def test_places_along__keeps_the_tables_order_where_positions_are_unknown() -> None:
    variants = pd.DataFrame({"chromosome": ["1", "1", "1"], "position_bp": pd.array([30, None, 10], dtype="Int64")})
    assert places_along(variants, gap=0, multiple=1)[0].tolist() == [0, 1, 2]
