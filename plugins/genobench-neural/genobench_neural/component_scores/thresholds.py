"""Where generated values are cut into genotypes."""

from __future__ import annotations

from typing import Final

import torch

_FEWEST_BEYOND: Final = 8
"""So many of the values that thresholds are set by lie beyond a quantile at least; the standard error of its share is then a third."""


def thresholds_of(values: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """Thresholds below which given shares of a distribution lie, shape (2, n_variants).

    Between the ranks at which some values lie on either side they are quantiles of the values. Further out they go on as a normal
    distribution of the values' spread does, so that a genotype rarer than one value in all has its share, too.

    Args:
        values: Drawn from the distribution, shape (n_values, n_variants).
        below: The shares, in [0, 1], shape (2, n_variants).

    Returns:
        The thresholds; -inf and inf for shares of 0 and 1.
    """
    n_values, spread = len(values), values.std(dim=0)
    ranked = values.sort(dim=0).values
    least = _FEWEST_BEYOND / n_values
    within = below.clamp(least, 1 - least)
    rank = (within * n_values).round().long()
    between = (ranked.gather(0, rank - 1) + ranked.gather(0, rank.clamp(max=n_values - 1))) / 2
    beyond = torch.special.ndtri(below.double()) - torch.special.ndtri(within.double())
    # The spread of a constant variant is 0, and 0 times infinity no number.
    outside = torch.where((below == 0) | (below == 1), beyond, spread * beyond)
    return torch.where(below == within, between.double(), between + outside).to(values.dtype)
