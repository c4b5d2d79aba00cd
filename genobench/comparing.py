"""What makes a comparison fair: as many samples on both sides, the same calls missing, no more samples than there is room for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import MISSING, PackedCalls
from genobench.contracts import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.contracts import Comparison, Part
    from genobench.genotypes import Genotypes

_ROWS_PER_BLOCK: Final = 1024


def limited(comparison: Comparison, *, seed: int, most_samples: int, most_in_train: int | None = None) -> Comparison:
    """The comparison with at most so many samples of each part, drawn at random.

    Args:
        comparison: Parts of any size; their groups are drawn along.
        seed: Of the draws; each part has its own.
        most_samples: Of each part.
        most_in_train: Of train, where it is to hold more.

    Returns:
        The same comparison where nothing is too large.
    """
    parts: dict[str, Any] = {}
    groups = dict(comparison.groups)
    for number, part in enumerate(PARTS):
        genotypes = comparison.part(part)
        most = most_samples if part != "train" or most_in_train is None else most_in_train
        if genotypes.n_samples > most:
            chosen = np.sort(np.random.default_rng([seed, number]).permutation(genotypes.n_samples)[:most])
            parts[part] = genotypes.take_samples(chosen)
            if part in groups:
                groups[part] = groups[part][chosen]
    return replace(comparison, groups=groups, **parts) if parts else comparison


def sizes(comparison: Comparison) -> Mapping[Part, int]:
    """How many samples each part holds."""
    return {part: comparison.part(part).n_samples for part in PARTS}


def matched(comparison: Comparison, *, seed: int) -> Comparison:
    """The comparison with no more synthetic samples than the holdout has, drawn at random: many statistics depend on the number."""
    n_matched = min(comparison.holdout.n_samples, comparison.synthetic.n_samples)
    if n_matched == comparison.synthetic.n_samples:
        return comparison
    chosen = np.random.default_rng(seed).permutation(comparison.synthetic.n_samples)[:n_matched]
    return replace(comparison, synthetic=comparison.synthetic.take_samples(np.sort(chosen)))


def masked(comparison: Comparison, *, seed: int) -> Comparison:
    """The comparison with synthetic calls missing where those of a holdout sample are.

    A generator gives complete samples, the holdout has missing calls, and whatever fills them would tell the two apart. Each synthetic
    sample is given the missing calls of a holdout sample of its own, as long as there are so many, in a random order.
    """
    holdout, synthetic = comparison.holdout, comparison.synthetic
    if not (holdout.n_samples and synthetic.n_samples and _has_missing(holdout)):
        return comparison
    order = np.resize(np.random.default_rng(seed).permutation(holdout.n_samples), synthetic.n_samples)
    packed = np.array(synthetic.calls.packed)
    for start in range(0, len(packed), _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        is_missing = holdout.calls.rows(order[rows]) == MISSING
        packed[rows] = PackedCalls.from_calls(np.where(is_missing, np.int8(MISSING), synthetic.calls.rows(rows))).packed
    calls = PackedCalls(packed=packed, n_variants=synthetic.n_variants)
    return replace(comparison, synthetic=replace(synthetic, calls=calls))


def _has_missing(genotypes: Genotypes) -> bool:
    blocks = range(0, genotypes.n_samples, _ROWS_PER_BLOCK)
    return any((genotypes.calls.rows(slice(start, start + _ROWS_PER_BLOCK)) == MISSING).any() for start in blocks)
