"""The panels of a report: each draws one figure from the evidence, or says why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.outcomes import Z_95
from genobench.report.style import (
    HOLDOUT,
    NONMEMBERS,
    SOFT,
    SYNTHETIC,
    TRAIN,
    VERMILLION,
    add_legend,
    label,
    new_figure,
)
from genobench.statgen import (
    PrincipalComponents,
    alt_frequency,
    auc_with_standard_error,
    is_autosome,
    ld_decay,
    minor_allele_frequency,
    precision_recall_curve,
    r2_matrix,
    runs_of_homozygosity,
    sample_heterozygosity,
    vanraden_1,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.contracts import Part
    from genobench.genotypes import Genotypes
    from genobench.report.evidence import Evidence

    Floats = NDArray[np.float64]

_FEWEST_SAMPLES: Final = 10
_MIN_MINOR_ALLELE_FREQUENCY: Final = 0.05
_MIN_PAIRS: Final = 100
_MOST_IN_HEAT_MAP: Final = 120
_POPULATION_COLUMNS: Final = ("population", "vendor", "breed")
_KS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100)
_MOST_LOSSES: Final = 6
_LOWEST_RATE: Final = 1e-3
_INCHES: Final = (4.6, 3.7)


@dataclass(frozen=True, eq=False)
class Panel:
    """One figure of a report.

    Args:
        name: A short name without blanks.
        title: What it shows.
        caption: How to read it, in one or two sentences.
        figure: The figure; None where it could not be drawn.
        reason: Why not.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None
    reason: str = ""


def draw_panels(evidence: Evidence, curves: Sequence[Mapping[str, float]] = ()) -> list[Panel]:
    """All panels, in the order in which a report shows them.

    Args:
        evidence: What they show.
        curves: Points of a fit, `step` and losses; a panel for each loss follows the others.
    """
    losses = dict.fromkeys(name for point in curves for name in point if name != "step")
    return [draw(evidence) for draw in _PANELS] + [_training(name, curves) for name in list(losses)[:_MOST_LOSSES]]


def _panel(name: str, title: str, caption: str, drawn: Figure | str) -> Panel:
    if isinstance(drawn, str):
        return Panel(name=name, title=title, caption=caption, figure=None, reason=drawn)
    return Panel(name=name, title=title, caption=caption, figure=drawn)


def _single() -> tuple[Figure, Axes]:
    figure, panels = new_figure("", 1, panel_inches=_INCHES)
    panels[0].locator_params(nbins=6)
    return figure, panels[0]


def _too_few(evidence: Evidence, fewest: int = _FEWEST_SAMPLES) -> str | None:
    for name, part in ((evidence.reference_name, evidence.reference), ("synthetic", evidence.synthetic)):
        if part.n_samples < fewest:
            return f"it needs {fewest} {name} samples, and there are {part.n_samples}"
    return None


