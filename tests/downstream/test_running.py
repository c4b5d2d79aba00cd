"""Classifiers that raise, crash, hang, or break their contract cost themselves alone, and say so."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench.containment import Ending, run_worker
from genobench.contracts import Predictor
from genobench.downstream.predicting import PredictingTask, Source, _checked
from genobench.downstream.records import PredictionRecord, read_record
from genobench.downstream.running import Predicting, Wanted, _failed
from genobench.downstream.shared import SharedStores
from genobench.errors import CellError, ContractError
from genobench.splitting import StoredParts
from genobench.splitting.split import Shares, Split
from genobench.storage import content_sha256, read_store, write_store
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAIT = EXAMPLE_TRAITS["quantitative"]
HEAD = PredictionRecord(
    dataset="example",
    dataset_sha256="",
    split={"scheme": "family", "seed": 0, "sha256": "", "n": {}},
    trait="weight",
    kind="quantitative",
    generator="",
    generator_settings={},
    seed=0,
    classifier="calm",
    classifier_settings={},
    code_sha256="",
    arm="real",
    n_real=18,
    n_synthetic=0,
    n_components=0,
    truth=(1.0,) * 6,
    predicted=(),
    classes=(),
    groups=(0,) * 6,
    seconds=0.0,
    reason="It was not made.",
)


class Bench:
    """A split of 36 samples, and what is heard of it."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.heard: list[Mapping[str, Any]] = []
        self.synthetic: tuple[Source, ...] = ()
        split = Split(
            scheme="random",
            column=None,
            trait="weight",
            seed=0,
            shares=Shares(),
            train=np.arange(18),
            validation=np.arange(18, 24),
            holdout=np.arange(24, 30),
            nonmembers=np.arange(30, 36),
            left_out=np.arange(0),
            groups=np.arange(36),
        )
        self.parts = StoredParts(example_genotypes(n_samples=36, n_variants=8), split, folder / "parts")

    def predicting(self, **changes):
        stores = SharedStores(self.parts, TRAIT, self.folder / "shown", tuple(Path(source.store) for source in self.synthetic))
        made = Predicting(
            trait=TRAIT,
            train=self.parts.folder / "train",
            validation=self.parts.folder / "validation",
            holdout=stores.shown,
            stores=stores,
            device="cpu",
            time_limit_seconds=None,
            retry=False,
            on_event=self.heard.append,
        )
        return replace(made, **changes)

    def wanted(self, name, **settings):
        target = f"witness_plugin:{name.title()}"
        called = "-".join([name, *settings.values()])
        file = self.folder / "records" / f"{called}.json"
        task = PredictingTask(
            phase=called,
            target=target,
            settings=settings,
            arm="real",
            has_real=True,
            synthetic=self.synthetic,
            n_components=0,
            seed=0,
            answer=str(file.with_suffix(".answer")),
        )
        return Wanted(head=replace(HEAD, classifier=called), task=task, file=file)


@pytest.fixture
def bench(tmp_path, witnesses):
    return Bench(tmp_path)


def test_records__misbehaving_classifiers_have_a_reason_and_the_others_run(bench):
    hows = ("raise", "nan", "complex", "text", "huge", "classes", "exit")
    wanted = [*(bench.wanted("broken", how=how) for how in hows), bench.wanted("calm")]
    *failed, calm = bench.predicting().records(wanted, bench.folder)
    assert calm.reason is None
    assert calm.predicted == (0.0,) * 6
    raised, not_finite, no_real_number, no_number, too_great, has_classes, crashed = (record.reason for record in failed)
    assert "gave predictions of type complex128; numbers were asked for" in no_real_number
    assert "gave predictions of type <U1; numbers were asked for" in no_number
    assert "gave predictions up to 1e+200; they must lie within ±1e+150" in too_great
    assert "predicts the classes ('low', 'high') of 'weight', which has values" in has_classes
    assert raised == "RuntimeError: it never worked"
    assert "gave predictions of shape (6,), 6 of them not finite; (6,) were asked for" in not_finite
    assert crashed == "failed: the worker ended with exit code 9; the last line of its log: broken-exit:", "no other's last words"
    assert all(record.predicted == () for record in failed)
    told = [event for event in bench.heard if event["event"] == "prediction"]
    assert [event["classifier"] for event in told] == [item.head.classifier for item in wanted]
    assert [read_record(item.file) for item in wanted] == [*failed, calm], "all of them are kept"


