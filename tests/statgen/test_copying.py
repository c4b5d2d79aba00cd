"""The haplotypes that samples are phased by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genobench.calls import PackedCalls
from genobench.statgen import copying, switch_errors
from genobench.statgen.copying import CopyingSettings, donor_panel, rephased

if TYPE_CHECKING:
    import pytest
    from numpy.typing import NDArray


def _switch_rate(inferred: NDArray[np.int8], truth: NDArray[np.int8]) -> float:
    return switch_errors(PackedCalls.from_calls(inferred), PackedCalls.from_calls(truth), ["1"] * truth.shape[1]).rate


def test_donor_panel__sibs_are_in_it_wherever_they_stand() -> None:
    """100 families of four full sibs, a family's sibs 100 rows apart; of 80 samples in the panel, evenly spaced ones are a tenth of all."""
    random = np.random.default_rng(1)
    parents = random.integers(0, 2, size=(100, 4, 300))
    sire, dam = (random.integers(2, size=(4, 100)) + side for side in (0, 2))
    calls = (parents[np.arange(100), sire] + parents[np.arange(100), dam]).reshape(400, 300)
    deviations = (calls - calls.mean(axis=0)).astype(np.float32)
    rows = np.arange(10)
    panel = donor_panel(deviations, rows, n_donors=160)
    assert len(panel) <= 160
    assert (panel[0::2] % 2 == 0).all()
    assert (panel[1::2] == panel[0::2] + 1).all()
    # A sib may have got the other haplotype of both parents, and is then no relative here.
    is_in = np.isin(rows[:, None] + [100, 200, 300], panel // 2)
    shares = (sire.reshape(-1)[rows[:, None]] == sire.reshape(-1)[rows[:, None] + [100, 200, 300]]) | (
        dam.reshape(-1)[rows[:, None]] == dam.reshape(-1)[rows[:, None] + [100, 200, 300]]
    )
    assert is_in[shares].all()


def test_rephased__few_donors_of_many_samples_still_phase_by_sibs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty families of eight half sibs, each sire with haplotypes of his own, dams all unrelated: a panel a tenth as large does."""
    random = np.random.default_rng(2)
    sires = random.integers(0, 2, size=(40, 2, 120)).astype(np.int8)
    family = np.arange(320) % 40
    truth = np.empty((640, 120), dtype=np.int8)
    truth[0::2] = sires[family, random.integers(2, size=320)]
    truth[1::2] = random.integers(0, 2, size=(320, 120))
    calls = truth[0::2] + truth[1::2]
    turned = np.where(np.repeat(random.random((320, 120)) < 0.2, 2, axis=0), truth.reshape(320, 2, 120)[:, ::-1].reshape(640, 120), truth)

    def errors(n_panel: int) -> float:
        monkeypatch.setattr(copying, "_MOST_DONORS", n_panel)
        monkeypatch.setattr(copying, "_MOST_SAMPLES_PER_BATCH", 8)
        phased = turned
        for _ in range(3):
            phased = rephased(calls, phased, CopyingSettings())
        return _switch_rate(phased, truth)

    # By strangers, some of what was right is turned round; evenly spaced donors make .46 of .32.
    assert errors(64) < _switch_rate(turned, truth)