def _components(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        if reason := _too_few(evidence, 2):
            return reason
        train = evidence.comparison.train
        if train.n_samples < 2:
            return "it needs 2 training samples, and there is 1"
        if not ((alt := alt_frequency(train.calls)) * (1 - alt) > 0).any():
            return "no variant varies among the training samples"
        fitted = PrincipalComponents.fit(train.calls, 2, seed=0)
        figure, axes = _single()
        shown = [("train", train, TRAIN, 7, 0.35)] if evidence.reference_name != "train" else []
        shown += [(evidence.reference_name, evidence.reference, HOLDOUT, 13, 0.65), ("synthetic", evidence.synthetic, SYNTHETIC, 13, 0.5)]
        for name, part, colour, size, alpha in shown:
            points = fitted.project(part.calls)
            axes.scatter(points[:, 0], points[:, 1], s=size, color=colour, alpha=alpha, lw=0, label=name, rasterized=True)
        label(
            axes,
            x=f"component 1 ({fitted.explained_share[0]:.1%} of variance)",
            y=f"component 2 ({fitted.explained_share[1]:.1%} of variance)",
        )
        add_legend(axes)
        return figure

    caption = "Components are fitted on train; the other samples are projected alike, which draws them towards the middle."
    return _panel("components", "Principal components", caption, draw())


def _frequencies(evidence: Evidence) -> Panel:
    figure, axes = _single()
    reference, synthetic = (alt_frequency(part.calls) for part in (evidence.reference, evidence.synthetic))
    band = _envelope([alt_frequency(part.calls) - reference for part in evidence.drawn()])
    if band is not None:
        order = np.argsort(reference)
        half = _running((band[1] - band[0])[order] / 2, max(1, len(order) // 40))
        axes.fill_between(reference[order], reference[order] - half, reference[order] + half, color=HOLDOUT, alpha=0.2, lw=0)
    axes.plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (4, 3)))
    axes.scatter(reference, synthetic, s=4, color=SYNTHETIC, alpha=0.3, lw=0, rasterized=True)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    label(axes, x=f"ALT frequency in {evidence.reference_name}", y="ALT frequency in synthetic")
    return _panel("frequencies", "Allele frequencies", _with_band(evidence, "One point a variant."), figure)


def _spectrum(evidence: Evidence) -> Panel:
    minor = [minor_allele_frequency(part.calls) for part in (evidence.reference, evidence.synthetic, *evidence.drawn())]
    figure, axes = _single()
    _histograms(axes, evidence, minor[0], minor[1], minor[2:], bins=np.linspace(0, 0.5, 26))
    label(axes, x="minor allele frequency", y="share of variants")
    return _panel("spectrum", "Allele-frequency spectrum", _with_band(evidence, "Rare variants are on the left."), figure)


def _decay(evidence: Evidence) -> Panel:
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
        figure, axes = _single()
        _band(axes, middles, [decay_of(of_population(part).calls).mean_r2[is_filled] for part in evidence.drawn()])
        axes.plot(middles, whole.mean_r2[is_filled], color=HOLDOUT, lw=2, label=evidence.reference_name)
        axes.plot(middles, decay_of(synthetic.calls).mean_r2[is_filled], color=SYNTHETIC, lw=2, marker="o", ms=3.5, label="synthetic")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,g}")
        label(axes, x="distance (kb)", y="mean r², corrected for n")
        add_legend(axes)
        return figure

    where = "" if column is None else f" Within {column} {name} alone, since a mixture of populations has linkage of its own."
    text = f"Linkage between autosomal variants of minor allele frequency 0.05 or more.{where}"
    return _panel("ld_decay", "LD decay", _with_band(evidence, text), draw())


def _largest_population(evidence: Evidence) -> tuple[str | None, str]:
    """The column that says the population in all parts, and the population most of the reference is of; None where there is none."""
    tables = [part.samples for part in (evidence.reference, evidence.synthetic, evidence.comparison.train)]
    column = next((name for name in _POPULATION_COLUMNS if all(name in table for table in tables)), None)
    return (None, "") if column is None else (column, str(tables[0][column].astype(str).mode()[0]))


