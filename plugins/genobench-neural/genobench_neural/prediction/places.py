"""Where variants lie: in order along each chromosome, and along a curve that fills a square."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Indices = NDArray[np.intp]


def places_along(variants: pd.DataFrame, *, gap: int, multiple: int) -> tuple[Indices, int]:
    """A place on a line for each variant, chromosome after chromosome, neighbours side by side.

    Variants of a chromosome are ordered by position where every one is known, else they keep the order of the table.

    Args:
        variants: A variant table of `Genotypes`.
        gap: At least so many places without a variant between two chromosomes.
        multiple: Each chromosome begins at a multiple of this.

    Returns:
        Places, shape (n_variants,), and how many there are, with the gap behind the last chromosome.
    """
    chromosomes = variants["chromosome"].to_numpy(dtype=object)
    positions = variants["position_bp"]
    places = np.zeros(len(variants), dtype=np.intp)
    begin = 0
    for name in dict.fromkeys(chromosomes):
        rows = np.flatnonzero(chromosomes == name)
        if positions.iloc[rows].notna().all():
            rows = rows[np.argsort(positions.iloc[rows].to_numpy(dtype=np.int64), kind="stable")]
        places[rows] = begin + np.arange(len(rows))
        begin += -(-(len(rows) + gap) // multiple) * multiple
    return places, begin


def hilbert_cells(n_cells: int) -> tuple[Indices, Indices]:
    """Rows and columns of the first cells along Hilbert's curve, in which neighbours on the line are neighbours in the square.

    Every run of 4^k cells that begins at a multiple of 4^k is a square.

    Args:
        n_cells: How many.

    Returns:
        Rows and columns, shape (n_cells,) each.

    References:
        Hilbert D. 1891. Mathematische Annalen 38: 459-460. https://doi.org/10.1007/BF01199431
    """
    row, column = np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp)
    side = 1
    while len(row) < n_cells:
        # Four copies: the first and the last transposed, so that each ends beside where the next begins.
        row, column = (
            np.concatenate([column, row, row + side, 2 * side - 1 - column]),
            np.concatenate([row, column + side, column + side, side - 1 - row]),
        )
        side *= 2
    return row[:n_cells], column[:n_cells]
