"""Heritability by restricted maximum likelihood against GEMMA, on families that are generated here."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

from genobench.statgen import reml_heritability, vanraden_1

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(shutil.which("gemma") is None, reason="gemma is not installed")]


def half_sibs(*, heritability: float) -> tuple[np.ndarray, np.ndarray]:
    """Calls of 20 sires' 20 offspring each at 500 variants, and a trait of all variants that is not centred."""
    random = np.random.default_rng(3)
    frequency = random.uniform(0.1, 0.9, 500)
    sires = random.binomial(2, frequency, (20, 500))
    calls = random.binomial(1, np.repeat(sires, 20, axis=0) / 2) + random.binomial(1, frequency, (400, 500))
    value, noise = calls @ random.normal(size=500), random.normal(size=400)
    trait = heritability**0.5 * (value - value.mean()) / value.std() + (1 - heritability) ** 0.5 * noise
    return calls.astype(np.int8), 5 + 3 * trait


@pytest.mark.parametrize("heritability", [0.2, 0.5, 0.9])
def test_reml_heritability__agrees_with_gemma(heritability, tmp_path):
    """Its `pve` of the null model, printed with six digits."""
    calls, trait = half_sibs(heritability=heritability)
    relationship = vanraden_1(calls)
    np.savetxt(tmp_path / "relationship.txt", relationship, fmt="%.9g")
    np.savetxt(tmp_path / "trait.txt", trait)
    command = ["gemma", "-p", "trait.txt", "-k", "relationship.txt", "-lmm", "5", "-o", "out"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    log = (tmp_path / "output" / "out.log.txt").read_text()
    found = re.search(r"pve estimate in the null model = (\S+)", log)
    assert found
    assert reml_heritability(relationship, trait[:, None])[0] == pytest.approx(float(found.group(1)), abs=1e-4)
