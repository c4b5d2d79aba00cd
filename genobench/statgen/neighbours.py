"""Exact numbers for all pairs of two sets of samples, and what is made of nearest neighbours.

With a and b the calls of two samples, h the indicator of a heterozygous call, and sums over variants, every measure comes from two inner
products, sum ab and sum h_a h_b. The squared Euclidean distance S is sum a^2 + sum b^2 - 2 sum ab; the variants where the two differ by
one are D = sum h_a + sum h_b - 2 sum h_a h_b; and a variant with 0 and 2 adds 4 to S, one that differs by one adds 1 to both. Hence

- Manhattan distance    (S + D) / 2 = sum a + sum b - sum (ab + h_a h_b);
- opposing homozygotes  (S - D) / 4 = (2 n_a + 2 n_b - sum (ab - h_a h_b)) / 2, n the number of calls of 2.

All are whole numbers, and `products` adds them up without rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import torch

from genobench.errors import GenotypesError
from genobench.statgen.products import MISSING_CODE, call_codes, inner_products, row_tiles, variant_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from genobench.calls import CallMatrix, Calls

    DistanceMatrix = NDArray[np.int32]

IntegerMeasure = Literal["manhattan", "squared-euclidean", "manhattan-visible", "opposing-homozygotes"]

HIDDEN_EVERY: Final = 10
"""Who infers attributes is shown all variants but every tenth; `manhattan-visible` is the distance over those."""

_ROWS_PER_TILE: Final = 1024
_ROWS_PER_PIECE: Final = 256
_BYTES_PER_PIECE: Final = 1 << 19


class _Recipe(NamedTuple):
    """A measure times `divisor` is weight_a + weight_b - times x sum(ab + heterozygous x h_a h_b).

    The weight of a sample is call_weight x the sum of its calls + heterozygous_weight x its heterozygous calls.
    """

    call_weight: int
    heterozygous_weight: int
    times: int
    heterozygous: int
    divisor: int


_RECIPES: Final[dict[str, _Recipe]] = {
    "manhattan": _Recipe(1, 0, 1, 1, 1),
    "manhattan-visible": _Recipe(1, 0, 1, 1, 1),
    "squared-euclidean": _Recipe(2, -1, 2, 0, 1),
    "opposing-homozygotes": _Recipe(1, -1, 1, -1, 2),
}


def hidden_variants(n_variants: int) -> NDArray[np.bool_]:
    """Which variants `manhattan-visible` leaves out: every tenth, from the tenth on.

    Args:
        n_variants: Number of variants.

    Returns:
        Shape (n_variants,).
    """
    is_hidden: NDArray[np.bool_] = np.arange(n_variants) % HIDDEN_EVERY == HIDDEN_EVERY - 1
    return is_hidden


def pairwise(
    queries: Calls | CallMatrix, references: Calls | CallMatrix, measure: IntegerMeasure = "manhattan", *, device: str = "cpu"
) -> DistanceMatrix:
    """A measure between every query and every reference.

    Beside the result this takes at most four planes of `products.PLANE_BYTES` and 1,024 rows of the result. A set against itself (the same
    object twice) takes half the time.

    Args:
        queries: Calls, shape (n_queries, n_variants), in 0, 1 or 2; an array, or packed.
        references: Calls, shape (n_references, n_variants), in 0, 1 or 2; an array, or packed.
        measure: `manhattan`, the sum over variants of |a - b|; `squared-euclidean`, the sum of (a - b) ** 2; `manhattan-visible`, Manhattan
            without `hidden_variants`; `opposing-homozygotes`, the number of variants where one has 0 and the other 2.
        device: `cpu` or `cuda`; the numbers are the same.

    Returns:
        int32, exact, shape (n_queries, n_references).

    Raises:
        GenotypesError: If the numbers of variants differ, or a call is missing (`Imputer` completes them).
    """
    if queries.shape[1] != references.shape[1]:
        raise GenotypesError(f"queries have {queries.shape[1]} variants but references have {references.shape[1]}.")
    recipe, is_same = _RECIPES[measure], references is queries
    n_queries, n_references = queries.shape[0], references.shape[0]
    totals = torch.zeros((n_queries, n_references), dtype=torch.int32, device=device)
    query_weights = torch.zeros(n_queries, dtype=torch.int32, device=device)
    reference_weights = query_weights if is_same else torch.zeros(n_references, dtype=torch.int32, device=device)
    product = torch.empty(_ROWS_PER_TILE * n_references, dtype=torch.int32, device=device)
    tiles = row_tiles(n_queries, rows_per_tile=_ROWS_PER_TILE)
    # Where a set meets itself, only what stands on and right of the diagonal's tiles is worked out.
    columns = [slice(tile.start if is_same else 0, n_references) for tile in tiles]
    for variants in variant_blocks(max(n_queries, n_references), queries.shape[1]):
        left = right = _planes(queries, variants, measure, query_weights, name="queries")
        if not is_same:
            right = _planes(references, variants, measure, reference_weights, name="references")
        if recipe.heterozygous < 0:
            right = right.clone() if is_same else right
            right[:, variants.stop - variants.start :].neg_()
        for rows, across in zip(tiles, columns, strict=True):
            shape = (rows.stop - rows.start, across.stop - across.start)
            tile = inner_products(left[rows], right[across], out=product[: shape[0] * shape[1]].view(shape))
            totals[rows, across].sub_(tile, alpha=recipe.times)
    for rows, across in zip(tiles, columns, strict=True):
        tile = totals[rows, across].add_(query_weights[rows, None]).add_(reference_weights[None, across])
        if recipe.divisor > 1:
            tile.div_(recipe.divisor, rounding_mode="floor")
        if is_same:
            totals[rows.stop :, rows] = totals[rows, rows.stop :].t()
    result: DistanceMatrix = totals.cpu().numpy()
    return result


def _planes(calls: Calls | CallMatrix, variants: slice, measure: IntegerMeasure, weights: torch.Tensor, *, name: str) -> torch.Tensor:
    """Calls and, where the measure asks for it, the heterozygous beside them, shape (n_samples, 1 or 2 x n_block); adds to the weights."""
    recipe, n_samples, n_block, device = _RECIPES[measure], calls.shape[0], variants.stop - variants.start, str(weights.device)
    planes = torch.empty((n_samples, n_block * (2 if recipe.heterozygous else 1)), dtype=torch.int8, device=device)
    is_shown: Any = (~hidden_variants(variants.stop)[variants]).astype(np.int8)
    filled: Any = planes.numpy() if device == "cpu" else planes
    # Pieces stay in the cache between the steps, and numpy starts no threads for them.
    rows_per_piece = max(1, _BYTES_PER_PIECE // max(1, n_block)) if device == "cpu" else max(1, n_samples)
    for start in range(0, n_samples, rows_per_piece):
        rows = slice(start, min(n_samples, start + rows_per_piece))
        block = call_codes(calls, variants, rows, device=device)
        codes: Any = block.numpy() if device == "cpu" else block
        if n_block and codes.max() == MISSING_CODE:
            raise GenotypesError(f"the {name} have missing calls; distances need complete calls, see genobench.statgen.Imputer.")
        if measure == "manhattan-visible":
            codes *= is_shown if device == "cpu" else torch.from_numpy(is_shown).to(device)
        filled[rows, :n_block] = codes
        if recipe.heterozygous:
            filled[rows, n_block:] = codes & 1
    ones = torch.ones((1, n_block), dtype=torch.int8, device=device)
    weights += recipe.call_weight * inner_products(planes[:, :n_block], ones)[:, 0]
    if recipe.heterozygous_weight:
        heterozygous = planes[:, n_block:] if recipe.heterozygous else planes & 1
        weights += recipe.heterozygous_weight * inner_products(heterozygous, ones)[:, 0]
    return planes


def nearest_distance(distances: DistanceMatrix) -> DistanceMatrix:
    """Distance from each query to its nearest reference.

    Args:
        distances: Shape (n_queries, n_references), at least one reference.

    Returns:
        Shape (n_queries,).
    """
    nearest: DistanceMatrix = distances.min(axis=1)
    return nearest


def nearest_distances(distances: DistanceMatrix, k: int) -> DistanceMatrix:
    """Distances from each query to its k nearest references, the nearest first.

    Args:
        distances: Shape (n_queries, n_references).
        k: How many, from 1 to n_references.

    Returns:
        Shape (n_queries, k).

    Raises:
        ValueError: If there are no k references.
    """
    n_references = distances.shape[1]
    if not 1 <= k <= n_references:
        raise ValueError(f"k is {k} but there are {n_references} references; k must be between 1 and that.")
    nearest = np.empty((len(distances), k), dtype=distances.dtype)
    # By pieces, since a partition is made on a copy.
    for start in range(0, len(distances), _ROWS_PER_PIECE):
        piece = distances[start : start + _ROWS_PER_PIECE]
        nearest[start : start + len(piece)] = np.sort(np.partition(piece, k - 1, axis=1)[:, :k], axis=1)
    return nearest


def neighbour_radius(distances: DistanceMatrix, k: int) -> DistanceMatrix:
    """Distance from each sample to its k-th nearest other sample of the same set.

    Args:
        distances: Distances of a set to itself, shape (n_samples, n_samples); the zero of a sample to itself is passed over.
        k: Which neighbour, from 1.

    Returns:
        Shape (n_samples,).

    Raises:
        ValueError: If there are no k other samples.
    """
    radius: DistanceMatrix = neighbour_radii(distances, (k,))[0]
    return radius


def neighbour_radii(distances: DistanceMatrix, ks: Sequence[int]) -> DistanceMatrix:
    """`neighbour_radius` for several k at once.

    Args:
        distances: Distances of a set to itself, shape (n_samples, n_samples).
        ks: Which neighbours, from 1.

    Returns:
        Shape (n_ks, n_samples).

    Raises:
        ValueError: If there are no so many other samples.
    """
    for k in ks:
        if not 1 <= k < len(distances):
            raise ValueError(
                f"k is {k} but {len(distances)} samples have {len(distances) - 1} neighbours each; k must be between 1 and that."
            )
    if max(ks) == 1:
        return np.repeat(_nearest_other(distances)[None, :], len(ks), axis=0)
    # The zero on the diagonal is the smallest of its row, so the k-th other sample stands at place k.
    nearest = nearest_distances(distances, max(ks) + 1)
    return np.ascontiguousarray(nearest[:, list(ks)].T)


def _nearest_other(distances: DistanceMatrix) -> DistanceMatrix:
    """As a partition, but several times faster."""
    nearest = np.empty(len(distances), dtype=distances.dtype)
    for start in range(0, len(distances), _ROWS_PER_PIECE):
        piece = np.array(distances[start : start + _ROWS_PER_PIECE])
        piece[np.arange(len(piece)), start + np.arange(len(piece))] = np.iinfo(distances.dtype).max
        nearest[start : start + len(piece)] = piece.min(axis=1)
    return nearest
