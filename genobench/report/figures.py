"""The figures of one run: allele frequencies, LD decay, principal components, privacy, training curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.contracts import Pairwise
from genobench.outcomes import Z_95
from genobench.report.style import HOLDOUT, NONMEMBERS, SOFT, SYNTHETIC, TRAIN, add_legend, label, new_figure, save
from genobench.statgen import (
    Imputer,
    alt_frequency,
    auc_with_standard_error,
    filled_positions_bp,
    genome_blocks,
    jackknife_standard_error,
    ld_decay,
    minor_allele_frequency,
    nearest_distance,
    pairwise,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.calls import Calls
    from genobench.contracts import Comparison
    from genobench.statgen import LdDecay

    Floats = NDArray[np.float64]

_POPULATION_COLUMNS: Final = ("population", "vendor", "breed")
_MOST_POPULATIONS: Final = 4
_MIN_SAMPLES: Final = 10
_MIN_PAIRS: Final = 100
_MIN_MINOR_ALLELE_FREQUENCY: Final = 0.05
_MOST_LOSSES: Final = 8
_N_COMPONENTS: Final = 4


@dataclass(frozen=True, eq=False)
class _Parts:
    """Calls of a comparison with nothing missing, int8, shape (n_samples, n_variants) each."""

    comparison: Comparison
    train: Calls
    holdout: Calls
    nonmembers: Calls
    synthetic: Calls


def draw_figures(comparison: Comparison, curves: Sequence[Mapping[str, float]], folder: Path) -> list[Path]:
    """Draw what can be drawn of a run.

    Args:
        comparison: Its samples. Distances of train and nonmembers to synthetic are taken from `results` where they are there.
        curves: Its training curves, as `read_curves` gives them; empty where the generator reported none.
        folder: Where the PNG files are written; made when absent.

    Returns:
        The files. A figure that has nothing to show is left out: no position, fewer than two nonmembers, no training curve.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train = comparison.train.to_array()
    imputer = Imputer.fit(train)
    parts = _Parts(
        comparison=comparison,
        train=imputer.complete(train),
        holdout=imputer.complete(comparison.holdout.to_array()),
        nonmembers=imputer.complete(comparison.nonmembers.to_array()),
        synthetic=imputer.complete(comparison.synthetic.to_array()),
    )
    drawings: dict[str, Callable[[_Parts], Figure | None]] = {
        "allele_frequencies": _draw_frequencies,
        "ld_decay": _draw_ld_decay,
        "principal_components": _draw_components,
        "privacy": _draw_privacy,
    }
    figures = {name: draw(parts) for name, draw in drawings.items()}
    figures["training"] = _draw_training(curves)
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items() if figure is not None]


def _draw_frequencies(parts: _Parts) -> Figure:
    """Synthetic against holdout, beside training against holdout."""
    comparison = parts.comparison
    train, holdout, synthetic = (alt_frequency(part.to_array()) for part in (comparison.train, comparison.holdout, comparison.synthetic))
    figure, panels = new_figure("Allele frequencies", 3)
    for axes, values, colour, name in ((panels[0], synthetic, SYNTHETIC, "synthetic"), (panels[1], train, TRAIN, "train")):
        known = np.isfinite(values) & np.isfinite(holdout)
        error = float(np.sqrt(np.mean((values[known] - holdout[known]) ** 2)))
        axes.plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (4, 3)))
        axes.scatter(holdout, values, s=4, color=colour, alpha=0.25, lw=0, rasterized=True)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        label(axes, title=f"{name}: RMS difference {error:.3f}", x="ALT frequency in holdout", y=f"ALT frequency in {name}")
    bins = np.linspace(0, 0.5, 21)
    for values, colour, name in ((holdout, HOLDOUT, "holdout"), (synthetic, SYNTHETIC, "synthetic")):
        minor = np.minimum(values, 1 - values)
        shares = np.histogram(minor[np.isfinite(minor)], bins=bins)[0] / max(1, int(np.isfinite(minor).sum()))
        panels[2].stairs(shares, bins, baseline=None, color=colour, lw=1.8, label=name)
    panels[2].set(xlim=(0, 0.5), ylim=(0, None))
    label(panels[2], title="spectrum", x="minor allele frequency", y="share of variants")
    add_legend(panels[2])
    return figure


