"""Which metrics are computed with which settings, and what is kept of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genobench.errors import UnknownNameError
from genobench.external.parts import FileRequest
from genobench.external.scoring import FileScores, ScoringRequest, find_metrics, score_files
from genobench.external.stored import store_parts
from genobench.formats import write_genotypes
from genobench.registry import Registered, Registry, load_registry
from genobench.testing.examples import example_genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench.contracts import Part


def test_find_metrics__no_name_takes_all_those_on_request_too():
    registry = load_registry()
    metrics, wanted = find_metrics((), registry)
    assert metrics == registry.offers("metric")
    assert "dgg-precision" in [entry.name for entry in metrics]
    assert not wanted


def test_find_metrics__name_of_a_score_takes_its_metric_and_that_score_alone():
    metrics, wanted = find_metrics(("recall", "allele-frequency"), load_registry())
    assert [entry.name for entry in metrics] == ["allele-frequency", "precision-recall"]
    assert wanted == {"genobench/precision-recall": frozenset({"recall"})}


@pytest.mark.parametrize(
    ("name", "nearest"), [("presicion-recall", "precision-recall"), ("membership_uac", "membership_auc"), ("dgg-precison", "dgg-precision")]
)
def test_find_metrics__typo_gets_the_nearest_name(name, nearest):
    with pytest.raises(UnknownNameError, match=f"There is no metric and no score '{name}'. Did you mean '{nearest}'"):
        find_metrics((name,), load_registry())


@pytest.fixture
def files(tmp_path: Path) -> FileRequest:
    genotypes = example_genotypes(n_samples=72, n_variants=40)
    for name, start in (("train", 0), ("holdout", 24), ("synthetic", 48)):
        write_genotypes(genotypes.take_samples(np.arange(start, start + 24)), tmp_path / f"{name}.npz")
    return FileRequest(train=tmp_path / "train.npz", holdout=tmp_path / "holdout.npz", synthetic=tmp_path / "synthetic.npz")


def test_score_files__settings_are_part_of_the_question_and_the_place_of_files_is_not(files, home, tmp_path):
    """k = 3 after k = 1 is another question; k = 1 again, of files that were moved, is answered without a worker."""
    registry = load_registry()
    events: list[str] = []

    def ask(k: int, asked: FileRequest) -> FileScores:
        events.clear()
        request = ScoringRequest(files=asked, only=("precision-recall",), settings={"k": k}, n_draws=2)
        return score_files(request, registry=registry, home=home, on_event=lambda event: events.append(str(event["event"])))

    of_one, of_three = ask(1, files), ask(3, files)
    assert [score["settings"]["k"] for score in of_one.to_json()["scores"]] == [1] * len(of_one.scores)
    assert of_one.scores[0].value < of_three.scores[0].value, "more neighbours, wider balls"
    there = tmp_path / "elsewhere"
    there.mkdir()
    moved = FileRequest(**{part: path.rename(there / path.name) for part, path in files.paths.items()})
    again = ask(1, moved)
    assert again.scores == of_one.scores
    assert events == [], "nothing was read and nothing computed"
    assert again.to_json()["files"]["train"]["path"] == str(there / "train.npz")


def test_store_parts__other_bytes_under_the_same_name_are_read_anew(files, home):
    def stores() -> Mapping[Part, Path]:
        return store_parts(files, home, lambda _event: None).stores

    first = stores()
    genotypes = example_genotypes(n_samples=24, n_variants=40, seed=9)
    write_genotypes(genotypes.with_samples(pd.DataFrame({"id": [f"new{row}" for row in range(24)]})), files.synthetic)
    second = stores()
    assert second["synthetic"] != first["synthetic"]
    assert second["train"] == first["train"], "its samples are kept once"


def test_score_files__metric_that_cannot_be_loaded_costs_its_own_scores_only(files, home):
    """The other metric is scored without a holdout's samples too, and says why it has no value."""
    broken = Registered(kind="metric", name="broken", distribution="nowhere", version="1", target="no.such:Metric", summary="")
    registry = Registry(entries=(broken, load_registry().find("metric", "allele-frequency")))
    alone = FileRequest(train=files.train, synthetic=files.synthetic)
    said: list[str] = []
    scored = score_files(
        ScoringRequest(files=alone, n_draws=0), registry=registry, home=home, on_event=lambda event: said.append(str(event.get("message")))
    )
    assert any("The metric nowhere/broken gives no scores: " in message for message in said)
    reasons = {score.metric: score.reason for score in scored.scores}
    assert "there are no holdout samples" in str(reasons["allele_frequency_error"])
    assert scored.parts.comparison().holdout.n_samples == 0
