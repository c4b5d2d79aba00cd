"""How relatives of several files are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genobench.relatives import group_relatives
from genobench.testing.examples import example_genotypes


def test_group_relatives__families_recorded_of_one_part_alone_give_way_to_kinship() -> None:
    """Else every nonmember would be a stranger to the training samples it is a sib of."""
    train = example_genotypes(n_samples=60, n_variants=40)
    train = replace(train, samples=train.samples.assign(family=[f"f{row // 6}" for row in range(60)]))
    nonmembers = train.take_samples(np.arange(0, 60, 6))
    bare = replace(nonmembers, samples=nonmembers.samples.drop(columns="family"))
    recorded, _how, column = group_relatives({"train": train, "nonmembers": nonmembers}, None)
    assert column == "family"
    assert set(recorded["nonmembers"]) == set(recorded["train"])
    _groups, how, column = group_relatives({"train": train, "nonmembers": bare}, None)
    assert column is None
    assert "by kinship" in how
