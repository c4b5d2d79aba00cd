"""Offspring of inferred parents: the rules of generators, few variants, and families given back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import FitContext, Genotypes, PackedCalls, SettingsError, Trait
from genobench.statgen import BlockLayout, HaplotypeClusters
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_neural import virtual_progeny
from genobench_neural.virtual_progeny import VirtualProgeny, with_counted_moves

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK: dict[str, Any] = {"min_offspring": 4, "n_clusters": 4, "n_matings": 2, "n_meioses": 2}


class TestVirtualProgeny(GeneratorSuite):
    plugin = VirtualProgeny
    settings = QUICK


def test_with_counted_moves__counts_moves() -> None:
    """Of 6 gametes, 3 go from cluster 0 to 1, 1 stays in 0; a tenth of a gamete goes as before; a chromosome begins as before."""
    variants = pd.DataFrame({"chromosome": ["1"] * 8 + ["2"] * 4, "position_bp": range(1, 13)})
    layout = BlockLayout.of_variants(variants, block_size=4)
    clusters = HaplotypeClusters(alleles=torch.zeros(3, 2, 4), transitions=torch.full((3, 2, 2), 0.5))
    tokens = torch.tensor([[0, 0, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]])
    moves = with_counted_moves(clusters, tokens, layout).transitions
    assert torch.allclose(moves[1], torch.tensor([[1.05 / 4.1, 3.05 / 4.1], [0.05 / 2.1, 2.05 / 2.1]]))
    assert torch.equal(moves[[0, 2]], clusters.transitions[[0, 2]])


@pytest.mark.parametrize("n_variants", [1, 6])
def test_fit__takes_few_and_constant_variants(n_variants: int, tmp_path: Path) -> None:
    train = example_genotypes(n_samples=12).take_variants(np.arange(n_variants))
    calls = train.to_array().copy()
    calls[:, -1] = 0
    train = Genotypes(PackedCalls.from_calls(calls), train.samples, train.variants)
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)
    synthetic = VirtualProgeny(**QUICK).fit(train, context).generate(9, seed=2)
    assert synthetic.calls.shape == (9, n_variants)
    assert (synthetic.to_array()[:, -1] == 0).all()


@pytest.mark.parametrize("fewest_gametes", [1, 384])
def test_generate__gives_families_back(
    families: Callable[..., tuple[Genotypes, np.ndarray]], fewest_gametes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With clusters of what sires' offspring got from dams, and of statistical phasing.

    Offspring of inferred sires are related to one another as half sibs are; samples of the population alone would not be.
    """
    monkeypatch.setattr(virtual_progeny, "_FEWEST_GAMETES", fewest_gametes)
    train, _ = families(n_families=3, n_offspring=12, has_one_dam=False, seed=6)
    settings = VirtualProgeny(**QUICK, grandparents=0.0)
    context = FitContext(trait=Trait(column="weight", kind="quantitative"), seed=1, device="cpu", folder=tmp_path)
    synthetic = settings.fit(train, context).generate(60, seed=3)
    x = synthetic.to_array() - 1.0
    relationship = x @ x.T / (x**2).sum(axis=1).mean()
    pairs = relationship[np.triu_indices(60, k=1)]
    # A third of the pairs have one sire and a relationship of about a quarter; without families, all spread by 1 / sqrt(variants) about 0.
    assert np.quantile(pairs, 0.9) > 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_offspring": 1}, "min_offspring is 1; it must be at least 2"),
        ({"n_meioses": 0}, "n_meioses is 0; it must be at least 1"),
        ({"grandparents": 1.5}, "grandparents is 1.5; it must lie in"),
    ],
)
def test_settings__out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dataclasses.replace(VirtualProgeny(), **settings)
