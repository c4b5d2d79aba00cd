"""Two sets of samples compared by their nearest neighbours: precision, recall, density, coverage, adversarial accuracy.

Everything is read off three matrices of distances (`pairwise`): reference to reference, synthetic to reference, synthetic to synthetic.
The functions whose names end in `without` leave out one group of samples at a time, for jackknife standard errors, and give what the
others would give for the matrices without those rows and columns, in about the time of one group, not of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from genobench.statgen.neighbours import nearest_distance, neighbour_radii, neighbour_radius

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from genobench.statgen.neighbours import DistanceMatrix

    Groups = NDArray[np.intp]

_PAIRS_PER_PIECE: Final = 1 << 18
_SPARE_NEIGHBOURS: Final = 16
_LEFT_OUT: Final = -1


class ManifoldScores(NamedTuple):
    """How two sets of samples cover one another.

    Args:
        precision: Share of synthetic samples inside the ball of some reference sample; 1 is best.
        recall: Share of reference samples inside the ball of some synthetic sample; 1 is best.
        density: Reference balls that a synthetic sample lies in, over k, mean; about 1 for two draws of one distribution.
        coverage: Share of reference samples whose ball holds some synthetic sample; below 1 even for two draws of one distribution.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(
    reference_reference: DistanceMatrix, synthetic_reference: DistanceMatrix, synthetic_synthetic: DistanceMatrix, *, k: int
) -> ManifoldScores:
    """Precision, recall, density and coverage of the k-nearest-neighbour manifolds.

    A sample's ball reaches as far as its k-th nearest other sample of its own set, and holds what lies on its surface.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference).
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic).
        k: Which neighbour makes the radius, from 1.

    Returns:
        The four scores.

    Raises:
        ValueError: If a set has no k other samples.

    References:
        Kynkäänniemi T. et al. 2019. Improved precision and recall metric for assessing generative models, equations 1 and 2.
        https://doi.org/10.48550/arXiv.1904.06991 ; Naeem M.F. et al. 2020. Reliable fidelity and diversity metrics for generative models,
        equations 3 and 4. https://doi.org/10.48550/arXiv.2002.09797
    """
    return ManifoldScores(*_scores_of_ks(reference_reference, synthetic_reference, synthetic_synthetic, (k,))[0].tolist())


def precision_recall_curve(
    reference_reference: DistanceMatrix, synthetic_reference: DistanceMatrix, synthetic_synthetic: DistanceMatrix, *, ks: Sequence[int]
) -> NDArray[np.float64]:
    """Precision and recall of `manifold_scores` for several k.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference).
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic).
        ks: Which neighbours make the radius, each from 1.

    Returns:
        Shape (n_ks, 2): precision, recall.

    Raises:
        ValueError: If a set has no so many other samples.

    References:
        As `manifold_scores`: https://doi.org/10.48550/arXiv.1904.06991
    """
    return _scores_of_ks(reference_reference, synthetic_reference, synthetic_synthetic, ks)[:, :2]


def _scores_of_ks(
    reference_reference: DistanceMatrix, synthetic_reference: DistanceMatrix, synthetic_synthetic: DistanceMatrix, ks: Sequence[int]
) -> NDArray[np.float64]:
    n_synthetic = len(synthetic_reference)
    balls = _balls(
        synthetic_reference,
        neighbour_radii(reference_reference, ks),
        neighbour_radii(synthetic_synthetic, ks),
        left_out=None,
    )
    density = balls.n_inside / (n_synthetic * np.asarray(ks))
    return np.column_stack([balls.is_precise.mean(axis=1), balls.is_recalled.mean(axis=1), density, balls.is_covered.mean(axis=1)])