def test_records__one_that_changes_stored_samples_is_found_out_before_others_read_them(bench):
    """One that only reads what it should not is told of where it shows."""
    meddlers = [bench.wanted("meddler", what=what) for what in ("train", "holdout")]
    wanted = [bench.wanted("cheat"), *meddlers, bench.wanted("witness")]
    predicting = bench.predicting()
    before = {store: content_sha256(read_store(store)) for store in (predicting.train, predicting.holdout)}
    cheat, *blamed, witness = predicting.records(wanted, bench.folder)
    for record, name in zip(blamed, ("train", "the holdout as it is shown"), strict=True):
        assert record.reason.startswith(f"ContractError: while it ran, the stored samples of {name} were changed, which all")
    assert witness.reason is None
    assert {store: content_sha256(read_store(store)) for store in before} == before
    train, *_, holdout, _ = np.split(example_genotypes(n_samples=36, n_variants=8).samples["weight"], (18, 24, 30))
    assert cheat.predicted == pytest.approx(holdout, rel=1e-6)
    assert witness.predicted[0] == len(train)


def test_records__changed_synthetic_samples_serve_nobody(bench):
    """They are removed, so that the next run generates them, and nobody's failure is kept."""
    write_store(read_store(bench.parts.folder / "train"), bench.folder / "3x")
    bench.synthetic = (Source(str(bench.folder / "3x"), 18),)
    wanted = [bench.wanted("meddler", what="synthetic"), bench.wanted("calm")]
    for record in bench.predicting().records(wanted, bench.folder):
        assert record.reason.startswith("The stored synthetic samples were changed while meddler-synthetic, calm ran; the same command")
    assert not (bench.folder / "3x").exists()
    assert not any(item.file.exists() for item in wanted)


def test_failed__one_that_took_too_long_is_the_one_to_blame(bench):
    """A worker that ended before it began with any is nobody's fault but the machine's."""
    missing = [bench.wanted("calm"), bench.wanted("broken", how="hang")]
    blamed = _failed(Ending("timeout", "broken-hang", "it took longer than the limit of 6 s", {}, 6.0), missing, bench.folder)
    assert blamed is not None
    assert (blamed.file, blamed.head.reason) == (missing[1].file, "timeout: it took longer than the limit of 6 s")
    with pytest.raises(CellError, match=r"The predicting worker did not begin \(preempted\): no memory"):
        _failed(Ending("preempted", "start", "no memory", {}, 0.1), missing, bench.folder)


@pytest.mark.parametrize(
    ("classes", "row", "message"),
    [
        (("low", "high"), (-0.5, 1.5), "gave probabilities from -0.5"),
        (("low", "high"), (0.5, 0.4), "whose rows sum to 0.9 to 0.9"),
        (("low", "tiny"), (0.5, 0.5), r"predicts the classes \('low', 'tiny'\); those of 'grade' are \('low', 'medium', 'high'\)"),
        (("low", "low"), (0.5, 0.5), r"predicts the classes \('low', 'low'\)"),
        (("low", "medium", "high"), (0.5, 0.5), r"gave predictions of shape \(4, 2\), 0 of them not finite; \(4, 3\) were asked for"),
    ],
    ids=["negative", "sum", "unknown class", "class twice", "shape"],
)
def test_checked__what_is_no_probability_of_the_classes_is_refused(classes, row, message):
    holdout = example_genotypes(n_samples=4, n_variants=4)
    with pytest.raises(ContractError, match=message):
        _checked(np.tile(row, (4, 1)), _Classes(classes), EXAMPLE_TRAITS["ordinal"], holdout, target="x:Y")


class _Classes(Predictor):
    def __init__(self, classes) -> None:
        self._classes = classes

    @property
    def classes(self):
        return self._classes

    def predict(self, genotypes):
        raise NotImplementedError


def test_records__kept_ones_are_not_made_again_and_retry_makes_those_that_failed(bench):
    wanted = [bench.wanted("broken", how="raise"), bench.wanted("calm")]
    first = bench.predicting().records(wanted, bench.folder)
    bench.heard.clear()
    assert bench.predicting().records(wanted, bench.folder) == first
    assert bench.heard == []
    bench.predicting(retry=True).records(wanted, bench.folder)
    assert [event["classifier"] for event in bench.heard if event["event"] == "prediction"] == ["broken-raise"]


