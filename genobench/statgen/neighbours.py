"""Exact distances between sets of calls, and what is made of nearest neighbours.

Calls are small whole numbers, so both distances are matrix products of indicator planes, exact in float32 as long as a partial sum stays
below 2**24; variants are taken in blocks well below that and added up as whole numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from genobench.calls import MISSING
from genobench.errors import GenotypesError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.calls import Calls

    DistanceMatrix = NDArray[np.int32]

_VARIANTS_PER_BLOCK: Final = 4096


def pairwise_distances(
    queries: Calls, references: Calls, distance: Literal["manhattan", "squared-euclidean"] = "manhattan"
) -> DistanceMatrix:
    """Distance between every query and every reference.

    Args:
        queries: Calls, shape (n_queries, n_variants), in 0, 1 or 2.
        references: Calls, shape (n_references, n_variants), in 0, 1 or 2.
        distance: `manhattan`, the sum over variants of |a - b|, or `squared-euclidean`, the sum of (a - b) ** 2.

    Returns:
        Distances, int32, exact, shape (n_queries, n_references).

    Raises:
        GenotypesError: If the numbers of variants differ, or a call is missing (`Imputer` completes them).
    """
    if queries.shape[1] != references.shape[1]:
        raise GenotypesError(f"queries have {queries.shape[1]} variants but references have {references.shape[1]}.")
    for name, calls in (("queries", queries), ("references", references)):
        if calls.size and calls.min() == MISSING:
            raise GenotypesError(f"the {name} have missing calls; distances need complete calls, see genobench.statgen.Imputer.")
    planes = _threshold_planes if distance == "manhattan" else _dosage_plane
    totals = np.zeros((len(queries), len(references)), dtype=np.int32)
    for start in range(0, queries.shape[1], _VARIANTS_PER_BLOCK):
        block = slice(start, start + _VARIANTS_PER_BLOCK)
        left = planes(queries[:, block])
        # One array times its own transpose takes BLAS half the work.
        right = left if references is queries else planes(references[:, block])
        product = left @ right.T
        product *= -2
        product += np.einsum("ij,ij->i", left, left)[:, None]
        product += np.einsum("ij,ij->i", right, right)[None, :]
        totals += product.astype(np.int32)
    return totals


def nearest_distance(distances: DistanceMatrix) -> NDArray[np.int32]:
    """Distance from each query to its nearest reference.

    Args:
        distances: Shape (n_queries, n_references), at least one reference.

    Returns:
        Shape (n_queries,).
    """
    nearest: NDArray[np.int32] = distances.min(axis=1)
    return nearest


def neighbour_radius(distances: DistanceMatrix, k: int) -> NDArray[np.int32]:
    """Distance from each sample to its k-th nearest other sample of the same set.

    Args:
        distances: Distances of a set to itself, shape (n_samples, n_samples); the zero of a sample to itself is passed over.
        k: Which neighbour, from 1.

    Returns:
        Shape (n_samples,).

    Raises:
        ValueError: If there are no k other samples.
    """
    if not 1 <= k < len(distances):
        raise ValueError(f"k is {k} but {len(distances)} samples have {len(distances) - 1} neighbours each; k must be between 1 and that.")
    # The zero on the diagonal is the smallest of its row, so the k-th other sample stands at place k.
    radius: NDArray[np.int32] = np.partition(distances, k, axis=1)[:, k]
    return radius


def manifold_precision_recall(
    reference_reference: DistanceMatrix, synthetic_reference: DistanceMatrix, synthetic_synthetic: DistanceMatrix, *, k: int
) -> tuple[float, float]:
    """Precision and recall of the k-nearest-neighbour manifolds.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference).
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic).
        k: The radius of a sample's ball is the distance to its k-th nearest other sample of its own set.

    Returns:
        Precision, the share of synthetic samples inside the ball of some reference sample, and recall, the reverse.

    References:
        Kynkäänniemi T. et al. 2019. Improved precision and recall metric for assessing generative models, equations 1 and 2.
        https://doi.org/10.48550/arXiv.1904.06991
    """
    precision = (synthetic_reference <= neighbour_radius(reference_reference, k)[None, :]).any(axis=1).mean()
    recall = (synthetic_reference <= neighbour_radius(synthetic_synthetic, k)[:, None]).any(axis=0).mean()
    return float(precision), float(recall)


def adversarial_accuracy(
    reference_reference: DistanceMatrix, synthetic_reference: DistanceMatrix, synthetic_synthetic: DistanceMatrix
) -> tuple[float, float]:
    """Accuracy of telling reference from synthetic samples by the nearest neighbour, in both halves; a tie counts one half.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference), at least two samples.
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic), at least two samples.

    Returns:
        The share of reference samples that are nearer to another reference sample than to any synthetic one, and the share of synthetic
        samples that are nearer to another synthetic sample than to any reference one; both are 0.5 when the two sets have one
        distribution and one size, 1 when they lie apart, 0 when each sample has its copy in the other set.

    References:
        Yale A. et al. 2020. Generation and evaluation of privacy preserving synthetic health data. Neurocomputing 416: 244-255, section 3.
        https://doi.org/10.1016/j.neucom.2019.12.136 . Ties are ours: discrete calls have many, and a strict comparison is biased down.
    """
    reference_half = _share_nearer(neighbour_radius(reference_reference, 1), synthetic_reference.min(axis=0))
    synthetic_half = _share_nearer(neighbour_radius(synthetic_synthetic, 1), synthetic_reference.min(axis=1))
    return reference_half, synthetic_half


def _share_nearer(own: NDArray[np.int32], other: NDArray[np.int32]) -> float:
    return float(np.mean(own < other) + np.mean(own == other) / 2)


def _threshold_planes(calls: Calls) -> NDArray[np.float32]:
    """Indicators of at least one and at least two ALT alleles; on these |a - b| is the squared Euclidean distance."""
    planes = np.empty((len(calls), 2 * calls.shape[1]), dtype=np.float32)
    np.greater_equal(calls, 1, out=planes[:, : calls.shape[1]], casting="unsafe")
    np.greater_equal(calls, 2, out=planes[:, calls.shape[1] :], casting="unsafe")
    return planes


def _dosage_plane(calls: Calls) -> NDArray[np.float32]:
    return calls.astype(np.float32)
