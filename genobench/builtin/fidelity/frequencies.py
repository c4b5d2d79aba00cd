"""Fidelity: allele frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genobench import Comparison, Metric, Score, ScoreSpec
from genobench.statgen import alt_frequency, genome_blocks, jackknife_standard_error


@dataclass(frozen=True)
class AlleleFrequency(Metric):
    """Mean absolute difference of ALT frequencies between synthetic samples and the holdout.

    The standard error leaves out a block of the genome at a time. Among unrelated samples no generator quite reaches the real band: it
    draws anew from what it learned of the training samples, where the band draws those samples themselves. Even the exact training
    frequencies give sqrt(1 + n_holdout / (2 n_train)) times the band's mean, 9 % above it for 390 and 1,072 samples.
    """

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="allele_frequency_error",
            summary="mean over variants of |ALT frequency in synthetic - in holdout|",
            unit="allele frequency",
            direction="lower",
            ideal=0.0,
            version=1,
            is_primary=True,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The error, over the variants that have a call on both sides."""
        synthetic = alt_frequency(comparison.synthetic.to_array())
        differences = np.abs(synthetic - alt_frequency(comparison.holdout.to_array()))
        is_known = np.isfinite(differences)
        if not is_known.any():
            return (Score("allele_frequency_error", float("nan"), reason="No variant has a call in both synthetic and holdout samples."),)
        blocks = genome_blocks(comparison.holdout.variants["chromosome"].to_numpy(dtype=object))[is_known]
        error = float(differences[is_known].mean())
        sizes = np.bincount(blocks)
        sums = np.bincount(blocks, weights=differences[is_known])[sizes > 0]
        sizes = sizes[sizes > 0]
        standard_error = None
        if len(sizes) > 1:
            standard_error = jackknife_standard_error(error, (sums.sum() - sums) / (sizes.sum() - sizes), sizes)
        return (Score("allele_frequency_error", error, standard_error=standard_error),)
