"""What several tests of networks need: fits that are killed, linkage against independence, and families of known sires."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pytest

from genobench import Genotypes, PackedCalls
from genobench_neural import training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


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


_N_VARIANTS: Final = 240


def _families(*, n_families: int, n_offspring: int, has_one_dam: bool, seed: int) -> tuple[Genotypes, np.ndarray]:
    """Offspring of sires with random haplotypes, with a dam each or one for the family; and the sires' haplotypes.

    Two chromosomes of one Morgan.
    """
    random = np.random.default_rng(seed)
    sires, dams = random.integers(0, 2, (2, n_families, 2, _N_VARIANTS), dtype=np.int8)
    half = _N_VARIANTS // 2
    fractions = np.full(_N_VARIANTS, 0.5 * (1 - np.exp(-2 / half)))
    fractions[[0, half]] = 0.5
    rows = []
    for family in range(n_families):
        for _ in range(n_offspring):
            dam = dams[family] if has_one_dam else random.integers(0, 2, (2, _N_VARIANTS), dtype=np.int8)
            walks = (random.random((2, _N_VARIANTS)) < fractions).cumsum(axis=1) % 2
            rows.append(sum(np.where(walk == 0, parent[0], parent[1]) for walk, parent in zip(walks, (sires[family], dam), strict=True)))
    number = np.repeat(np.arange(n_families), n_offspring)
    n_samples = len(number)
    samples = pd.DataFrame(
        {"id": [f"s{k}" for k in range(n_samples)], "sire": [f"S{k}" for k in number], "weight": random.normal(size=n_samples)}
    )
    samples["dam"] = [f"D{k}" for k in number] if has_one_dam else [f"D{k}" for k in range(n_samples)]
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2"], half),
            "position_bp": np.tile(np.arange(half) * 100_000_000 // half + 1, 2),
            "id": [f"v{k}" for k in range(_N_VARIANTS)],
            "ref": "A",
            "alt": "G",
        }
    )
    return Genotypes(PackedCalls.from_calls(np.array(rows, dtype=np.int8)), samples, variants), sires


@pytest.fixture
def families() -> Callable[..., tuple[Genotypes, np.ndarray]]:
    """`families(n_families=..., n_offspring=..., has_one_dam=..., seed=...)`: offspring, and the haplotypes of their sires."""
    return _families
