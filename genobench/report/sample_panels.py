"""Panels about samples: where they lie, how inbred and how related they are, whether they cover one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.report.drawing import Panel, draw_band, draw_histograms, make_panel, new_panel, too_few, with_band
from genobench.report.style import HOLDOUT, SYNTHETIC, TRAIN, VERMILLION, add_legend, label, number_log_scale
from genobench.statgen import (
    PrincipalComponents,
    alt_frequency,
    is_autosome,
    precision_recall_curve,
    runs_of_homozygosity,
    sample_heterozygosity,
    vanraden_1,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.genotypes import Genotypes
    from genobench.report.evidence import Evidence

    Floats = NDArray[np.float64]

_KS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100)


def draw_components(evidence: Evidence) -> Panel:
    """Samples on the first two principal components of train."""

    def draw() -> Figure | str:
        if reason := too_few(evidence, 2):
            return reason
        train = evidence.comparison.train
        if train.n_samples < 2:
            return "it needs 2 training samples, and there is 1"
        if not ((alt := alt_frequency(train.calls)) * (1 - alt) > 0).any():
            return "no variant varies among the training samples"
        fitted = PrincipalComponents.fit(train.calls, 2, seed=0)
        figure, axes = new_panel()
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
    return make_panel("components", "Principal components", caption, draw())


def draw_heterozygosity(evidence: Evidence) -> Panel:
    """How the heterozygosity of samples is distributed."""

    def draw() -> Figure | str:
        reference, synthetic, draws = evidence.per_sample(lambda part: sample_heterozygosity(part.calls))
        figure, axes = new_panel()
        draw_histograms(axes, evidence, reference, synthetic, draws)
        label(axes, x="share of heterozygous calls of a sample", y="share of samples")
        return figure

    return make_panel(
        "heterozygosity", "Heterozygosity", with_band(evidence, "Inbred samples are on the left."), too_few(evidence) or draw()
    )


def draw_kinship(evidence: Evidence) -> Panel:
    """How the relationship of pairs of samples is distributed."""

    def draw() -> Figure | str:
        alt = alt_frequency(evidence.comparison.train.calls)
        is_used = is_autosome(evidence.chromosomes) & (np.nan_to_num(alt * (1 - alt)) > 0)
        if not is_used.any():
            return "no autosomal variant varies among the training samples"

        def relationships(part: Genotypes) -> Floats:
            matrix = vanraden_1(part.calls, is_used=is_used, alt_frequencies=alt)
            return matrix[np.triu_indices(len(matrix), 1)].astype(np.float64)

        figure, axes = new_panel()
        values = [relationships(part) for part in (evidence.reference, evidence.synthetic, *evidence.drawn())]
        draw_histograms(axes, evidence, values[0], values[1], values[2:], n_bins=60)
        axes.set_yscale("symlog", linthresh=1e-4)
        axes.set_ylim(0, None)
        label(axes, x="genomic relationship of two samples (VanRaden 1)", y="share of pairs, log scale")
        return figure

    caption = with_band(evidence, "Half sibs stand near 0.25 and full sibs near 0.5; the scale is logarithmic, so that few relatives show.")
    return make_panel("kinship", "Kinship", caption, too_few(evidence) or draw())


def draw_runs(evidence: Evidence) -> Panel:
    """How the share of the genome in runs of homozygosity is distributed."""

    def f_roh(part: Genotypes) -> Floats:
        return runs_of_homozygosity(part.calls, chromosomes=evidence.chromosomes, positions_bp=evidence.positions_bp).f_roh

    def draw() -> Figure | str:
        reference, synthetic, draws = evidence.per_sample(f_roh)
        if not np.isfinite(reference).any():
            return "there is less than one autosomal variant with a position per 100 kb, so runs cannot be told from chance"
        figure, axes = new_panel()
        draw_histograms(axes, evidence, reference, synthetic, draws)
        label(axes, x="share of the genome in runs of homozygosity (F_ROH)", y="share of samples")
        return figure

    caption = with_band(evidence, "Runs of at least 4 Mb and 30 variants with at most one heterozygote.")
    return make_panel("runs", "Runs of homozygosity", caption, too_few(evidence) or draw())


def draw_manifold(evidence: Evidence) -> Panel:
    """Precision and recall for neighbourhoods of many sizes."""

    def draw() -> Figure | str:
        if reason := too_few(evidence):
            return reason
        if evidence.reference_name != "holdout":
            return "it compares with a holdout, and there is none"
        real, between, synthetic = (
            evidence.matrix(*pair) for pair in (("holdout", "holdout"), ("synthetic", "holdout"), ("synthetic", "synthetic"))
        )
        ks = [k for k in _KS if k < min(len(real), len(synthetic))]
        figure, axes = new_panel()
        drawn_ks = [k for k in ks if k < min(map(len, evidence.draws), default=0)]  # Train may be smaller than all else.
        if drawn_ks:
            within, across = evidence.matrix("train", "train"), evidence.matrix("train", "holdout")
            curves = [precision_recall_curve(real, across[rows], within[np.ix_(rows, rows)], ks=drawn_ks) for rows in evidence.draws]
            for place, colour in ((0, SYNTHETIC), (1, VERMILLION)):
                draw_band(axes, np.array(drawn_ks, dtype=np.float64), [curve[:, place] for curve in curves], colour=colour, name="")
        curve = precision_recall_curve(real, between, synthetic, ks=ks)
        for place, colour, name in ((0, SYNTHETIC, "precision"), (1, VERMILLION, "recall")):
            axes.plot(ks, curve[:, place], color=colour, lw=2, marker="o", ms=3.5, label=name)
        axes.set_ylim(-0.02, 1.02)
        number_log_scale(axes)
        label(axes, x="k, the neighbour that makes the radius", y="share")
        add_legend(axes)
        return figure

    caption = (
        "Manhattan distance. Shaded in the same colour: real samples in the place of synthetic ones. With growing k both saturate, so a "
        "high value alone says little."
    )
    return make_panel("manifold", "Precision and recall over k", caption, draw())
