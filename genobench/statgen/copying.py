"""Phasing a sample as a pair of mosaics of other samples' haplotypes, all samples side by side.

A mosaic may change its donor between short blocks of variants. Within a block the fit of two donors to a sample's calls is the squared
difference of the calls and the sum of the donors' alleles, which for all pairs of donors is one product of matrices.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.calls import MISSING

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_DONORS: Final = 4096
"""Haplotypes among which those nearest to a sample are looked for, window by window."""

_VARIANTS_OF_PANEL: Final = 1024
"""Variants of a chromosome, evenly spaced, by which relatives are found where there are more haplotypes than that."""

_PROBABILITIES_PER_BATCH: Final = 1 << 25
_MOST_SAMPLES_PER_BATCH: Final = 256
_EXCLUDED: Final = 1e9


@dataclass(frozen=True)
class CopyingSettings:
    """How samples are phased against the haplotypes of others; chosen by the switch errors on phased data.

    Args:
        n_donors: Haplotypes of others that a sample copies from in a window; a third of them are nearest to its first haplotype, a third
            to its second, and a third fit its homozygous calls best, however it is phased.
        window: Variants with one set of donors.
        block: Variants without a change of donor.
        mismatch: Log-likelihood lost for each call that is one allele from the sum of the donors' alleles.
        switch: Probability of a change of donor from block to block.
    """

    n_donors: int = 24
    window: int = 48
    block: int = 6
    mismatch: float = 3.5
    switch: float = 0.05


@dataclass(frozen=True)
class _Block:
    """Variants `start` to `stop`, in a window; the first block of a window has another set of donors than the one before."""

    window: int
    start: int
    stop: int
    is_first: bool


def rephased(calls: NDArray[np.int8], haplotypes: NDArray[np.int8], settings: CopyingSettings) -> NDArray[np.int8]:
    """Phase each sample anew, given the haplotypes of the others: of all, or of a `donor_panel` where there are more than 2,048 samples.

    Args:
        calls: Calls along one chromosome, in 0, 1, 2 or MISSING, shape (n_samples, n_variants); at least two samples.
        haplotypes: Their phase so far, 0 and 1, none missing, shape (2 * n_samples, n_variants), the two of a sample one below the other.
        settings: See there.

    Returns:
        The new phase, like `haplotypes`; missing calls are those of the donors.

    References:
        Li and Stephens 2003, doi:10.1093/genetics/165.4.2213, for the mosaic; Delaneau et al. 2013, doi:10.1038/nmeth.2307, for
        conditioning on the nearest haplotypes.
    """
    n_samples, n_variants = calls.shape
    edges = np.linspace(0, n_variants, max(1, round(n_variants / settings.window)) + 1).round().astype(int).tolist()
    blocks = _blocks(edges, settings.block)
    n_rows = max(1, min(_MOST_SAMPLES_PER_BATCH, _PROBABILITIES_PER_BATCH // (len(blocks) * settings.n_donors**2)))
    deviations = _deviations(calls) if len(haplotypes) > _MOST_DONORS else None
    panel = np.arange(len(haplotypes))
    donors = torch.from_numpy(haplotypes.astype(np.float32)) if deviations is None else torch.empty(0)
    result = np.empty_like(haplotypes)
    for first in range(0, n_samples, n_rows):
        rows = np.arange(first, min(n_samples, first + n_rows))
        if deviations is not None:
            panel = donor_panel(deviations, rows, n_donors=_MOST_DONORS)
            donors = torch.from_numpy(haplotypes[panel].astype(np.float32))
        own = np.stack([haplotypes[2 * rows], haplotypes[2 * rows + 1]])
        is_own = torch.from_numpy(panel[None, :] // 2 == rows[:, None])
        chosen = _nearest_donors(calls[rows], own, donors, is_own=is_own, edges=edges, settings=settings)
        result[2 * rows], result[2 * rows + 1] = _phased_batch(calls[rows], own, donors, chosen=chosen, blocks=blocks, settings=settings)
    return result


def donor_panel(deviations: NDArray[np.float32], rows: NDArray[np.intp], *, n_donors: int) -> NDArray[np.int64]:
    """Haplotypes that some samples may copy from, where there are too many to look at all.

    Half of them are those of the samples most related to one of `rows`, as many for each, so that sibs far down the table can be donors;
    half are of samples evenly spaced in the table.

    Args:
        deviations: Calls less their variant's mean, 0 where missing, of one chromosome, shape (n_samples, n_variants).
        rows: The samples to be phased, shape (n_rows,).
        n_donors: Haplotypes in the panel at most, at least four.

    Returns:
        Rows of haplotypes, rising, the two of a sample both, shape (n_panel,). The samples' own ones may be among them.

    References:
        Products of deviations are VanRaden's first relationships but for their scale: VanRaden P.M. 2008. Efficient methods to compute
        genomic predictions. Journal of Dairy Science 91: 4414-4423. https://doi.org/10.3168/jds.2007-0980
    """
    n_each = max(1, n_donors // (4 * len(rows)))
    related = torch.from_numpy(deviations[rows] @ deviations.T)
    related[torch.arange(len(rows)), torch.from_numpy(rows)] = -torch.inf
    nearest = np.unique(related.topk(min(n_each, len(deviations)), dim=1).indices.numpy())[: n_donors // 4]
    spaced = np.linspace(0, len(deviations) - 1, min(len(deviations), n_donors // 4)).round().astype(np.int64)
    samples = np.union1d(nearest, spaced)
    return (2 * samples[:, None] + np.arange(2)).reshape(-1)


def _deviations(calls: NDArray[np.int8]) -> NDArray[np.float32]:
    """Of evenly spaced variants, as `donor_panel` takes them."""
    some = calls[:, np.unique(np.linspace(0, calls.shape[1] - 1, _VARIANTS_OF_PANEL).round().astype(int))]
    is_call = some != MISSING
    mean = some.sum(axis=0, where=is_call) / np.maximum(is_call.sum(axis=0), 1)
    deviations: NDArray[np.float32] = np.where(is_call, some - mean, 0).astype(np.float32)
    return deviations


def _blocks(edges: list[int], size: int) -> list[_Block]:
    blocks = []
    for window, (start, stop) in enumerate(itertools.pairwise(edges)):
        cuts = np.linspace(start, stop, max(1, round((stop - start) / size)) + 1).round().astype(int).tolist()
        blocks += [_Block(window, a, b, is_first=a == start) for a, b in itertools.pairwise(cuts)]
    return blocks


def _nearest_donors(
    calls: NDArray[np.int8],
    own: NDArray[np.int8],
    donors: torch.Tensor,
    *,
    is_own: torch.Tensor,
    edges: list[int],
    settings: CopyingSettings,
) -> list[torch.Tensor]:
    """Rows of `donors` for each sample, window by window, each shape (n_samples, n_chosen); a sample's own ones are left out."""
    margin = settings.window // 2
    n_each = min(max(1, settings.n_donors // 3), max(1, (donors.shape[0] - 2) // 3))
    chosen = []
    for start, stop in itertools.pairwise(edges):
        here = slice(max(0, start - margin), stop + margin)
        panel, known = donors[:, here], calls[:, here]
        sides = [torch.from_numpy(haplotypes[:, here].astype(np.float32)) for haplotypes in own]
        # The number of alleles of the sample that a donor lacks, less what is the same for all donors.
        distances = [panel.sum(dim=1)[None] - 2 * side @ panel.T for side in sides]
        distances.append(torch.from_numpy((known == 0).astype(np.float32) - (known == 2).astype(np.float32)) @ panel.T)
        picked: list[torch.Tensor] = []
        for distance in distances:
            distance.masked_fill_(is_own, 2 * _EXCLUDED)
            for earlier in picked:
                distance.scatter_(1, earlier, _EXCLUDED)
            picked.append(distance.topk(n_each, dim=1, largest=False, sorted=False).indices)
        chosen.append(torch.cat(picked, dim=1))
    return chosen


def _phased_batch(
    calls: NDArray[np.int8],
    own: NDArray[np.int8],
    donors: torch.Tensor,
    *,
    chosen: list[torch.Tensor],
    blocks: list[_Block],
    settings: CopyingSettings,
) -> NDArray[np.int8]:
    """The likeliest pairs of donors backwards along the chromosome, and the phase that they give, shape of `own`."""
    n_samples, n_donors = chosen[0].shape
    forward, alleles, moves = _forward(calls, donors, chosen, blocks, settings)
    rows = torch.arange(n_samples)
    # How a donor's place follows from the one before, in a window: rows are the donor after.
    onward = ((1 - settings.switch) * torch.eye(n_donors) + settings.switch / n_donors)[None]
    phased = np.empty_like(own)
    left = right = rows
    for place in range(len(blocks) - 1, -1, -1):
        weight = forward[place]
        if place + 1 < len(blocks):
            move = moves[place + 1]
            to_left, to_right = (onward[0][side] if move is None else move[rows, :, side] for side in (left, right))
            weight = weight * to_left[:, :, None] * to_right[:, None, :]
        best = weight.flatten(1).argmax(dim=1)
        left, right = best // n_donors, best % n_donors
        here = slice(blocks[place].start, blocks[place].stop)
        copied = [alleles[place][rows, side].numpy().astype(np.int8) for side in (left, right)]
        phased[:, :, here] = _resolved(calls[:, here], own[:, :, here], copied)
    return phased


def _forward(
    calls: NDArray[np.int8], donors: torch.Tensor, chosen: list[torch.Tensor], blocks: list[_Block], settings: CopyingSettings
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor | None]]:
    """Forward probabilities of pairs of donors, the donors' alleles, and the moves into a window (None within it), block by block."""
    n_donors = chosen[0].shape[1]
    switch = settings.switch
    known = torch.from_numpy((calls != MISSING).astype(np.float32))
    slope = known * (1 - 2 * torch.from_numpy(calls.astype(np.float32)))
    forward: list[torch.Tensor] = []
    alleles: list[torch.Tensor] = []
    moves: list[torch.Tensor | None] = []
    for block in blocks:
        here = slice(block.start, block.stop)
        copied = donors[:, here][chosen[block.window]]
        single = (copied @ slope[:, here, None])[..., 0]
        # The sum of squares of call - first - second, less that of the call, where the alleles are 0 or 1.
        misfit = 2 * (copied * known[:, None, here]) @ copied.transpose(1, 2) + single[:, :, None] + single[:, None, :]
        likelihood = torch.exp(settings.mismatch * (misfit.amin(dim=(1, 2), keepdim=True) - misfit))
        move = None
        if not forward:
            here_probability = likelihood
        elif block.is_first:
            is_same = chosen[block.window - 1][:, :, None] == chosen[block.window][:, None, :]
            move = (1 - switch) * is_same + switch / n_donors
            move = move / move.sum(dim=2, keepdim=True)
            here_probability = move.transpose(1, 2) @ forward[-1] @ move * likelihood
        else:
            before = forward[-1]
            first, second = before.sum(dim=2, keepdim=True), before.sum(dim=1, keepdim=True)
            moved = (1 - switch) ** 2 * before + (1 - switch) * switch / n_donors * (first + second) + (switch / n_donors) ** 2
            here_probability = moved * likelihood
        forward.append(here_probability / here_probability.sum(dim=(1, 2), keepdim=True))
        alleles.append(copied)
        moves.append(move)
    return forward, alleles, moves


def _resolved(calls: NDArray[np.int8], own: NDArray[np.int8], copied: list[NDArray[np.int8]]) -> NDArray[np.int8]:
    """The phase of a block: by the donors where they differ, else as it was, turned round if it mostly was the other way."""
    difference = copied[0] - copied[1]
    is_heterozygous = calls == 1
    agreement = ((own[0] - own[1]) * difference * is_heterozygous).sum(axis=1, keepdims=True)
    kept = np.where(agreement >= 0, own[0], own[1])
    first = np.where(is_heterozygous, np.where(difference != 0, copied[0], kept), calls >> 1)
    first = np.where(calls == MISSING, copied[0], first)
    second = np.where(calls == MISSING, copied[1], calls - first)
    return np.stack([first, second])
