"""The global random states that a plugin must leave alone: Python's, numpy's, torch's."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


def global_random_states() -> dict[str, bytes]:
    """A fingerprint of each global random state, by library."""
    import torch

    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the legacy global state is what is watched
    return {
        "random": repr(random.getstate()).encode(),
        "numpy.random": repr((kind, np.asarray(keys).tolist(), rest)).encode(),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


@contextmanager
def disturbed_random_states() -> Iterator[None]:
    """Within, the global random states are others than outside; afterwards they are what they were."""
    import torch

    python_state: Any = random.getstate()
    numpy_state: Any = np.random.get_state()  # noqa: NPY002 - the legacy global state is what is watched
    torch_state = torch.get_rng_state()
    try:
        random.seed(random.getrandbits(32) + 1)
        np.random.seed(random.getrandbits(32))  # noqa: NPY002 - likewise
        torch.manual_seed(random.getrandbits(32))
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002 - likewise
        torch.set_rng_state(torch_state)
