"""The page: self-contained, whole, and honest about what is missing."""

from __future__ import annotations

import base64
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from genobench.outcomes import Band, Outcome, ScoreRecord
from genobench.report.page import outcome_facts, write_report

SCORES = (
    ScoreRecord(
        metric="ld_decay_error", family="fidelity", value=0.1, unit="r2", direction="lower", version=1, plugin="a/b", standard_error=0.01,
        band=Band(mean=0.01, standard_deviation=0.001, low=0.008, high=0.012, n_draws=100),
        anchor=0.11, is_primary=True, summary="mean <error>",
    ),
    ScoreRecord(
        metric="haplotype_r2", family="fidelity", value=math.nan, unit="r2", direction="higher", version=1, plugin="a/b",
        reason="The calls are not phased.",
    ),
)  # fmt: skip


class _Sources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "srcset", "href") and value]
        if tag not in ("meta", "img", "source", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, shown, SCORES, title="Scores of <synthetic>.bed", facts={"train": "64 samples"}, seed=1, has_families=False)
    return path.read_text()


def test_report__needs_no_other_file_and_closes_its_tags(page):
    parser = _Sources()
    parser.feed(page)
    assert parser.open == []
    assert parser.links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in parser.links)
    assert "url(" not in page
    assert "<script" not in page


def test_report__figures_are_whole_drawings(page):
    for data in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page):
        assert ET.fromstring(base64.b64decode(data)).tag.endswith("svg")  # noqa: S314 - written a moment ago


def test_report__says_score_noise_band_scale_and_why_one_is_missing(page):
    text = re.sub(r"\s+", " ", page)
    assert "Scores of &lt;synthetic&gt;.bed" in text
    assert "mean &lt;error&gt; (r2)" in text
    for shown in ("0.1000", "0.0804 to 0.1196", "0.0080 to 0.0120", "above real", "0.10"):
        assert shown in text
    assert "The calls are not phased." in text


def test_report__of_the_same_samples_is_the_same_page(page, shown, tmp_path):
    path = write_report(
        tmp_path / "again.html", shown, SCORES, title="Scores of <synthetic>.bed", facts={"train": "64 samples"}, seed=1, has_families=False
    )
    assert path.read_text() == page


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "none"),
        ({"n_steps": 100, "rate": 0.5}, "n_steps 100, rate 0.5"),
        ({"preset": "a", "rate": None, "width": None}, "preset a; not set, so as `genobench plugins info wgan` says: rate, width"),
        ({"rate": None}, "not set, so as `genobench plugins info wgan` says: rate"),
    ],
)
def test_facts_of_a_cell__tell_settings_that_have_a_value_from_those_left_open(settings, told):
    assert outcome_facts(_outcome(settings=settings), n_variants=10)["settings"] == told


def test_facts_of_a_cell__name_trait_and_kinship():
    facts = outcome_facts(_outcome(settings={}), n_variants=4011)
    assert facts["trait"] == "fat"
    assert facts["split"] == "family, seed 0: 1,072 train, 390 holdout; largest kinship across the edge of the holdout 0.270"


def _outcome(*, settings) -> Outcome:
    return Outcome(
        cell_id="c1", status="ok", phase="done", dataset="cattle-demo", dataset_sha256="d" * 64,
        split={"scheme": "family", "seed": 0, "sha256": "e" * 64, "n": {"train": 1072, "holdout": 390}, "largest_kinship": 0.2695},
        trait="fat", generator="wgan", distribution="genobench-neural", plugin_version="0.1.0", code_sha256="f" * 64, settings=settings,
        seed=3, n_generated=390, scores=(), timings={"fit": 1.5}, peak_memory_bytes={"host": 10, "gpu": None},
        created_at="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
