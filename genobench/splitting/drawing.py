"""The draws: whole groups for holdout and validation, a share of every group for nonmembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genobench.errors import SplitError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Indices
    from genobench.splitting.grouping import Grouping
    from genobench.splitting.split import Shares


def draw_judging_parts(
    samples: pd.DataFrame, grouping: Grouping, *, shares: Shares, generator: np.random.Generator
) -> tuple[dict[str, Indices], tuple[str, ...]]:
    """Draw `validation` and `holdout`; what stays is `rest`.

    Args:
        samples: The sample table.
        grouping: Which samples to draw from, and how they hang together.
        shares: Of the parts.
        generator: Of every draw.

    Returns:
        Positions of samples by part, and what a reader of the split must know.

    Raises:
        SplitError: If groups are too large to be kept whole.
    """
    members = np.flatnonzero(grouping.usable)
    n_holdout, n_validation = round(shares.holdout * len(members)), round(shares.validation * len(members))
    if grouping.keeps_groups_whole:
        groups = grouping.groups[members]
        is_holdout = _whole_groups(groups, n_holdout, generator, part="holdout", column=grouping.column)
        rest = np.flatnonzero(~is_holdout)
        is_validation = _whole_groups(groups[rest], n_validation, generator, part="validation", column=grouping.column)
        parts = {"validation": rest[is_validation], "holdout": np.flatnonzero(is_holdout), "rest": rest[~is_validation]}
        return {name: members[places] for name, places in parts.items()}, ()
    order = generator.permutation(len(members))
    notes: tuple[str, ...] = ()
    if grouping.column is not None:
        # Latest first; samples of one time stay in the random order.
        born = samples[grouping.column].iloc[members].rank(method="dense").to_numpy(dtype=np.float64)
        order = order[np.argsort(-born[order], kind="stable")]
        notes = _ties(born[order], n_holdout, grouping.column)
    ends = (n_holdout, n_holdout + n_validation)
    return {"holdout": members[order[: ends[0]]], "validation": members[order[ends[0] : ends[1]]], "rest": members[order[ends[1] :]]}, notes


def spread_over_groups(groups: Indices, n_wanted: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Draw a share of every group.

    Samples stand in a random order of groups, random within each group, and every so many-th one is taken from a random start. So each
    has the same chance, the number is exact, and every group gives its share, rounded down or up; among groups of one sample this is a
    plain random draw.

    Args:
        groups: A number per sample, shape (n_samples,).
        n_wanted: How many to draw.
        generator: Of the draw.

    Returns:
        Which samples are drawn, shape (n_samples,).
    """
    labels, numbers = np.unique(groups, return_inverse=True)
    order = np.lexsort((generator.random(len(groups)), generator.permutation(len(labels))[numbers]))
    marks = (np.arange(len(groups) + 1) * n_wanted + generator.integers(len(groups))) // len(groups)
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[order] = np.diff(marks) > 0
    return chosen


