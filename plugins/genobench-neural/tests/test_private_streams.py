"""Noise, calibration and generation share no random numbers."""

from __future__ import annotations

import json

import numpy as np
import torch
from scipy.stats import kstest

from genobench_neural.private.streams import Noise, calibration_stream


def test_stream__shares_no_numbers_with_generation_from_the_same_seed() -> None:
    """Normal draws are made of uniform ones (Box and Muller 1958): from one stream their squared radii are -2 log(1 - u)."""
    draws = {
        "generation": torch.rand(4096, generator=torch.Generator().manual_seed(7)),
        "noise": Noise.of_seed(7).uniform(4096).float(),
        "calibration": torch.rand(4096, generator=calibration_stream(7)),
    }
    correlation = np.corrcoef(torch.stack(list(draws.values())).numpy())
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 5 / 64
    assert len(torch.cat(list(draws.values())).unique()) > 3 * 4096 * 0.99


def test_noise__same_seed_same_numbers() -> None:
    first, second = (Noise.of_seed(7).normal(8) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, Noise.of_seed(8).normal(8))


def test_noise__seeds_that_differ_above_32_bits_give_other_numbers() -> None:
    """torch's own generator on the CPU keeps 32 bits of a seed."""
    assert not torch.equal(Noise.of_seed(7).normal(8), Noise.of_seed(7 + 2**32).normal(8))


def test_noise__of_the_system_is_new_each_time() -> None:
    assert not torch.equal(Noise.of_system().normal(8), Noise.of_system().normal(8))


def test_noise__goes_on_from_its_state_as_json() -> None:
    noise, other = Noise.of_seed(7), Noise.of_system()
    noise.uniform(5)
    other.load_state_dict(json.loads(json.dumps(noise.state_dict())))
    assert torch.equal(noise.normal(9), other.normal(9))


def test_noise__is_normal() -> None:
    p = kstest(Noise.of_seed(1).normal(100, 100).flatten().numpy(), "norm").pvalue
    assert p > 1e-3
