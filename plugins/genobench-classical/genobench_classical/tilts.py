"""Tilts: what the log-odds of calls gain in a stratum, so that calls follow calls there as often as they should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_LARGEST_TILT: Final = 5.0
_TINY: Final = 1e-12
_N_ROUNDS: Final = 6
"""Of scaling at each place. Each leaves about a third of the differences: tables drawn at random end within .0005."""


def stratum_tilts(at_most: Floats, n_before: NDArray[np.int64], ratios: Floats) -> Floats:
    """Tilts of a chain's tables by the call before and the call, for each stratum.

    A history of several calls says more of the stratum than the last call does, where strata differ at many variants, so that tilts by
    the ratio of first-order tables would count the stratum twice. The chance of each history in each stratum is therefore carried along
    the chromosomes, and tilts are scaled place by place until calls follow calls as often as they do in the chain without tilts, times
    the stratum's ratio.

    Args:
        at_most: Chance of at most 0 and at most 1 ALT allele after each history, shape (n_variants, n_histories, 2), along a path.
        n_before: Variants of its chromosome before each, shape (n_variants,).
        ratios: Chance of a call after a call in the stratum, over that in all samples, shape (n_strata - 1, n_variants, 3, 3): stratum,
            place, call before, call.

    Returns:
        Shape (n_strata, n_variants, 3, 3); 0 in the last stratum, which has the tables of all samples.

    References:
        Iterative scaling: Deming W.E., Stephan F.F. 1940. Annals of Mathematical Statistics 11: 427-444.
        https://doi.org/10.1214/aoms/1177731829
    """
    # A chain without memory has one history; tilts are by the newest call all the same.
    at_most = at_most if at_most.shape[1] > 1 else np.repeat(at_most, 3, axis=1)
    n_strata, n_variants, n_histories = len(ratios) + 1, len(n_before), at_most.shape[1]
    tilts = np.zeros((n_strata, n_variants, 3, 3), dtype=np.float32)
    if n_strata == 1:
        return tilts
    starts = np.flatnonzero(n_before == 0)
    lengths = np.diff([*starts, n_variants])
    # Histories by their newest call: the lowest digit to base 3.
    share = np.zeros((n_strata, len(starts), n_histories // 3, 3), dtype=np.float32)
    share[:, :, 0, 0] = 1
    for step in range(int(lengths.max())):
        is_on = lengths > step
        if not is_on.all():
            starts, lengths, share = starts[is_on], lengths[is_on], share[:, is_on]
        places = starts + step
        chance = np.diff(at_most[places], axis=2, prepend=np.float32(0), append=np.float32(1)).reshape(len(places), *share.shape[2:], 3)
        tilts[:-1, places], joint = _scaled(chance, share, ratios[:, places])
        # The oldest call falls out, the new one becomes the lowest digit.
        share = joint.reshape(n_strata, len(places), 3, n_histories // 3, 3).sum(axis=2)
    return tilts


def _scaled(chance: Floats, share: Floats, ratios: Floats) -> tuple[Floats, Floats]:
    """Tilts at one place of each chromosome, and the chance of each history with the call that follows it.

    Args:
        chance: Of each call after each history, shape (n_places, n_older, 3, 3).
        share: Chance of each history in each stratum, the last without tilts, shape (n_strata, n_places, n_older, 3).
        ratios: Shape (n_strata - 1, n_places, 3, 3).

    Returns:
        Tilts, shape (n_strata - 1, n_places, 3, 3), and chances, shape (n_strata, n_places, n_older, 3, 3).
    """
    joint = share[..., None] * chance
    mass = share.sum(axis=2)[..., None]
    found = np.divide(joint.sum(axis=2), mass, out=np.zeros((*mass.shape[:3], 3), dtype=np.float32), where=mass > 0)
    wanted = found[-1] * ratios
    wanted /= np.maximum(wanted.sum(axis=-1, keepdims=True), _TINY)
    tilt = np.zeros_like(wanted)
    for _ in range(_N_ROUNDS):
        is_possible = (wanted > 0) & (found[:-1] > 0)
        tilt += np.log(np.where(is_possible, wanted, 1) / np.where(is_possible, found[:-1], 1))
        np.clip(tilt, -_LARGEST_TILT, _LARGEST_TILT, out=tilt)
        odds = chance * np.exp(tilt[:, :, None])
        joint[:-1] = share[:-1, ..., None] * odds / odds.sum(axis=-1, keepdims=True)
        found[:-1] = np.divide(joint[:-1].sum(axis=2), mass[:-1], out=found[:-1], where=mass[:-1] > 0)
    return tilt, joint