def _draw_ld_decay(parts: _Parts) -> Figure | None:
    """A panel a population: holdout with the noise of the genome's blocks, training and synthetic samples."""
    comparison = parts.comparison
    variants = comparison.holdout.variants
    chromosomes = variants["chromosome"].to_numpy(dtype=object)
    positions = filled_positions_bp(
        chromosomes=chromosomes,
        positions_bp=variants["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan),
        positions_cm=variants["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan) if "position_cm" in variants else None,
    )
    blocks = genome_blocks(chromosomes)
    drawn = []
    for name, rows in _populations(comparison):
        calls = {part: getattr(comparison, part).calls.rows(places) for part, places in rows.items()}
        is_used = minor_allele_frequency(calls["holdout"]) >= _MIN_MINOR_ALLELE_FREQUENCY
        decays = {
            part: ld_decay(part_calls, chromosomes=chromosomes, positions=positions, is_used=is_used, blocks=blocks)
            for part, part_calls in calls.items()
        }
        if (decays["holdout"].pair_count.sum(axis=0) >= _MIN_PAIRS).sum() > 1:
            drawn.append((name, decays["holdout"], decays["train"], decays["synthetic"]))
    if not drawn:
        return None
    figure, panels = new_figure("LD decay", len(drawn), panel_inches=(4.6, 3.4))
    for axes, (name, holdout, train, synthetic) in zip(panels, drawn, strict=True):
        middles, means, errors = _decay_with_errors(holdout)
        axes.fill_between(middles, means - Z_95 * errors, means + Z_95 * errors, color=HOLDOUT, alpha=0.2, lw=0)
        axes.plot(middles, means, color=HOLDOUT, lw=2, label="holdout, 95 % over genome blocks")
        for decay, colour, style, text in ((train, TRAIN, "--", "train, as many samples"), (synthetic, SYNTHETIC, "-", "synthetic")):
            middles, means, _ = _decay_with_errors(decay)
            axes.plot(middles, means, color=colour, lw=2, ls=style, marker="o", ms=3.5, label=text)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,g}")
        axes.tick_params(which="minor", colors=SOFT, length=2)
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), None)
        label(axes, title=name, x="distance (kb)", y="mean r², corrected for n")
    add_legend(panels[0])
    return figure


def _decay_with_errors(decay: LdDecay) -> tuple[Floats, Floats, Floats]:
    """Middles of the bins in kb, mean r2 and its standard error, for bins with enough pairs."""
    is_used = decay.pair_count.sum(axis=0) >= _MIN_PAIRS
    means, without = decay.mean_r2, decay.mean_r2_without
    errors = np.zeros(len(means))
    for place in np.flatnonzero(is_used):
        sizes = decay.pair_count[:, place]
        errors[place] = jackknife_standard_error(float(means[place]), without[sizes > 0, place], sizes[sizes > 0])
    middles = np.sqrt(decay.edges[:-1] * decay.edges[1:]) / 1000
    return middles[is_used], means[is_used], np.nan_to_num(errors[is_used])


def _populations(comparison: Comparison) -> list[tuple[str, dict[str, NDArray[np.intp]]]]:
    """Rows of holdout, train and synthetic for each population, as many of train as of holdout.

    Populations are kept apart because a mixture of them has LD between any two variants.
    """
    tables = {name: getattr(comparison, name).samples for name in ("holdout", "train", "synthetic")}
    column = next((name for name in _POPULATION_COLUMNS if all(name in table for table in tables.values())), None)
    if column is None:
        rows = {name: np.arange(len(table)) for name, table in tables.items()}
        return [("", rows | {"train": rows["train"][: len(rows["holdout"])]})]
    values = {name: table[column].astype(str).to_numpy(dtype=object) for name, table in tables.items()}
    found = [(name, {part: np.flatnonzero(names == name) for part, names in values.items()}) for name in sorted(set(values["holdout"]))]
    large = [(name, rows) for name, rows in found if min(map(len, rows.values())) >= _MIN_SAMPLES][:_MOST_POPULATIONS]
    return [(name, rows | {"train": rows["train"][: len(rows["holdout"])]}) for name, rows in large]


def _draw_components(parts: _Parts) -> Figure:
    """Holdout and as many synthetic samples on the principal components of the training samples."""
    scores, shares = _principal_components(parts)
    figure, panels = new_figure("Principal components of the training samples", 2, panel_inches=(4.6, 4.0))
    for axes, first in zip(panels, (0, 2), strict=True):
        for name, colour, size, alpha in (("train", TRAIN, 7, 0.3), ("holdout", HOLDOUT, 12, 0.65), ("synthetic", SYNTHETIC, 12, 0.5)):
            points = scores[name] if name == "train" else scores[name][: len(parts.holdout)]
            axes.scatter(points[:, first], points[:, first + 1], s=size, color=colour, alpha=alpha, lw=0, label=name)
        label(
            axes,
            title="holdout and synthetic are projected" if first == 0 else "",
            x=f"component {first + 1} ({shares[first]:.1%} of variance)",
            y=f"component {first + 2} ({shares[first + 1]:.1%} of variance)",
        )
    add_legend(panels[0])
    return figure


