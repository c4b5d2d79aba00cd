"""Populations and the clusters that they lean to."""

from __future__ import annotations

import pandas as pd
import torch

from genobench import ConditionEncoder, Trait
from genobench_neural.lineages.populations import population_columns, population_leanings


def test_population_leanings__follow_bayes() -> None:
    """Cluster 0 has the gametes of breed A alone, cluster 1 both alike; herd says nothing beyond breed."""
    samples = pd.DataFrame({"weight": 0.0, "breed": ["A", "B"] * 60, "herd": ["1", "2"] * 60})
    samples.loc[0, "weight"] = 1.0
    trait = Trait(column="weight", kind="quantitative", covariates=("breed", "herd"))
    encoder = ConditionEncoder.of_samples(samples, trait)
    condition = torch.from_numpy(encoder.encode(samples))
    columns = population_columns(condition, encoder, torch.tensor([False] + [True] * 4))
    assert columns == [slice(1, 3)]
    tokens = torch.tensor([0, 1] * 20 + [1] * 80)[None]
    leanings = population_leanings(tokens, condition, encoder, columns, n_clusters=2)
    asked = torch.from_numpy(encoder.encode(pd.DataFrame({"weight": 0.0, "breed": ["A", "B"], "herd": ["1", "2"]})))
    ratio = (torch.cat([asked, torch.ones(2, 1)], dim=1) @ leanings[0]).exp()
    # 20 gametes of A in cluster 0 and 40 of A, 60 of B in cluster 1, with half a gamete of each breed more.
    expected = torch.tensor([[20.5 / 21, 40.5 / 101], [0.5 / 21, 60.5 / 101]]) / 0.5
    assert torch.allclose(ratio, expected, rtol=1e-4)
