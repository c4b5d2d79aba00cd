"""Random numbers for private fits: noise, calibration and generation share none.

A sampler generates from the seed that it is given, often the seed of the fit. If the noise came from the same stream, the samples would be
functions of the noise, and no longer post-processing of what was released.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

_NUMBERS = {"noise": 1, "calibration": 2}


def stream(seed: int, purpose: Literal["noise", "calibration"], device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for each purpose, seeded by a hash of seed and purpose (NumPy's `SeedSequence`).

    Args:
        seed: Of the fit.
        purpose: What is drawn.
        device: Where it is drawn.
    """
    (state,) = np.random.SeedSequence([seed, _NUMBERS[purpose]]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state >> 1))
