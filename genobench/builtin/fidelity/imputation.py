"""Fidelity: synthetic samples as a reference panel, from which hidden calls of the holdout are imputed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import torch

from genobench import MISSING, Metric, ScoreSpec
from genobench.builtin.estimates import jackknifed, missing
from genobench.statgen import genome_blocks, hidden_variants, is_autosome, minor_allele_frequency

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import CallMatrix, Comparison, Genotypes, Score

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_MOST_VARIANTS: Final = 100
_MOST_TARGETS: Final = 1_000
_MOST_IN_PANEL: Final = 2_000
_PAIRS_PER_BATCH: Final = 1 << 22
_LEAST_SPREAD: Final = 1e-5
_FEWEST: Final = 5


@dataclass(frozen=True)
class ImputationPanel(Metric):
    """How well hidden calls of holdout samples are imputed from synthetic samples that look alike around them.

    Every tenth autosomal variant is hidden (`genobench.statgen.hidden_variants`), and of those with a common minor allele in the holdout at
    most 100, evenly spaced, are imputed. The imputed dosage is the mean call of the panel at that variant, each panel sample weighing
    exp(-d), with d its Manhattan distance to the target over the nearest shown variants on both sides on the chromosome: so the nearest
    few decide, as the haplotypes that are copied do in the model of Li and Stephens. The score is the mean over variants of the squared
    correlation of imputed and true calls; a variant whose imputed dosages are all alike counts 0. At most 1,000 targets and 2,000 panel
    samples are drawn. The standard error leaves out a block of the genome at a time.

    Args:
        n_flanking: Shown variants on each side.
        min_minor_allele_frequency: In the holdout.

    References:
        Li N., Stephens M. 2003. Genetics 165: 2213-2233. https://doi.org/10.1093/genetics/165.4.2213 ; the squared correlation as in
        Browning B.L., Browning S.R. 2009. American Journal of Human Genetics 84: 210-223. https://doi.org/10.1016/j.ajhg.2009.01.005
    """

    n_flanking: int = 25
    min_minor_allele_frequency: float = 0.05

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="imputation_r2",
            summary="mean r2 of hidden holdout calls and what a panel of synthetic samples imputes for them",
            unit="r2",
            direction="higher",
            ideal=None,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The mean over hidden variants."""
        name, holdout, panel = self.scores[0].name, comparison.holdout, comparison.synthetic
        if min(holdout.n_samples, panel.n_samples) < _FEWEST:
            reason = f"It needs {_FEWEST} holdout and {_FEWEST} synthetic samples; there are {holdout.n_samples} and {panel.n_samples}."
            return (missing(name, reason),)
        targets, panel = _some(holdout, _MOST_TARGETS, seed), _some(panel, _MOST_IN_PANEL, seed + 1)
        chromosomes = holdout.variants["chromosome"].to_numpy(dtype=object)
        hidden = self._hidden(holdout, chromosomes)
        flanking = _flanking(chromosomes, hidden, self.n_flanking)
        hidden, flanking = hidden[(flanking >= 0).any(axis=1)], flanking[(flanking >= 0).any(axis=1)]
        r2 = _squared_correlations(_imputed(targets.calls, panel.calls, hidden, flanking), targets.calls.columns(hidden))
        is_known = np.isfinite(r2)
        if not is_known.any():
            return (missing(name, "No autosomal variant that is hidden has a common minor allele in the holdout and others beside it."),)
        blocks = genome_blocks(chromosomes)[hidden][is_known]
        sizes = np.bincount(blocks)
        sums = np.bincount(blocks, weights=r2[is_known])
        without = (sums.sum() - sums) / np.maximum(1, sizes.sum() - sizes)
        return (jackknifed(name, float(sums.sum() / sizes.sum()), without, sizes, limits=(0.0, 1.0)),)

    def _hidden(self, holdout: Genotypes, chromosomes: NDArray[np.object_]) -> Indices:
        """Places of the variants that are imputed."""
        places = np.flatnonzero(hidden_variants(len(chromosomes)) & is_autosome(chromosomes))
        frequencies = minor_allele_frequency(holdout.calls)[places]
        places = places[frequencies >= self.min_minor_allele_frequency]
        n_taken = min(len(places), _MOST_VARIANTS)
        return places[np.arange(n_taken) * len(places) // max(1, n_taken)]


def _some(genotypes: Genotypes, most: int, seed: int) -> Genotypes:
    if genotypes.n_samples <= most:
        return genotypes
    return genotypes.take_samples(np.sort(np.random.default_rng(seed).permutation(genotypes.n_samples)[:most]))


def _flanking(chromosomes: NDArray[np.object_], hidden: Indices, n_flanking: int) -> Indices:
    """The shown variants nearest to each hidden one on its chromosome, shape (n_hidden, 2 x n_flanking); -1 where there is none."""
    is_shown = ~hidden_variants(len(chromosomes))
    flanking = np.full((len(hidden), 2 * n_flanking), -1, dtype=np.intp)
    for name in dict.fromkeys(chromosomes[hidden]):
        shown = np.append(np.flatnonzero(is_shown & (chromosomes == name)), -1)
        rows = np.flatnonzero(chromosomes[hidden] == name)
        first = np.searchsorted(shown[:-1], hidden[rows])[:, None] + np.arange(-n_flanking, n_flanking)
        flanking[rows] = shown[np.where((first >= 0) & (first < len(shown) - 1), first, len(shown) - 1)]
    return flanking


def _imputed(targets: CallMatrix, panel: CallMatrix, hidden: Indices, flanking: Indices) -> Floats:
    """Dosages of the hidden variants of the targets, shape (n_targets, n_hidden); NaN where no panel sample has a call."""
    n_targets, n_panel = targets.shape[0], panel.shape[0]
    dosages = np.full((n_targets, len(hidden)), np.nan)
    per_batch = max(1, _PAIRS_PER_BATCH // (n_targets * n_panel))
    for start in range(0, len(hidden), per_batch):
        batch = slice(start, start + per_batch)
        of_panel = _planes(panel, flanking[batch])
        filled = torch.nanmean(of_panel, dim=1, keepdim=True).nan_to_num()
        of_panel, of_targets = (torch.where(planes.isnan(), filled, planes) for planes in (of_panel, _planes(targets, flanking[batch])))
        # The distance is |a|^2 + |b|^2 - 2 ab over the planes; |a|^2, the target's own, falls out of the weights.
        distances = torch.baddbmm(of_panel.square().sum(dim=2).unsqueeze(1), of_targets, of_panel.transpose(1, 2), alpha=-2)
        weights = torch.softmax(distances.neg_(), dim=2)
        calls = torch.from_numpy(panel.columns(hidden[batch]).T.astype(np.float32))
        is_known = calls != MISSING
        # The weight of panel samples that have a call, and their weighted calls.
        sums = weights @ torch.stack([is_known.float(), torch.where(is_known, calls, 0.0)], dim=2)
        dosages[:, batch] = (sums[:, :, 1] / sums[:, :, 0]).T.numpy()
    return dosages


def _planes(calls: CallMatrix, places: Indices) -> torch.Tensor:
    """At each place, whether a sample has one ALT allele at least, and two: their squared distance is the Manhattan distance of calls.

    Returns:
        float32, shape (n_rows_of_places, n_samples, 2 x n_places); NaN for a missing call, 0 for a place of -1.
    """
    n_samples = calls.shape[0]
    there = torch.from_numpy(calls.columns(np.maximum(places, 0).ravel()).reshape(n_samples, *places.shape).transpose(1, 0, 2).copy())
    is_place = torch.from_numpy(places >= 0).unsqueeze(1)
    planes = torch.cat([(there >= least) & is_place for least in (1, 2)], dim=2).float()
    is_missing = (there == MISSING) & is_place
    if is_missing.any():
        planes[torch.cat([is_missing, is_missing], dim=2)] = float("nan")
    return planes


def _squared_correlations(imputed: Floats, truth: NDArray[np.int8]) -> Floats:
    """r2 at each variant over the samples that have a call, shape (n_variants,); NaN where these do not vary."""
    is_known = truth != MISSING
    n_known = np.maximum(1, is_known.sum(axis=0))
    # A panel that has no call at a variant says nothing of it.
    sides = [np.where(is_known, np.nan_to_num(values), 0.0) for values in (imputed, truth.astype(np.float64))]
    x, y = (np.where(is_known, side - side.sum(axis=0) / n_known, 0.0) for side in sides)
    spreads = [np.sqrt(np.sum(side**2, axis=0) / n_known) for side in (x, y)]
    r2 = np.zeros(truth.shape[1])
    np.divide(
        (np.sum(x * y, axis=0) / n_known) ** 2,
        (spreads[0] * spreads[1]) ** 2,
        out=r2,
        where=(spreads[0] > _LEAST_SPREAD) & (spreads[1] > 0),
    )
    r2[spreads[1] == 0] = np.nan
    return np.minimum(r2, 1.0)
