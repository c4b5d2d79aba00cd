"""Random numbers for private fits: noise, calibration and generation share none.

A sampler generates from the seed that it is given, often the seed of the fit. If the noise came from the same stream, the samples would be
functions of the noise, and no longer post-processing of what was released.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOISE, _CALIBRATION = 1, 2
_KEY_BITS: Final = 128


class Noise:
    """Uniform and normal numbers of a private fit, from the counter-based generator Philox with a key of 128 bits.

    With the key the noise can be taken off again. `of_seed` makes it of the fit's seed, so that a fit can be repeated; `of_system`
    takes it from the operating system, and nobody knows it. A checkpoint holds it, so that a fit that was killed goes on with the same
    numbers.

    Args:
        entropy: What the key is made of, by a hash (NumPy's `SeedSequence`).
        device: Where the numbers are wanted.

    References:
        Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3, doi 10.1145/2063384.2063405.
    """

    def __init__(self, entropy: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._philox = np.random.Philox(np.random.SeedSequence(entropy))

    @classmethod
    def of_seed(cls, seed: int, device: torch.device | str = "cpu") -> Noise:
        """The same numbers for the same seed."""
        return cls([seed, _NOISE], device)

    @classmethod
    def of_system(cls, device: torch.device | str = "cpu") -> Noise:
        """Other numbers each time, which no seed gives back."""
        return cls([secrets.randbits(_KEY_BITS)], device)

    def uniform(self, *shape: int) -> torch.Tensor:
        """In [0, 1), float64: a float32 is 0 too often to draw rare batches by."""
        return torch.from_numpy(np.random.Generator(self._philox).random(shape)).to(self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """Of variance 1, float32."""
        return torch.from_numpy(np.random.Generator(self._philox).standard_normal(shape)).float().to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: plain values."""
        return _plain(self._philox.state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        plain: Any = dict(state)
        self._philox.state = plain


def calibration_stream(seed: int) -> torch.Generator:
    """Draws what a network is calibrated by, after its noise was drawn; the guarantee holds even if this seed is known.

    Args:
        seed: Of the fit.
    """
    (state,) = np.random.SeedSequence([seed, _CALIBRATION]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> 1))


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as lists, at any depth."""
    return {
        name: _plain(value) if isinstance(value, dict) else value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in state.items()
    }
