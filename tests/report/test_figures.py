"""Figures of a run: what is drawn, and the numbers behind it."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_curve

from genobench.calls import PackedCalls
from genobench.contracts import Comparison, Pairwise, Trait
from genobench.genotypes import Genotypes
from genobench.report import figures
from genobench.report.figures import draw_figures

if TYPE_CHECKING:
    from pathlib import Path

N_VARIANTS = 120
CURVES = [{"step": float(step), "critic_loss": 1.0 / (step + 1), "generator_loss": -float(step)} for step in range(80)]


def _genotypes(n_samples: int, seed: int, *, populations: bool = False, positions: bool = True) -> Genotypes:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, (n_samples, N_VARIANTS // 4))
    calls = np.repeat(first, 4, axis=1).astype(np.int8)
    is_changed = rng.random(calls.shape) < 0.2
    calls[is_changed] = rng.integers(-1, 3, int(is_changed.sum()))
    samples = pd.DataFrame({"id": [f"s{seed}_{row}" for row in range(n_samples)]})
    if populations:
        samples["population"] = ["north", "south"] * (n_samples // 2)
    variants = pd.DataFrame(
        {
            "chromosome": ["1"] * (N_VARIANTS // 2) + ["2"] * (N_VARIANTS // 2),
            "position_bp": np.tile(np.arange(N_VARIANTS // 2) * 40_000 + 1, 2) if positions else [pd.NA] * N_VARIANTS,
            "id": [f"v{place}" for place in range(N_VARIANTS)],
            "ref": "A",
            "alt": "G",
        }
    )
    return Genotypes(calls=PackedCalls.from_calls(calls), samples=samples, variants=variants)


def _comparison(**options: bool) -> Comparison:
    return Comparison(
        trait=Trait("fat", "quantitative"),
        train=_genotypes(60, 0, **options),
        holdout=_genotypes(40, 1, **options),
        nonmembers=_genotypes(30, 2, **options),
        synthetic=_genotypes(60, 3, **options),
    )


def _size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_figures__are_all_drawn(tmp_path):
    paths = draw_figures(_comparison(), CURVES, tmp_path / "figures")

    assert [path.name for path in paths] == [
        "allele_frequencies.png",
        "ld_decay.png",
        "principal_components.png",
        "privacy.png",
        "training.png",
    ]
    assert all(min(_size(path)) > 300 for path in paths)


def test_figures__with_nothing_to_show_are_left_out(tmp_path):
    comparison = _comparison(positions=False)
    nobody = comparison.nonmembers.take_samples(np.zeros(0, dtype=np.intp))

    paths = draw_figures(replace(comparison, nonmembers=nobody), [], tmp_path)

    assert [path.name for path in paths] == ["allele_frequencies.png", "principal_components.png"]


def test_figures__draw_ld_within_populations(tmp_path):
    drawn = figures._draw_ld_decay(_parts(_comparison(populations=True)))

    assert drawn is not None
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["north", "south"]


def test_figures__use_the_distances_that_are_there():
    comparison = _comparison()
    far = np.full((60, 60), 7 * N_VARIANTS, dtype=np.int32)
    parts = _parts(replace(comparison, results={Pairwise("train", "synthetic"): far}))

    assert set(figures._nearest(parts, "train")) == {7 * N_VARIANTS}


def _parts(comparison: Comparison) -> figures._Parts:
    arrays = {name: np.maximum(getattr(comparison, name).to_array(), 0) for name in ("train", "holdout", "nonmembers", "synthetic")}
    return figures._Parts(comparison=comparison, **arrays)


def test_components__are_those_of_scikit_learn():
    parts = _parts(_comparison())
    frequency = parts.train.mean(axis=0) / 2
    scale = np.sqrt(frequency * (1 - frequency))
    oracle = PCA(n_components=4, svd_solver="full").fit(parts.train / scale)

    scores, shares = figures._principal_components(parts)

    assert shares == pytest.approx(oracle.explained_variance_ratio_, rel=1e-4)
    expected = oracle.transform(parts.holdout / scale)
    assert np.abs(scores["holdout"]) == pytest.approx(np.abs(expected), abs=2e-3)


def test_roc__is_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    members, others = rng.integers(0, 30, 50).astype(float), rng.integers(5, 35, 40).astype(float)

    false_rates, true_rates = figures._roc(-members, -others)

    expected = roc_curve([1] * 50 + [0] * 40, -np.concatenate([members, others]), drop_intermediate=False)
    assert false_rates == pytest.approx(expected[0])
    assert true_rates == pytest.approx(expected[1])


def test_running_mean__of_a_line_is_the_line_away_from_its_ends():
    line = np.arange(200.0)

    assert figures._running_mean(line)[10:-10] == pytest.approx(line[10:-10])
