"""Panels about variants: allele frequencies and linkage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.report.drawing import Panel, draw_band, draw_histograms, envelope, make_panel, new_panel, running_mean, too_few, with_band
from genobench.report.style import HOLDOUT, SOFT, SYNTHETIC, add_legend, label, number_log_scale
from genobench.statgen import alt_frequency, is_autosome, ld_decay, minor_allele_frequency, r2_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.genotypes import Genotypes
    from genobench.report.evidence import Evidence

    Floats = NDArray[np.float64]

_FEWEST_SAMPLES: Final = 10
_MIN_MINOR_ALLELE_FREQUENCY: Final = 0.05
_MIN_PAIRS: Final = 100
_MOST_IN_HEAT_MAP: Final = 120
_POPULATION_COLUMNS: Final = ("population", "vendor", "breed")


def draw_frequencies(evidence: Evidence) -> Panel:
    """ALT frequencies of synthetic samples against those of the reference."""
    figure, axes = new_panel()
    reference, synthetic = (alt_frequency(part.calls) for part in (evidence.reference, evidence.synthetic))
    band = envelope([alt_frequency(part.calls) - reference for part in evidence.drawn()])
    if band is not None:
        order = np.argsort(reference)
        half = running_mean((band[1] - band[0])[order] / 2, max(1, len(order) // 40))
        axes.fill_between(reference[order], reference[order] - half, reference[order] + half, color=HOLDOUT, alpha=0.2, lw=0)
    axes.plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (4, 3)))
    axes.scatter(reference, synthetic, s=4, color=SYNTHETIC, alpha=0.3, lw=0, rasterized=True)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    label(axes, x=f"ALT frequency in {evidence.reference_name}", y="ALT frequency in synthetic")
    return make_panel("frequencies", "Allele frequencies", with_band(evidence, "One point a variant."), figure)


def draw_spectrum(evidence: Evidence) -> Panel:
    """How minor allele frequencies are distributed."""
    minor = [minor_allele_frequency(part.calls) for part in (evidence.reference, evidence.synthetic, *evidence.drawn())]
    figure, axes = new_panel()
    draw_histograms(axes, evidence, minor[0], minor[1], minor[2:], bins=np.linspace(0, 0.5, 26))
    label(axes, x="minor allele frequency", y="share of variants")
    return make_panel("spectrum", "Allele-frequency spectrum", with_band(evidence, "Rare variants are on the left."), figure)


def draw_decay(evidence: Evidence) -> Panel:
    """Linkage over distance, within the largest population."""
    column, name = _largest_population(evidence)

    def of_population(part: Genotypes) -> Genotypes:
        return part if column is None else part.take_samples(np.flatnonzero(part.samples[column].astype(str) == name))

    def draw() -> Figure | str:
        reference, synthetic = of_population(evidence.reference), of_population(evidence.synthetic)
        if min(reference.n_samples, synthetic.n_samples) < _FEWEST_SAMPLES:
            return f"it needs {_FEWEST_SAMPLES} {evidence.reference_name} and as many synthetic samples"
        is_used = minor_allele_frequency(reference.calls) >= _MIN_MINOR_ALLELE_FREQUENCY
        decay_of = partial(ld_decay, chromosomes=evidence.chromosomes, positions=evidence.positions_bp, is_used=is_used)
        whole = decay_of(reference.calls)
        is_filled = whole.pair_count.sum(axis=0) >= _MIN_PAIRS
        if is_filled.sum() < 2:
            return f"fewer than two bins of distance hold {_MIN_PAIRS} pairs of frequent autosomal variants with a position"
        middles = np.sqrt(whole.edges[:-1] * whole.edges[1:])[is_filled] / 1000
        figure, axes = new_panel()
        draw_band(axes, middles, [decay_of(of_population(part).calls).mean_r2[is_filled] for part in evidence.drawn()])
        axes.plot(middles, whole.mean_r2[is_filled], color=HOLDOUT, lw=2, label=evidence.reference_name)
        axes.plot(middles, decay_of(synthetic.calls).mean_r2[is_filled], color=SYNTHETIC, lw=2, marker="o", ms=3.5, label="synthetic")
        number_log_scale(axes)
        label(axes, x="distance (kb)", y="mean r², corrected for n")
        add_legend(axes)
        return figure

    where = "" if column is None else f" Within {column} {name} alone, since a mixture of populations has linkage of its own."
    text = f"Linkage between autosomal variants of minor allele frequency 0.05 or more.{where}"
    return make_panel("ld_decay", "LD decay", with_band(evidence, text), draw())


def _largest_population(evidence: Evidence) -> tuple[str | None, str]:
    """The column that says the population in all parts, and the population most of the reference is of; None where there is none."""
    tables = [part.samples for part in (evidence.reference, evidence.synthetic, evidence.comparison.train)]
    column = next((name for name in _POPULATION_COLUMNS if all(name in table for table in tables)), None)
    return (None, "") if column is None else (column, str(tables[0][column].astype(str).mode()[0]))


def draw_heat_map(evidence: Evidence) -> Panel:
    """Linkage between neighbouring variants, real above the diagonal and synthetic below."""

    def draw() -> Figure | str:
        if reason := too_few(evidence):
            return reason
        places = _densest_stretch(evidence)
        if len(places) < 3:
            return "no autosome has three frequent variants with a position"
        calls = [part.calls.columns(places) for part in (evidence.reference, evidence.synthetic)]
        real, synthetic = (np.nan_to_num(r2_matrix(block, block)[0]) for block in calls)
        shown = np.triu(real, 1) + np.tril(synthetic, -1) + np.eye(len(places))
        figure, axes = new_panel()
        image = axes.imshow(shown, vmin=0, vmax=1, cmap="magma_r", interpolation="nearest", rasterized=True)
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[], aspect="equal")
        bar = figure.colorbar(image, ax=axes, shrink=0.85)
        bar.ax.tick_params(labelsize=8, colors=SOFT)
        bar.set_label("r²", fontsize=9, color=SOFT)
        span = evidence.positions_bp[places]
        name = evidence.chromosomes[places[0]]
        label(axes, x=f"chromosome {name}, {span[0] / 1e6:.2f} to {span[-1] / 1e6:.2f} Mb, {len(places)} variants", y="")
        return figure

    caption = f"r² between variants of the stretch where they stand closest: {evidence.reference_name} above the diagonal, synthetic below."
    return make_panel("ld_heat_map", "LD heat map", caption, draw())


def _densest_stretch(evidence: Evidence) -> NDArray[np.intp]:
    """Neighbouring frequent variants of an autosome that span the least distance."""
    positions, chromosomes = evidence.positions_bp, evidence.chromosomes
    is_used = (
        (minor_allele_frequency(evidence.reference.calls) >= _MIN_MINOR_ALLELE_FREQUENCY)
        & is_autosome(chromosomes)
        & np.isfinite(positions)
    )
    best, least = np.zeros(0, dtype=np.intp), np.inf
    names, counts = np.unique(chromosomes[is_used].astype(str), return_counts=True)
    width = min(_MOST_IN_HEAT_MAP, int(counts.max(initial=0)))
    for name in names[counts >= max(3, width)]:
        places = np.flatnonzero(is_used & (chromosomes == name))
        places = places[np.argsort(positions[places], kind="stable")]
        spans = positions[places[width - 1 :]] - positions[places[: len(places) - width + 1]]
        start = int(np.argmin(spans))
        if spans[start] < least:
            best, least = places[start : start + width], float(spans[start])
    return best