def _heat_map(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        if reason := _too_few(evidence):
            return reason
        places = _densest_stretch(evidence)
        if len(places) < 3:
            return "no autosome has three frequent variants with a position"
        calls = [part.calls.columns(places) for part in (evidence.reference, evidence.synthetic)]
        real, synthetic = (np.nan_to_num(r2_matrix(block, block)[0]) for block in calls)
        shown = np.triu(real, 1) + np.tril(synthetic, -1) + np.eye(len(places))
        figure, axes = _single()
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
    return _panel("ld_heat_map", "LD heat map", caption, draw())


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


def _heterozygosity(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        reference, synthetic, draws = evidence.per_sample(lambda part: sample_heterozygosity(part.calls))
        figure, axes = _single()
        _histograms(axes, evidence, reference, synthetic, draws)
        label(axes, x="share of heterozygous calls of a sample", y="share of samples")
        return figure

    return _panel("heterozygosity", "Heterozygosity", _with_band(evidence, "Inbred samples are on the left."), _too_few(evidence) or draw())


def _kinship(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        alt = alt_frequency(evidence.comparison.train.calls)
        is_used = is_autosome(evidence.chromosomes) & (np.nan_to_num(alt * (1 - alt)) > 0)
        if not is_used.any():
            return "no autosomal variant varies among the training samples"

        def relationships(part: Genotypes) -> Floats:
            matrix = vanraden_1(part.calls, is_used=is_used, alt_frequencies=alt)
            return matrix[np.triu_indices(len(matrix), 1)].astype(np.float64)

        figure, axes = _single()
        values = [relationships(part) for part in (evidence.reference, evidence.synthetic, *evidence.drawn())]
        _histograms(axes, evidence, values[0], values[1], values[2:], n_bins=60)
        axes.set_yscale("symlog", linthresh=1e-4)
        axes.set_ylim(0, None)
        label(axes, x="genomic relationship of two samples (VanRaden 1)", y="share of pairs, log scale")
        return figure

    caption = _with_band(
        evidence, "Half sibs stand near 0.25 and full sibs near 0.5; the scale is logarithmic, so that few relatives show."
    )
    return _panel("kinship", "Kinship", caption, _too_few(evidence) or draw())


def _runs(evidence: Evidence) -> Panel:
    def f_roh(part: Genotypes) -> Floats:
        return runs_of_homozygosity(part.calls, chromosomes=evidence.chromosomes, positions_bp=evidence.positions_bp).f_roh

    def draw() -> Figure | str:
        reference, synthetic, draws = evidence.per_sample(f_roh)
        if not np.isfinite(reference).any():
            return "there is less than one autosomal variant with a position per 100 kb, so runs cannot be told from chance"
        figure, axes = _single()
        _histograms(axes, evidence, reference, synthetic, draws)
        label(axes, x="share of the genome in runs of homozygosity (F_ROH)", y="share of samples")
        return figure

    caption = _with_band(evidence, "Runs of at least 4 Mb and 30 variants with at most one heterozygote.")
    return _panel("runs", "Runs of homozygosity", caption, _too_few(evidence) or draw())


def _nearest(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        if not evidence.comparison.synthetic.n_samples:
            return "there is no synthetic sample"
        n_variants = evidence.comparison.train.n_variants
        figure, axes = _single()
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
    return _panel("nearest", "Distance to the nearest synthetic sample", caption, draw())


def _attack(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        comparison = evidence.comparison
        if min(comparison.train.n_samples, comparison.nonmembers.n_samples) < 2 or not comparison.synthetic.n_samples:
            return "it needs two training samples, two nonmembers and a synthetic sample"
        members, others = -evidence.attacked("train"), -evidence.attacked("nonmembers")
        auc, _ = auc_with_standard_error(members, others)
        false_rates, true_rates = _roc(members, others)
        figure, axes = _single()
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
    return _panel("attack", "Who was in training?", caption, draw())


def _manifold(evidence: Evidence) -> Panel:
    def draw() -> Figure | str:
        if reason := _too_few(evidence):
            return reason
        if evidence.reference_name != "holdout":
            return "it compares with a holdout, and there is none"
        real, between, synthetic = (
            evidence.matrix(*pair) for pair in (("holdout", "holdout"), ("synthetic", "holdout"), ("synthetic", "synthetic"))
        )
        ks = [k for k in _KS if k < min(len(real), len(synthetic))]
        figure, axes = _single()
        drawn_ks = [k for k in ks if k < min(map(len, evidence.draws), default=0)]  # Train may be smaller than all else.
        if drawn_ks:
            within, across = evidence.matrix("train", "train"), evidence.matrix("train", "holdout")
            curves = [precision_recall_curve(real, across[rows], within[np.ix_(rows, rows)], ks=drawn_ks) for rows in evidence.draws]
            for place, colour in ((0, SYNTHETIC), (1, VERMILLION)):
                _band(axes, np.array(drawn_ks, dtype=np.float64), [curve[:, place] for curve in curves], colour=colour, name="")
        curve = precision_recall_curve(real, between, synthetic, ks=ks)
        for place, colour, name in ((0, SYNTHETIC, "precision"), (1, VERMILLION, "recall")):
            axes.plot(ks, curve[:, place], color=colour, lw=2, marker="o", ms=3.5, label=name)
        axes.set(xscale="log", ylim=(-0.02, 1.02))
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
        label(axes, x="k, the neighbour that makes the radius", y="share")
        add_legend(axes)
        return figure

    caption = (
        "Manhattan distance. Shaded in the same colour: real samples in the place of synthetic ones. With growing k both saturate, so a "
        "high value alone says little."
    )
    return _panel("manifold", "Precision and recall over k", caption, draw())


def _training(name: str, curves: Sequence[Mapping[str, float]]) -> Panel:
    points = np.array([(point["step"], point[name]) for point in curves if name in point])
    figure, axes = _single()
    axes.plot(points[:, 0], points[:, 1], color=SYNTHETIC, lw=1.0, alpha=0.35 if len(points) > 50 else 1.0)
    if len(points) > 50:
        axes.plot(points[:, 0], _running(points[:, 1], len(points) // 40), color=SYNTHETIC, lw=1.8)
    label(axes, x="step", y=name.replace("_", " "))
    return _panel(f"training-{name}", f"Training: {name.replace('_', ' ')}", "As the generator reported it; bold: running mean.", figure)


_PANELS: Final[tuple[Callable[[Evidence], Panel], ...]] = (
    _components,
    _frequencies,
    _spectrum,
    _decay,
    _heat_map,
    _heterozygosity,
    _kinship,
    _runs,
    _manifold,
    _nearest,
    _attack,
)


def _with_band(evidence: Evidence, text: str) -> str:
    return f"{text} Shaded: real samples in the place of synthetic ones, 95 % of {len(evidence.draws)} draws." if evidence.draws else text


def _histograms(
    axes: Axes,
    evidence: Evidence,
    reference: Floats,
    synthetic: Floats,
    draws: Sequence[Floats],
    *,
    bins: Floats | None = None,
    n_bins: int = 30,
) -> None:
    """Shares of the reference and of synthetic samples, over the envelope of the real draws."""
    if bins is None:
        everything = np.concatenate([reference, synthetic])
        everything = everything[np.isfinite(everything)]
        low, high = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
        bins = np.linspace(low, high if high > low else low + 1e-3, n_bins + 1)

    def shares(values: Floats) -> Floats:
        known = values[np.isfinite(values)]
        return np.histogram(known, bins=bins)[0] / max(1, len(known))

    band = _envelope([shares(values) for values in draws])
    if band is not None:
        axes.stairs(band[1], bins, baseline=band[0], fill=True, color=HOLDOUT, alpha=0.25, label="real samples, 95 %")
    for values, colour, name in ((reference, HOLDOUT, evidence.reference_name), (synthetic, SYNTHETIC, "synthetic")):
        axes.stairs(shares(values), bins, baseline=None, color=colour, lw=1.8, label=name)
    axes.set_ylim(0, None)
    add_legend(axes)


def _band(axes: Axes, x: Floats, curves: Sequence[Floats], *, colour: str = HOLDOUT, name: str = "real samples, 95 %") -> None:
    band = _envelope(curves)
    if band is not None:
        axes.fill_between(x, *band, color=colour, alpha=0.2, lw=0, label=name or None)


def _envelope(curves: Sequence[Floats]) -> tuple[Floats, Floats] | None:
    """The 2.5th and the 97.5th percentile of some curves at each point; None where there are none."""
    if len(curves) < 2:
        return None
    low, high = np.percentile(np.stack(curves), [2.5, 97.5], axis=0)
    return low, high


def _running(values: Floats, half: int) -> Floats:
    """Mean over a window of 2 half + 1 points, narrower at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(0, places - half), np.minimum(len(values), places + half + 1)
    means: Floats = (sums[high] - sums[low]) / (high - low)
    return means


def _roc(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """False- and true-positive rates at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([positives, negatives]))
    rates = [1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values) for values in (negatives, positives)]
    return np.concatenate([[0.0], rates[0][::-1]]), np.concatenate([[0.0], rates[1][::-1]])