def draw_unseen_attack(
    groups: Indices, *, n_nonmembers: int, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Deal training samples and nonmembers out afresh: who stands for the synthetic samples, for the members and for the nonmembers.

    Each draw is the one that parted nonmembers from train, so members and nonmembers are exchangeable whatever stands for the synthetic
    samples, and no attack can do better than guess. Halving the nonmembers that there are would not do: they were spread over the
    families, so a nonmember has fewer relatives in the other half than a training sample has (an AUC of .71 in families of four and .62
    in families of ten, where nothing leaks).

    Args:
        groups: A number per training sample and nonmember that relatives share, shape (n_samples,), at least four samples.
        n_nonmembers: How many nonmembers there are. As many are drawn (at most half of what the stand-ins leave), so that the noise of the
            attack is that of the attack on a generator; half as many stand for the synthetic samples.
        generator: Of the draws.

    Returns:
        Positions of the stand-ins, the members and the nonmembers, ascending; together all samples, each once.
    """
    is_stand_in = spread_over_groups(groups, max(1, min(n_nonmembers, len(groups) - 2) // 2), generator)
    rest = np.flatnonzero(~is_stand_in)
    is_nonmember = spread_over_groups(groups[rest], min(n_nonmembers, len(rest) // 2), generator)
    return np.flatnonzero(is_stand_in), rest[~is_nonmember], rest[is_nonmember]


def draw_exchange_check(
    train: Indices, nonmembers: Indices, *, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Choose nonmembers to stand for synthetic samples, and whom an attack on them must not tell apart: members and other nonmembers.

    Nonmembers of a random half of the groups stand for the synthetic samples. Members and nonmembers of those groups are left out, for a
    nonmember has fewer relatives among the nonmembers that were drawn than a training sample has. The half is drawn from all groups,
    whether they hold a nonmember or not: a small family often holds none, and if all of those stayed among the members, members would be
    kin to fewer. If the others can be told apart still, the nonmembers are no sample of what train was drawn from.

    Args:
        train: A number per training sample that relatives share, shape (n_train,).
        nonmembers: The same for nonmembers, shape (n_nonmembers,), at least two.
        generator: Of the draw.

    Returns:
        Positions of the stand-ins among the nonmembers, of the members among train, of the others among the nonmembers; ascending. Where
        groups are so few or so large that this leaves no member or no other nonmember, half of the nonmembers stand in and nobody is left
        out.
    """
    groups = np.concatenate([train, nonmembers])
    labels, sizes = np.unique(groups, return_counts=True)
    order = generator.permutation(len(labels))
    # The first group stands in whatever its size; the last never does.
    n_taken = max(1, int(np.searchsorted(np.cumsum(sizes[order]), len(groups) / 2, side="right")))
    taken = labels[order[: min(n_taken, len(labels) - 1)]]
    is_stand_in = np.isin(nonmembers, taken)
    members = np.flatnonzero(~np.isin(train, taken))
    if len(members) >= 2 and is_stand_in.any() and np.count_nonzero(~is_stand_in) >= 2:
        return np.flatnonzero(is_stand_in), members, np.flatnonzero(~is_stand_in)
    halved = generator.permutation(len(nonmembers))
    n_half = max(1, len(nonmembers) // 2)
    return np.sort(halved[:n_half]), np.arange(len(train)), np.sort(halved[n_half:])


def draw_whole_groups(groups: Indices, n_wanted: int, generator: np.random.Generator) -> Indices:
    """Positions of n_wanted samples made of whole groups in a random order; only the last group may be cut.

    Args:
        groups: A number per sample that relatives share, shape (n_samples,).
        n_wanted: How many positions; at most n_samples.
        generator: The source of randomness.

    Returns:
        Positions in ascending order, shape (n_wanted,).
    """
    rank = np.empty(int(groups.max()) + 1, dtype=np.intp)
    labels = np.unique(groups)
    rank[labels] = generator.permutation(len(labels))
    order = np.lexsort((generator.random(len(groups)), rank[groups]))
    return np.sort(order[:n_wanted])


def _ties(born: NDArray[np.floating[Any]], n_holdout: int, column: str) -> tuple[str, ...]:
    edge = born[n_holdout - 1]
    if born[n_holdout] != edge:
        return ()
    return (f"{int((born == edge).sum())} samples share the '{column}' at the edge of the holdout; they were drawn at random.",)


def _whole_groups(groups: Indices, n_wanted: int, generator: np.random.Generator, *, part: str, column: str | None) -> NDArray[np.bool_]:
    """Groups in a random order, each taken where it still fits."""
    labels, sizes = np.unique(groups, return_counts=True)
    taken: list[int] = []
    n_left = n_wanted
    for place in generator.permutation(len(labels)):
        if sizes[place] <= n_left:
            taken.append(labels[place])
            n_left -= sizes[place]
    if n_left > n_wanted / 2 or len(taken) == len(labels):
        what = f"values of '{column}'" if column is not None else "groups of relatives"
        raise SplitError(
            f"The {part} part would hold {n_wanted - n_left} of the {n_wanted} samples it should: the {len(labels)} {what} "
            f"have up to {sizes.max()} samples each and are kept whole. Split by something finer, or at random."
        )
    return np.isin(groups, taken)
