"""Panels about association: a study of synthetic samples below one of as many holdout samples, and their p-values by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.report.association import STUDY, GenomeAxis, expected_log10_p, order_band, thinned
from genobench.report.drawing import Panel, make_panel, new_panel
from genobench.report.style import HOLDOUT, INK, NONMEMBERS, SOFT, SYNTHETIC, TRAIN, VERMILLION, add_legend, label
from genobench.statgen import genomic_inflation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.builtin.association.agreement import Agreement
    from genobench.report.evidence import Evidence

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

_NARROW: Final = (4.6, 4.4)
_WIDE: Final = (11.4, 4.3)
_HOLDOUT_SHADES: Final = (HOLDOUT, "#66C3AB")
_SYNTHETIC_SHADES: Final = (SYNTHETIC, "#6FB3DD")
_INCHES_A_CHARACTER: Final = 0.075
_MINUS_LOG_P: Final = "\N{MINUS SIGN}log₁₀ p"


def draw_manhattan(evidence: Evidence) -> Panel:
    """Tests along the genome: holdout samples above, synthetic ones below."""
    name, title, found = "manhattan", "Association along the genome", evidence.association
    if isinstance(found, str):
        return make_panel(name, title, "", found)
    axis = GenomeAxis.of(found.genome.chromosomes, found.genome.positions_bp)
    if not axis.names:
        return make_panel(name, title, "", "no variant has a position")
    places, shares = found.causal_shares(evidence.studied.causal)
    causal = places[shares >= STUDY.least_share], places[shares < STUDY.least_share]
    n_lost = int((axis.number < 0).sum())
    caption = (
        f"{found.holdout.cohort.genotypes.n_samples:,} holdout samples (up) and as many synthetic ones (down), one point a variant, as the "
        f"scores of gwas have them. {_loci_text(found)} Dashed: p = {found.most_p:.2g}, {found.level:g} over all tests."
    )
    if sum(map(len, causal)):
        caption += (
            f" Orange: the {sum(map(len, causal)):,} causal variants that the dataset names, the {len(causal[0])} with "
            f"{100 * STUDY.least_share:g} % of the genetic variance or more by a line."
        )
    if n_lost:
        caption += f" {n_lost:,} variants have no position and are not shown."
    narrow, wide = (_manhattan(found, axis, causal, inches) for inches in (_NARROW, _WIDE))
    return make_panel(name, title, caption, narrow, wide=wide)


def _loci_text(found: Agreement) -> str:
    """How many loci there are, and what their marks mean."""
    n_holdout, n_synthetic = len(found.holdout_loci), len(found.synthetic_loci)
    if not n_holdout + n_synthetic:
        return "No variant is significant."
    return (
        f"Rings: the most significant variant of each locus, {n_holdout} above and {n_synthetic} below; filled where the other side has "
        "the locus too."
    )


def _manhattan(found: Agreement, axis: GenomeAxis, causal: tuple[Places, Places], inches: tuple[float, float]) -> Figure:
    figure, axes = new_panel(inches)
    line = -np.log10(found.most_p)
    top = 1.15 * max([line, *(float(np.nanmax(-scan.lowest_log10_p, initial=0)) for scan in (found.holdout, found.synthetic))])
    for places, height, alpha in ((causal[0], top, 0.55), (causal[1], 0.018 * top, 0.9)):
        axes.vlines(axis.x[places], -height, height, color=NONMEMBERS, lw=0.7, alpha=alpha, zorder=1.5 if height == top else 3)
    is_shared = found.genome.is_same_locus(found.holdout_loci, found.synthetic_loci)
    sides = (
        (1, found.holdout.lowest_log10_p, _HOLDOUT_SHADES, found.holdout_loci, is_shared.any(axis=1)),
        (-1, found.synthetic.lowest_log10_p, _SYNTHETIC_SHADES, found.synthetic_loci, is_shared.any(axis=0)),
    )
    for sign, log10_p, shades, loci, is_found in sides:
        _draw_side(axes, axis, sign * -log10_p, shades)
        axes.axhline(sign * line, color=VERMILLION, lw=1.0, ls=(0, (4, 3)))
        for places, face in ((loci[is_found], VERMILLION), (loci[~is_found], "white")):
            axes.scatter(axis.x[places], sign * -log10_p[places], s=26, facecolor=face, edgecolor=VERMILLION, lw=1.2, zorder=4)
    axes.axhline(0, color=INK, lw=0.8)
    axes.set(xlim=(-0.008, 1.008), ylim=(-top, top))
    axes.yaxis.set_major_formatter(lambda value, _place: f"{abs(value):g}")
    axes.grid(visible=False, axis="x")
    _name_chromosomes(axes, axis, inches[0])
    for y, side, edge in ((0.99, "holdout", "top"), (0.01, "synthetic", "bottom")):
        axes.text(1.0, y, side, transform=axes.transAxes, ha="right", va=edge, fontsize=9, fontweight="bold", color=INK)
    label(axes, x="chromosome", y=f"{_MINUS_LOG_P} (up: holdout, down: synthetic)")
    return figure


def _draw_side(axes: Axes, axis: GenomeAxis, y: Floats, shades: tuple[str, str]) -> None:
    """The points of one study, neighbouring chromosomes in two shades."""
    kept = thinned(axis.x, np.abs(y))
    for parity, colour in enumerate(shades):
        places = kept[axis.number[kept] % 2 == parity]
        axes.scatter(axis.x[places], y[places], s=4.5, color=colour, lw=0, rasterized=True, zorder=2)


def _name_chromosomes(axes: Axes, axis: GenomeAxis, inches: float) -> None:
    """Names below, without those that would run into the one before."""
    middles, shown, end = (axis.starts + axis.ends) / 2, [], -np.inf
    for place, name in enumerate(axis.names):
        half = _INCHES_A_CHARACTER * (len(name) + 0.6) / 2 / (inches - 0.8)
        if middles[place] - half >= end:
            shown.append(place)
            end = middles[place] + half
    axes.set_xticks(middles[shown], [axis.names[place] for place in shown])


def draw_quantiles(evidence: Evidence) -> Panel:
    """p-values by rank, against those of tests of nothing."""
    name, title, found = "quantiles", "p-values against chance (QQ)", evidence.association
    if isinstance(found, str):
        return make_panel(name, title, "", found)
    sides = {}
    for side, scan in (("holdout", found.holdout), ("synthetic", found.synthetic)):
        tested = np.sort(scan.log10_p[scan.is_tested])
        if not len(tested):
            return make_panel(name, title, "", f"no variant could be tested among the {side} samples")
        sides[side] = -tested
    inflation = {side: genomic_inflation(-values) for side, values in sides.items()}
    figure, axes = new_panel()
    expected, low, high = order_band(len(sides["holdout"]))
    axes.fill_between(expected, low, high, color=TRAIN, alpha=0.25, lw=0, label="no association, 95 % at each rank")
    axes.plot([0, expected[0]], [0, expected[0]], color=SOFT, lw=0.9, ls=(0, (4, 3)))
    for (side, values), colour in zip(sides.items(), (HOLDOUT, SYNTHETIC), strict=True):
        x = expected_log10_p(len(values))
        kept = thinned(x / x[0], values)
        axes.scatter(x[kept], values[kept], s=7, color=colour, lw=0, rasterized=True, label=f"{side}, λ {inflation[side]:.3f}")
    axes.set(xlim=(0, None), ylim=(0, None))
    label(axes, x=f"expected {_MINUS_LOG_P}", y=f"observed {_MINUS_LOG_P}")
    add_legend(axes, loc="upper left", markerscale=2)
    n_tests = " and ".join(f"{len(values):,}" for values in sides.values())
    caption = (
        f"λ, the genomic inflation (λ_GC), is {inflation['holdout']:.3f} in holdout and {inflation['synthetic']:.3f} in synthetic "
        f"samples, of {n_tests} tests. Shaded: independent tests of nothing; linked variants are not independent and leave it more often."
    )
    return make_panel(name, title, caption, figure)
