"""What several tests of networks need: fits that are killed, and linkage against independence."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genobench_neural import training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from genobench import Genotypes


class Killed(Exception):  # noqa: N818 - stands for a kill, which is no error
    pass


@contextlib.contextmanager
def _killed_at(step: int) -> Iterator[Callable[..., None]]:
    def at_step(index: int, *_losses: object) -> None:
        if index >= step:
            raise Killed

    with pytest.raises(Killed):
        yield at_step


@pytest.fixture
def killed_at() -> Callable[[int], AbstractContextManager[Callable[..., None]]]:
    """`with killed_at(step) as at_step`: what is run there with `at_step`, or with it as the reporter, must be killed at that step."""
    return _killed_at


@pytest.fixture
def always_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint and a report after every step."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "_SHARE_OF_WRITING", math.inf)
    monkeypatch.setattr(training, "_REPORT_EVERY_SECONDS", 0.0)


def _neighbour_r(genotypes: Genotypes) -> float:
    chromosome = genotypes.variants["chromosome"].to_numpy()
    r = np.corrcoef(genotypes.to_array(), rowvar=False).diagonal(1)
    return float(r[chromosome[1:] == chromosome[:-1]].mean())


def _assert_linked(synthetic: Genotypes, train: Genotypes) -> None:
    found, wanted = _neighbour_r(synthetic), _neighbour_r(train)
    # A correlation has a standard error of 1 / sqrt(n) at most, and a mean of correlations that depend on each other no more.
    assert abs(found - wanted) + 4 / synthetic.n_samples**0.5 < found


@pytest.fixture
def assert_linked() -> Callable[[Genotypes, Genotypes], None]:
    """That the mean correlation of neighbours is nearer to that of training than to independence, beyond four standard errors."""
    return _assert_linked
