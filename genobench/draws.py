"""Real samples, or those of a control, in the place of synthetic ones: what bands, anchors and self-checks are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from genobench.calls import PackedCalls
from genobench.genotypes import Genotypes
from genobench.splitting.drawing import draw_exchange_check, draw_unseen_attack, draw_whole_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench.answers import Answers
    from genobench.contracts import Comparison

N_DRAWS: Final = 100
"""Draws of real samples in a band."""

BAND_VERSION: Final = 4
"""Of the way in which bands, anchors and self-checks are made; those of another version are computed again."""


def real_draws(
    comparison: Comparison, answers: Answers, *, n_draws: int, n_synthetic: int | None, has_families: bool, seed: int
) -> Iterator[Comparison]:
    """Comparisons in which training samples stand for the synthetic ones, as many as a metric is handed, whole families at a time.

    Train is then the training samples that do not stand in, as long as these are no fewer: a set is nearer to one that it is part of than
    real samples are to train (the band of the correlation of trait and genotypes was two thirds as wide as it should be).

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
        drawn = replace(comparison, synthetic=answers.take(comparison.train, chosen))
        others = np.delete(np.arange(comparison.train.n_samples), chosen)
        if len(others) >= n_wanted:
            groups = {part: group[others] if part == "train" else group for part, group in comparison.groups.items()}
            drawn = replace(drawn, train=answers.take(comparison.train, others), groups=groups)
        yield drawn


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


def exchange_check(comparison: Comparison, answers: Answers, *, seed: int) -> Comparison:
    """A comparison for an attack on nonmembers that stand for synthetic samples, which must not tell train from other nonmembers.

    Unlike `unseen_attacks` it keeps the labels: nonmembers from another herd, batch or year than train give themselves away here.

    Args:
        comparison: Its train and its nonmembers, at least three of them; whatever is synthetic in it is passed over.
        answers: Remembers where the drawn samples come from.
        seed: Of the draw.
    """
    train, nonmembers = comparison.groups["train"], comparison.groups["nonmembers"]
    stand_ins, members, others = draw_exchange_check(train, nonmembers, generator=np.random.default_rng(seed))
    return replace(
        comparison,
        synthetic=answers.take(comparison.nonmembers, stand_ins),
        train=answers.take(comparison.train, members),
        nonmembers=answers.take(comparison.nonmembers, others),
        groups={**comparison.groups, "train": train[members], "nonmembers": nonmembers[others]},
    )


def _pooled(first: Genotypes, second: Genotypes) -> Genotypes:
    """The samples of two parts, one after the other, without phase."""
    packed = np.concatenate([np.asarray(first.calls.packed), np.asarray(second.calls.packed)])
    samples = pd.concat([first.samples, second.samples], ignore_index=True)
    return Genotypes(calls=PackedCalls(packed=packed, n_variants=first.n_variants), samples=samples, variants=first.variants)