def manifold_scores_without(
    reference_reference: DistanceMatrix,
    synthetic_reference: DistanceMatrix,
    synthetic_synthetic: DistanceMatrix,
    *,
    k: int,
    reference_groups: Groups,
    synthetic_groups: Groups,
) -> NDArray[np.float64]:
    """The four scores of `manifold_scores` with each group of samples left out of both sets in turn.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference).
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic).
        k: Which neighbour makes the radius, from 1.
        reference_groups: The group of each reference sample, from 0, shape (n_reference,).
        synthetic_groups: The group of each synthetic sample, from 0, shape (n_synthetic,).

    Returns:
        Shape (n_groups, 4): precision, recall, density, coverage without group 0, 1, ...

    Raises:
        ValueError: If a set without a group has no k other samples.

    References:
        As `manifold_scores`: https://doi.org/10.48550/arXiv.1904.06991 and https://doi.org/10.48550/arXiv.2002.09797
    """
    n_groups = _n_groups(reference_groups, synthetic_groups)
    balls = _balls(
        synthetic_reference,
        _radii_without(reference_reference, k, reference_groups, n_groups),
        _radii_without(synthetic_synthetic, k, synthetic_groups, n_groups),
        left_out=synthetic_groups,
    )
    n_reference, n_synthetic = (len(groups) - np.bincount(groups, minlength=n_groups) for groups in (reference_groups, synthetic_groups))
    # A sample that is left out has no ball; as a point it is taken away here.
    is_kept = reference_groups[None, :] != np.arange(n_groups)[:, None]
    return np.column_stack(
        [
            balls.is_precise.sum(axis=1) / n_synthetic,
            (balls.is_recalled & is_kept).sum(axis=1) / n_reference,
            balls.n_inside / (n_synthetic * k),
            balls.is_covered.sum(axis=1) / n_reference,
        ]
    )


class _Balls(NamedTuple):
    """For each row of radii: what lies where. Shapes (n_radii, n_synthetic), (n_radii, n_reference) twice, (n_radii,)."""

    is_precise: NDArray[np.bool_]
    is_recalled: NDArray[np.bool_]
    is_covered: NDArray[np.bool_]
    n_inside: NDArray[np.int64]