def _principal_components(parts: _Parts) -> tuple[dict[str, Floats], Floats]:
    """Scores on the training samples' first components, and the share of their variance that each explains.

    Variants are centred and divided by the square root of p (1 - p), as in Patterson N., Price A.L., Reich D. 2006. PLoS Genetics 2: e190.
    https://doi.org/10.1371/journal.pgen.0020190, equation 3. A projected sample lies nearer the middle than a training sample would, and
    holdout and synthetic samples do so alike.
    """
    from scipy.sparse.linalg import eigsh

    means = parts.train.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(means / 2 * (1 - means / 2))
    varies = spread > 0
    train = ((parts.train[:, varies] - means[varies]) / spread[varies]).astype(np.float32)
    gram = (train @ train.T).astype(np.float64)
    n_components = min(_N_COMPONENTS, len(gram) - 1)
    values, vectors = eigsh(gram, k=n_components, v0=np.ones(len(gram)) + np.arange(len(gram)) % 7)
    order = np.argsort(values)[::-1]
    values, vectors = np.maximum(values[order], 1e-12), vectors[:, order]
    # The sign of a component means nothing: the largest score of training is made positive.
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n_components)])
    loadings = train.T @ (vectors / np.sqrt(values)).astype(np.float32)
    scores = {"train": train @ loadings}
    for name in ("holdout", "synthetic"):
        calls = getattr(parts, name)
        scores[name] = ((calls[:, varies] - means[varies]) / spread[varies]).astype(np.float32) @ loadings
    padded = {name: np.pad(points.astype(np.float64), ((0, 0), (0, _N_COMPONENTS - n_components))) for name, points in scores.items()}
    return padded, np.pad(values / np.trace(gram), (0, _N_COMPONENTS - n_components))


def _draw_privacy(parts: _Parts) -> Figure | None:
    """Distances of members and nonmembers to the nearest synthetic sample, and how well they are told apart."""
    if min(len(parts.train), len(parts.nonmembers)) < 2 or not len(parts.synthetic):
        return None
    members, others = (_nearest(parts, name) / parts.train.shape[1] for name in ("train", "nonmembers"))
    figure, panels = new_figure("Privacy: who was in training?", 2, panel_inches=(4.6, 3.6))
    low, high = min(members.min(), others.min()), max(members.max(), others.max())
    bins = np.linspace(low, high if high > low else low + 1e-3, 31)
    for values, colour, name in ((members, SYNTHETIC, "train"), (others, NONMEMBERS, "nonmembers")):
        shares = np.histogram(values, bins=bins)[0] / len(values)
        panels[0].stairs(shares, bins, baseline=None, color=colour, lw=1.8, label=f"{name} ({len(values):,})")
        panels[0].stairs(shares, bins, color=colour, alpha=0.15, fill=True)
        panels[0].axvline(float(np.median(values)), color=colour, lw=1, ls=":")
    panels[0].set_ylim(0, None)
    label(
        panels[0],
        title="distance to the nearest synthetic sample (dotted: medians)",
        x="Manhattan distance (ALT alleles per variant)",
        y="share of samples",
    )
    add_legend(panels[0])
    false_rates, true_rates = _roc(-members, -others)
    auc, error = auc_with_standard_error(-members, -others)
    panels[1].plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (4, 3)))
    panels[1].plot(false_rates, true_rates, color=SYNTHETIC, lw=2)
    panels[1].set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    bounds = f"[{max(0.0, auc - Z_95 * error):.3f}, {min(1.0, auc + Z_95 * error):.3f}]"
    label(panels[1], title=f"membership attack: AUC {auc:.3f} {bounds}", x="false-positive rate", y="true-positive rate")
    return figure


def _nearest(parts: _Parts, name: Any) -> Floats:
    distances = parts.comparison.results.get(Pairwise(name, "synthetic"))
    if distances is None:
        distances = pairwise(getattr(parts, name), parts.synthetic)
    return nearest_distance(distances).astype(np.float64)


def _roc(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """False- and true-positive rates at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([positives, negatives]))
    rates = [1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values) for values in (negatives, positives)]
    return np.concatenate([[0.0], rates[0][::-1]]), np.concatenate([[0.0], rates[1][::-1]])


def _draw_training(curves: Sequence[Mapping[str, float]]) -> Figure | None:
    """A panel a loss over the steps of the fit."""
    names = list(dict.fromkeys(name for point in curves for name in point if name != "step"))[:_MOST_LOSSES]
    if not names:
        return None
    figure, panels = new_figure("Training", len(names), panel_inches=(3.4, 2.6))
    for axes, name in zip(panels, names, strict=True):
        points = np.array([(point["step"], point[name]) for point in curves if name in point])
        axes.plot(points[:, 0], points[:, 1], color=SYNTHETIC, lw=1.0, alpha=0.35 if len(points) > 50 else 1.0)
        if len(points) > 50:
            axes.plot(points[:, 0], _running_mean(points[:, 1]), color=SYNTHETIC, lw=1.8)
        label(axes, title=name.replace("_", " "), x="step", y="value")
    return figure


def _running_mean(values: Floats) -> Floats:
    """Mean over a window of a twentieth of the points, narrower at the ends."""
    half = max(1, len(values) // 40)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(0, places - half), np.minimum(len(values), places + half + 1)
    means: Floats = (sums[high] - sums[low]) / (high - low)
    return means
