"""Panels about privacy: who is near to the synthetic samples, and what a membership attack finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.outcomes import Z_95
from genobench.report.drawing import Panel, make_panel, new_panel
from genobench.report.style import HOLDOUT, NONMEMBERS, SOFT, SYNTHETIC, TRAIN, VERMILLION, add_legend, label
from genobench.statgen import auc_with_standard_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.contracts import Part
    from genobench.report.evidence import Evidence

    Floats = NDArray[np.float64]

_LOWEST_RATE: Final = 1e-3


def draw_nearest(evidence: Evidence) -> Panel:
    """Distances of real samples to the nearest synthetic one."""

    def draw() -> Figure | str:
        if not evidence.comparison.synthetic.n_samples:
            return "there is no synthetic sample"
        n_variants = evidence.comparison.train.n_variants
        figure, axes = new_panel()
        shown: tuple[tuple[Part, str], ...] = (("train", VERMILLION), ("nonmembers", NONMEMBERS), ("holdout", HOLDOUT))
        values = {name: evidence.attacked(name) / n_variants for name, _ in shown if evidence.comparison.part(name).n_samples}
        low, high = min(v.min() for v in values.values()), max(v.max() for v in values.values())
        bins = np.linspace(low, high if high > low else low + 1e-3, 36)
        for name, colour in shown:
            if name in values:
                shares = np.histogram(values[name], bins=bins)[0] / len(values[name])
                axes.stairs(shares, bins, baseline=None, color=colour, lw=1.8, label=f"{name} ({len(values[name]):,})")
                axes.axvline(float(np.median(values[name])), color=colour, lw=1, ls=":")
        axes.set_ylim(0, None)
        label(axes, x="distance to the nearest synthetic sample (alleles per variant)", y="share of samples")
        add_legend(axes)
        return figure

    caption = (
        "If train lies nearer to the synthetic samples than nonmembers do, it was copied from. The holdout is farther for kinship alone. "
        "Dotted: medians."
    )
    return make_panel("nearest", "Distance to the nearest synthetic sample", caption, draw())


def draw_attack(evidence: Evidence) -> Panel:
    """The membership attack's true against its false positives, where few are accused too."""

    def draw() -> Figure | str:
        comparison = evidence.comparison
        if min(comparison.train.n_samples, comparison.nonmembers.n_samples) < 2 or not comparison.synthetic.n_samples:
            return "it needs two training samples, two nonmembers and a synthetic sample"
        members, others = -evidence.attacked("train"), -evidence.attacked("nonmembers")
        auc, _ = auc_with_standard_error(members, others)
        false_rates, true_rates = _roc(members, others)
        figure, axes = new_panel()
        rates = np.geomspace(_LOWEST_RATE, 1, 200)
        half = Z_95 * np.sqrt(rates * (1 - rates) * (1 / len(members) + 1 / len(others)))
        axes.fill_between(
            rates, np.maximum(rates - half, 1e-5), np.minimum(1, rates + half), color=HOLDOUT, alpha=0.2, lw=0, label="guessing, 95 %"
        )
        axes.plot(rates, rates, color=SOFT, lw=0.9, ls=(0, (4, 3)))
        axes.step(np.maximum(false_rates, _LOWEST_RATE / 2), true_rates, where="post", color=SYNTHETIC, lw=2, label="this attack")
        axes.axvspan(_LOWEST_RATE, max(_LOWEST_RATE, min(1.0, 10 / len(others))), color=TRAIN, alpha=0.15, lw=0)
        axes.set(xscale="log", yscale="log", xlim=(_LOWEST_RATE, 1), ylim=(_LOWEST_RATE, 1.05))
        label(axes, title=f"AUC {auc:.3f}; its interval stands in the table", x="false-positive rate", y="true-positive rate")
        add_legend(axes, loc="lower right")
        return figure

    caption = (
        "Nearest-distance membership attack on logarithmic axes, since a leak of a few samples shows at low false-positive rates; "
        "where grey, there are too few nonmembers to tell."
    )
    return make_panel("attack", "Who was in training?", caption, draw())


def _roc(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """False- and true-positive rates at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([positives, negatives]))
    rates = [1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values) for values in (negatives, positives)]
    return np.concatenate([[0.0], rates[0][::-1]]), np.concatenate([[0.0], rates[1][::-1]])