def _balls(
    synthetic_reference: DistanceMatrix,
    reference_radii: DistanceMatrix,
    synthetic_radii: DistanceMatrix,
    *,
    left_out: Groups | None,
) -> _Balls:
    """Compare every pair with every row of radii, shapes (n_radii, n_reference) and (n_radii, n_synthetic); radius -1 holds nothing.

    Pieces of the matrix stay in the cache for all rows of radii. Row g of the radii does not see the synthetic samples to which `left_out`,
    shape (n_synthetic,), gives the number g; all see all where it is None.
    """
    n_radii, (n_synthetic, n_reference) = len(reference_radii), synthetic_reference.shape
    balls = _Balls(
        np.zeros((n_radii, n_synthetic), dtype=bool),
        np.zeros((n_radii, n_reference), dtype=bool),
        np.zeros((n_radii, n_reference), dtype=bool),
        np.zeros(n_radii, dtype=np.int64),
    )
    groups = np.full(n_synthetic, _LEFT_OUT) if left_out is None else left_out
    for group, rows in _pieces(groups, max(1, _PAIRS_PER_PIECE // n_reference)):
        piece = synthetic_reference[rows]
        for place in range(n_radii):
            if place == group:
                continue
            inside = piece <= reference_radii[place]
            balls.is_precise[place, rows] = inside.any(axis=1)
            balls.is_covered[place] |= inside.any(axis=0)
            balls.n_inside[place] += np.count_nonzero(inside)
            np.less_equal(piece, synthetic_radii[place, rows, None], out=inside)
            balls.is_recalled[place] |= inside.any(axis=0)
    return balls


def _pieces(groups: Groups, n_rows: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """At most `n_rows` samples of one group at a time."""
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        for start in range(0, len(members), n_rows):
            yield group, members[start : start + n_rows]


def _radii_without(distances: DistanceMatrix, k: int, groups: Groups, n_groups: int) -> DistanceMatrix:
    """`neighbour_radius` without each group, shape (n_groups, n_samples); -1 for the samples of the group itself.

    A sample's nearest others are listed once, with their groups; without a group, the k-th that remains on the list counts. Where the list
    runs out because most of it is of that group, the whole row is looked at.
    """
    n_samples = len(distances)
    n_fewest = n_samples - int(np.bincount(groups).max(initial=0))
    if not 1 <= k < n_fewest:
        raise ValueError(f"k is {k} but {n_fewest} samples remain without the largest group; k must be between 1 and one less than that.")
    depth = min(n_samples - 1, 2 * k + _SPARE_NEIGHBOURS)
    labels, values = _labelled_neighbours(distances, groups, n_groups, depth)
    radii = np.full((n_groups, n_samples), _LEFT_OUT, dtype=distances.dtype)
    for group in range(n_groups):
        rank = np.cumsum(labels != group, axis=1)
        radius = np.take_along_axis(values, (rank < k).sum(axis=1, keepdims=True).clip(max=depth - 1), axis=1)[:, 0]
        remain = groups != group
        short = np.flatnonzero((rank[:, -1] < k) & remain)
        if len(short):
            radius[short] = np.partition(distances[np.ix_(short, remain)], k, axis=1)[:, k]
        radii[group, remain] = radius[remain]
    return radii


def _labelled_neighbours(distances: DistanceMatrix, groups: Groups, n_groups: int, depth: int) -> tuple[DistanceMatrix, DistanceMatrix]:
    """Groups and distances of the nearest other samples, nearest first, each of shape (n_samples, depth).

    A distance and a group make one whole number, distance x n_groups + group, so that a plain partition carries the group along.
    """
    n_samples = len(distances)
    is_wide = int(distances.max(initial=0)) * n_groups + n_groups > np.iinfo(np.int32).max
    nearest = np.empty((n_samples, depth), dtype=np.int64 if is_wide else np.int32)
    step = max(1, _PAIRS_PER_PIECE // n_samples)
    for start in range(0, n_samples, step):
        keys = distances[start : start + step].astype(nearest.dtype)
        keys *= n_groups
        keys += groups.astype(nearest.dtype)
        keys[np.arange(len(keys)), start + np.arange(len(keys))] = _LEFT_OUT
        keys = np.partition(keys, depth, axis=1)[:, : depth + 1]
        keys.sort(axis=1)
        nearest[start : start + len(keys)] = keys[:, 1:]
    return nearest % n_groups, (nearest // n_groups).astype(distances.dtype)


def adversarial_accuracy(
    reference_reference: DistanceMatrix, synthetic_reference: DistanceMatrix, synthetic_synthetic: DistanceMatrix, *, tie: float = 0.5
) -> tuple[float, float]:
    """Accuracy of telling reference from synthetic samples by the nearest neighbour, in both halves.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference), at least two samples.
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic), at least two samples.
        tie: What a sample counts whose nearest neighbours in both sets are equally near: one half, or 0 as in published code.

    Returns:
        The share of reference samples that are nearer to another reference sample than to any synthetic one, and the share of synthetic
        samples that are nearer to another synthetic sample than to any reference one; both are 0.5 when the two sets have one
        distribution and one size, 1 when they lie apart, 0 when each sample has its copy in the other set.

    References:
        Yale A. et al. 2020. Generation and evaluation of privacy preserving synthetic health data. Neurocomputing 416: 244-255, section 3.
        https://doi.org/10.1016/j.neucom.2019.12.136 . There a tie counts 0; discrete calls have many, and that is biased down.
    """
    reference_half = _nearer(neighbour_radius(reference_reference, 1), synthetic_reference.min(axis=0), tie)
    synthetic_half = _nearer(neighbour_radius(synthetic_synthetic, 1), nearest_distance(synthetic_reference), tie)
    return float(reference_half.mean()), float(synthetic_half.mean())


def adversarial_accuracy_without(
    reference_reference: DistanceMatrix,
    synthetic_reference: DistanceMatrix,
    synthetic_synthetic: DistanceMatrix,
    *,
    reference_groups: Groups,
    synthetic_groups: Groups,
    tie: float = 0.5,
) -> NDArray[np.float64]:
    """The halves of `adversarial_accuracy` with each group of samples left out of both sets in turn.

    Args:
        reference_reference: Distances of the reference set to itself, shape (n_reference, n_reference).
        synthetic_reference: Shape (n_synthetic, n_reference).
        synthetic_synthetic: Shape (n_synthetic, n_synthetic).
        reference_groups: The group of each reference sample, from 0, shape (n_reference,).
        synthetic_groups: The group of each synthetic sample, from 0, shape (n_synthetic,).
        tie: As in `adversarial_accuracy`.

    Returns:
        Shape (n_groups, 2): the reference half and the synthetic half without group 0, 1, ...

    Raises:
        ValueError: If a set without a group has fewer than two samples.

    References:
        As `adversarial_accuracy`: https://doi.org/10.1016/j.neucom.2019.12.136
    """
    n_groups = _n_groups(reference_groups, synthetic_groups)
    halves = (
        (reference_reference, reference_groups, _nearest_of_groups(synthetic_reference.T, synthetic_groups, n_groups)),
        (synthetic_synthetic, synthetic_groups, _nearest_of_groups(synthetic_reference, reference_groups, n_groups)),
    )
    columns = []
    for own, groups, across in halves:
        n_fewest = len(groups) - int(np.bincount(groups).max(initial=0))
        if n_fewest < 2:
            raise ValueError(f"without its largest group a set has {n_fewest} samples; it must have two at least.")
        own_nearest = _least_of_others(_nearest_of_groups(own, groups, n_groups, is_to_itself=True))
        score = _nearer(own_nearest, _least_of_others(across), tie)
        is_kept = groups[:, None] != np.arange(n_groups)
        columns.append((score * is_kept).sum(axis=0) / is_kept.sum(axis=0))
    return np.column_stack(columns)


def _n_groups(reference_groups: Groups, synthetic_groups: Groups) -> int:
    n_groups = int(max(reference_groups.max(initial=0), synthetic_groups.max(initial=0))) + 1
    if n_groups < 2:
        raise ValueError("all samples are of one group; leaving it out leaves nothing, so there must be two groups at least.")
    return n_groups


def _nearer(own: DistanceMatrix, other: DistanceMatrix, tie: float) -> NDArray[np.float64]:
    score: NDArray[np.float64] = (own < other) + tie * (own == other)
    return score


def _nearest_of_groups(distances: DistanceMatrix, groups: Groups, n_groups: int, *, is_to_itself: bool = False) -> DistanceMatrix:
    """Distance from each row to the nearest column of each group, shape (n_rows, n_groups); the largest number where it has no column.

    With `is_to_itself` rows and columns are one set, and no sample is its own neighbour.
    """
    farthest = np.iinfo(distances.dtype).max
    nearest = np.full((len(distances), n_groups), farthest, dtype=distances.dtype)
    order = np.argsort(groups, kind="stable")
    present, starts = np.unique(groups[order], return_index=True)
    step = max(1, _PAIRS_PER_PIECE // max(1, distances.shape[1]))
    for start in range(0, len(distances), step):
        piece = np.array(distances[start : start + step], order="C")
        if is_to_itself:
            piece[np.arange(len(piece)), start + np.arange(len(piece))] = farthest
        nearest[start : start + len(piece), present] = np.minimum.reduceat(np.take(piece, order, axis=1), starts, axis=1)
    return nearest


def _least_of_others(nearest: DistanceMatrix) -> DistanceMatrix:
    """The least over all groups but each one, shape (n_rows, n_groups), from the least of each."""
    least = np.partition(nearest, 1, axis=1)[:, :2]
    is_least = np.arange(nearest.shape[1]) == nearest.argmin(axis=1)[:, None]
    others: DistanceMatrix = np.where(is_least, least[:, 1:], least[:, :1])
    return others