def test_records__what_a_worker_changes_before_it_is_killed_is_not_blamed_on_the_next(bench, monkeypatch):
    """It writes on between the discovery and its end; the next worker, with a single classifier, was found with changed samples."""
    predicting = bench.predicting()
    starts = []

    def turn(store):
        known = read_store(store)
        write_store(known.take_samples(np.arange(known.n_samples)[::-1]), store)

    def meddled(module, job, *, on_event, **changes):
        starts.append(job)
        if len(starts) > 1:
            return run_worker(module, job, on_event=on_event, **changes)

        def hear(event):
            if event.get("phase") == "witness":
                turn(predicting.train)
            on_event(event)

        try:
            return run_worker(module, job, on_event=hear, **changes)
        finally:
            turn(predicting.holdout)

    monkeypatch.setattr("genobench.downstream.running.run_worker", meddled)
    found = predicting.records([bench.wanted("calm"), bench.wanted("witness")], bench.folder)
    assert [record.reason for record in found] == [None, None]
    assert len(starts) == 3, "both, then each alone"


class StoppedError(Exception):
    """The run is stopped from outside."""


def test_records__a_stopped_run_goes_on_where_it_was(bench):
    """Answers that nobody had read yet are taken, damaged records are made again."""

    def stop_when_told(event):
        bench.heard.append(event)
        if event["event"] == "prediction":
            raise StoppedError

    wanted = [bench.wanted("calm"), bench.wanted("witness"), bench.wanted("broken", how="raise")]
    with pytest.raises(StoppedError):
        bench.predicting(on_event=stop_when_told).records(wanted, bench.folder)
    assert [item.file.is_file() for item in wanted] == [True, False, False]
    written = wanted[0].file.stat().st_mtime_ns
    bench.heard.clear()
    calm, witness, _ = bench.predicting().records(wanted, bench.folder)
    assert [event["classifier"] for event in bench.heard if event["event"] == "prediction"] == ["witness", "broken-raise"]
    assert (calm.reason, wanted[0].file.stat().st_mtime_ns) == (None, written)
    wanted[1].file.write_bytes(wanted[1].file.read_bytes()[:99])
    again = bench.predicting().records(wanted, bench.folder)[1]
    assert dataclasses.replace(again, seconds=0.0) == dataclasses.replace(witness, seconds=0.0)


def test_records__of_something_else_are_made_again(bench):
    """A file was copied over another; the same data that were imported under another name are the same."""
    wanted = [bench.wanted("calm"), bench.wanted("witness")]
    calm, witness = bench.predicting().records(wanted, bench.folder)
    renamed = replace(wanted[1], head=replace(wanted[1].head, dataset="renamed"))
    bench.heard.clear()
    assert bench.predicting().records([renamed], bench.folder) == [replace(witness, dataset="renamed")]
    assert bench.heard == []
    shutil.copy(wanted[0].file, wanted[1].file)
    again = bench.predicting().records(wanted, bench.folder)
    assert [replace(record, seconds=0.0) for record in again] == [replace(record, seconds=0.0) for record in (calm, witness)]


def test_records__the_log_of_many_runs_keeps_its_end(bench):
    log = bench.folder / "log.txt"
    log.write_text("".join(f"an old line, {number}\n" for number in range(100_000)))
    bench.predicting().records([bench.wanted("calm")], bench.folder)
    lines = log.read_text().splitlines()
    first, *kept = [line for line in lines if line.startswith("an old line, ")]
    assert 500_000 < log.stat().st_size < 600_000
    assert lines[0] == first, "no line is cut"
    assert kept[-1] == "an old line, 99999"
    assert lines[-1] == "calm:"
    log.write_bytes(b"." * 3_000_000)
    bench.predicting().records([bench.wanted("witness")], bench.folder)
    assert log.stat().st_size < 600_000, "also where there is no line"


def test_records__a_full_disk_ends_the_run_and_is_nobodys_failure(bench):
    wanted = [bench.wanted("calm"), bench.wanted("broken", how="full"), bench.wanted("witness")]
    with pytest.raises(OSError, match="No space left on device"):
        bench.predicting().records(wanted, bench.folder)
    assert [item.file.exists() for item in wanted] == [True, False, False]
