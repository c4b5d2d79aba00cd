"""Calls less their mean and over their spread, as float32 blocks of variants: what principal components and relationships multiply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from genobench.statgen.products import MISSING_CODE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CALLS_PER_PIECE: Final = 1 << 20


def standardise(codes: torch.Tensor, *, mean: Floats, inverse_spread: Floats, out: torch.Tensor | None = None) -> torch.Tensor:
    """(calls - mean) times inverse spread, and 0 where a call is missing.

    Args:
        codes: A block from `call_codes`, int8, shape (n_samples, n_block).
        mean: Mean call of each variant of the block, shape (n_block,); not NaN.
        inverse_spread: What its deviations are multiplied by, shape (n_block,).
        out: float32 on the same device, with at least as many elements: written to, so that a loop over blocks needs no fresh memory.

    Returns:
        float32, contiguous, shape (n_samples, n_block).

    References:
        Patterson N., Price A.L., Reich D. 2006. PLoS Genetics 2: e190, equations 1 to 3, where the spread is sqrt(p (1 - p)); VanRaden P.M.
        2008. Journal of Dairy Science 91: 4414-4423, method 2, where it is sqrt(2 p (1 - p)). https://doi.org/10.3168/jds.2007-0980
    """
    n_samples, n_variants = codes.shape
    out = torch.empty(codes.numel(), device=codes.device) if out is None else out
    standardised = out.view(-1)[: codes.numel()].view(n_samples, n_variants)
    shift, factor = (torch.from_numpy(values).to(codes.device, torch.float32) for values in (mean * inverse_spread, inverse_spread))
    # Pieces that stay in the processor's cache: each is passed over three times.
    rows = max(1, _CALLS_PER_PIECE // max(1, n_variants)) if codes.device.type == "cpu" else max(1, n_samples)
    for start in range(0, n_samples, rows):
        piece = slice(start, start + rows)
        part = torch.mul(codes[piece], factor, out=standardised[piece])
        part.sub_(shift).masked_fill_(codes[piece] == MISSING_CODE, 0)
    return standardised
