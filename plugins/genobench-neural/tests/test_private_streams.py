"""Noise, calibration and generation share no random numbers."""

from __future__ import annotations

import numpy as np
import torch

from genobench_neural.private.streams import stream


def test_stream__shares_no_numbers_with_generation_from_the_same_seed() -> None:
    """Normal draws are made of uniform ones (Box and Muller 1958): from one stream their squared radii are -2 log(1 - u)."""
    draws = {
        "generation": torch.rand(4096, generator=torch.Generator().manual_seed(7)),
        "noise": torch.rand(4096, generator=stream(7, "noise")),
        "calibration": torch.rand(4096, generator=stream(7, "calibration")),
    }
    correlation = np.corrcoef(torch.stack(list(draws.values())).numpy())
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 5 / 64
    assert len(torch.cat(list(draws.values())).unique()) > 3 * 4096 * 0.99


def test_stream__same_seed_same_numbers() -> None:
    first, second = (torch.rand(8, generator=stream(7, "noise")) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(8, generator=stream(8, "noise")))
