"""Which metrics are computed with which settings, and what is kept of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genobench.errors import UnknownNameError
from genobench.file_parts import FileRequest
from genobench.file_scoring import ScoringRequest, find_metrics, score_files
from genobench.formats import write_genotypes
from genobench.registry import Registered, Registry, load_registry
from genobench.testing.examples import example_genotypes

if TYPE_CHECKING:
    from pathlib import Path


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


def test_score_files__settings_reach_the_metrics_that_have_them_and_are_part_of_what_is_kept(files, home):
    """k = 1 after k = 3 is another question; asked again, either is answered without a worker."""
    registry = load_registry()
    events: list[str] = []

    def ask(k: int) -> dict[str, object]:
        events.clear()
        request = ScoringRequest(files=files, only=("precision-recall", "allele_frequency_error"), settings={"k": k}, n_draws=2)
        scored = score_files(request, registry=registry, home=home, on_event=lambda event: events.append(str(event["event"])))
        return scored.to_json()

    of_one, of_three = ask(1), ask(3)
    settings = {score["metric"]: score["settings"] for score in of_one["scores"]}  # type: ignore[attr-defined]
    assert settings["precision"]["k"] == 1
    assert "k" not in settings["allele_frequency_error"]
    values = [{score["metric"]: score["value"] for score in scored["scores"]} for scored in (of_one, of_three)]  # type: ignore[attr-defined]
    assert values[0]["precision"] < values[1]["precision"]
    assert values[0]["allele_frequency_error"] == values[1]["allele_frequency_error"]
    assert ask(1) == of_one
    assert events == [], "nothing was read and nothing computed"


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


def test_score_files__same_bytes_elsewhere_are_known_and_other_bytes_are_not(files, home, tmp_path):
    request = ScoringRequest(files=files, only=("allele_frequency_error",), n_draws=0)
    first = score_files(request, registry=load_registry(), home=home)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in files.paths.values():
        path.rename(moved / path.name)
    there = FileRequest(**{part: moved / path.name for part, path in files.paths.items()})
    stages: list[str] = []
    again = ScoringRequest(files=there, only=request.only, n_draws=0)
    second = score_files(again, registry=load_registry(), home=home, on_event=lambda event: stages.append(str(event.get("stage"))))
    assert second.scores == first.scores
    assert stages == []
    assert second.to_json()["files"]["train"]["path"] == str(moved / "train.npz")
    synthetic = example_genotypes(n_samples=24, n_variants=40, seed=9)
    write_genotypes(synthetic.with_samples(pd.DataFrame({"id": [f"new{row}" for row in range(24)]})), moved / "synthetic.npz")
    third = score_files(again, registry=load_registry(), home=home)
    assert third.scores[0].value != first.scores[0].value
