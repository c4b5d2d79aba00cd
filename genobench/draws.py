"""Real samples in the place of synthetic ones: the draws whose scores make the real band."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genobench.calls import PackedCalls
from genobench.genotypes import Genotypes
from genobench.splitting.drawing import draw_unseen_attack, draw_whole_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench.answers import Answers
    from genobench.contracts import Comparison


def real_draws(
    comparison: Comparison, answers: Answers, *, n_draws: int, n_synthetic: int | None, has_families: bool, seed: int
) -> Iterator[Comparison]:
    """Comparisons in which training samples stand for the synthetic ones, as many as a metric is handed, whole families at a time.

    Args:
        comparison: The parts to draw from; whatever is synthetic in it is passed over.
        answers: Remembers where the drawn samples come from.
        n_draws: How many comparisons.
        n_synthetic: How many synthetic samples a cell has; None for at least as many as there are in the holdout.
        has_families: Whether groups are drawn whole, as the split kept them.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    n_wanted = min(comparison.holdout.n_samples, comparison.train.n_samples)
    n_wanted = n_wanted if n_synthetic is None else min(n_wanted, n_synthetic)
    units = comparison.groups["train"] if has_families else np.arange(comparison.train.n_samples)
    for _ in range(n_draws):
        chosen = draw_whole_groups(units, n_wanted, generator)
        yield replace(comparison, synthetic=answers.take(comparison.train, chosen))


def unseen_attacks(comparison: Comparison, answers: Answers, *, n_draws: int, seed: int) -> Iterator[Comparison]:
    """Comparisons for attacks on real samples that nobody trained on.

    Training samples are no stand-ins, being copies of themselves; so train and nonmembers are thrown together and dealt out afresh, as
    `genobench.splitting.drawing.draw_unseen_attack` says. Such a band lies about guessing, and is as wide as the noise of members and
    nonmembers makes it.

    Args:
        comparison: The parts to draw from; whatever is synthetic in it is passed over.
        answers: Remembers where the drawn samples come from.
        n_draws: How many comparisons.
        seed: Of the draws.
    """
    pool = _pooled(comparison.train, comparison.nonmembers)
    groups = np.concatenate([comparison.groups["train"], comparison.groups["nonmembers"]])
    generator = np.random.default_rng(seed)
    for _ in range(n_draws):
        dealt = draw_unseen_attack(groups, n_nonmembers=comparison.nonmembers.n_samples, generator=generator)
        stand_in, members, others = (answers.take(pool, chosen) for chosen in dealt)
        shown = {**comparison.groups, "train": groups[dealt[1]], "nonmembers": groups[dealt[2]]}
        yield replace(comparison, synthetic=stand_in, train=members, nonmembers=others, groups=shown)


def _pooled(first: Genotypes, second: Genotypes) -> Genotypes:
    """The samples of two parts, one after the other, without phase."""
    packed = np.concatenate([np.asarray(first.calls.packed), np.asarray(second.calls.packed)])
    samples = pd.concat([first.samples, second.samples], ignore_index=True)
    return Genotypes(calls=PackedCalls(packed=packed, n_variants=first.n_variants), samples=samples, variants=first.variants)
