"""Scores on the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genobench.cli.tables import print_scores
from genobench.outcomes import ScoreRecord

TSTR = ScoreRecord(
    metric="tstr_pearson_r", family="utility", value=0.24, unit="correlation", direction="higher", version=2, plugin="a/b", ceiling=0.4585
)


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (
            {"train": 1073, "holdout": 390, "synthetic": 390},
            "all 1,073 real training samples give tstr_pearson_r 0.4585; value and real samples are of 390",
        ),
        ({"train": 200, "holdout": 300, "synthetic": 300}, "all real training samples give tstr_pearson_r 0.4585"),
        ({}, "all real training samples give tstr_pearson_r 0.4585"),
    ],
)
def test_what_all_real_samples_give__says_how_many_fewer_the_value_is_of(samples, told, capsys):
    print_scores([replace(TSTR, samples=samples)])
    assert told in [line.strip() for line in capsys.readouterr().out.splitlines()]
