"""What a board says of places on somebody's machine: nothing but names of files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genobench.leaderboard import publish, read_board, render, standings
from genobench.leaderboard.boards import EVIDENCE
from genobench.leaderboard.places import named_files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/Users/ana/data/synthetic.bed", "synthetic.bed"),
        ("/Users/ana/my data/synthetic.bed", "synthetic.bed"),
        ("~/data/x.vcf.gz", "x.vcf.gz"),
        (
            "/usr/local/bin/Rscript --vanilla /Users/ana/fit.R {train} {model}/weights.rds",
            "Rscript --vanilla fit.R {train} {model}/weights.rds",
        ),
        ("sh '/Users/ana/my models/fit.sh' --out={synthetic} --map=/data/map.txt", "sh 'fit.sh' --out={synthetic} --map=map.txt"),
        (
            "docker run -v /Users/ana:/data -v/srv/maps:/maps ghcr.io/ana/model:2 fit",
            "docker run -v ~:data -vmaps:maps ghcr.io/ana/model:2 fit",
        ),
        ("python scripts/fit.py https://example.org/map.txt {train}", "python scripts/fit.py https://example.org/map.txt {train}"),
        ("the program '/Users/ana/fit' (fit) ended with exit code 3.", "the program 'fit' (fit) ended with exit code 3."),
        ("either 3/4 or w/o them", "either 3/4 or w/o them"),
        ("published", "published"),
    ],
)
def test_named_files__keeps_names_and_drops_folders(text, said):
    assert named_files(text) == said


@pytest.mark.parametrize("folder", ["home", "Users"])
def test_named_files__a_home_folder_is_nameless(folder):
    assert named_files(f"docker run -v /{folder}/ana:/data fit") == "docker run -v ~:data fit"


@pytest.fixture
def outcome(make_outcome, make_score):
    return make_outcome(
        "command",
        scores=(make_score("membership_auc", 0.52, error=0.02),),
        settings={"program": "python /Users/ana/secret/gen.py {synthetic}", "files_sha256": "0123456789ab", "more": ["/Users/ana/x.txt"]},
        cell_id="c" * 16,
        message="/Users/ana/secret/x is full",
    )


def test_publish__names_no_local_folder_in_evidence_or_pages(tmp_path, outcome, make_outcome):
    failed = make_outcome("file", 1, settings={"path": "/Users/ana/secret/x.bed"}, status="failed", message="no /Users/ana/secret/y.bed")
    publish([outcome, failed], tmp_path)

    (held,) = (known for known in read_board(tmp_path) if known.generator == "command")
    assert held.settings == {"program": "python gen.py {synthetic}", "files_sha256": "0123456789ab", "more": ["x.txt"]}
    assert held.cell_id == outcome.cell_id
    assert all("ana" not in path.read_text() for path in tmp_path.iterdir() if path.suffix in {".md", ".html"})
    assert publish([outcome, failed], tmp_path) == 0, "the same evidence again is no conflict"


def test_publish__mends_a_board_that_holds_local_paths(tmp_path, outcome, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("genobench.leaderboard.boards.without_places", lambda whole: whole)
        publish([outcome], tmp_path)
    assert "secret" in read_board(tmp_path)[0].settings["program"]
    render(tmp_path)
    assert "secret" not in (tmp_path / "index.html").read_text()

    assert publish([outcome], tmp_path) == 1
    assert "secret" not in str(read_board(tmp_path))
    assert (tmp_path / EVIDENCE).exists()


def test_labels__say_the_file_and_not_its_folder(outcome):
    other = replace(outcome, cell_id="1" * 16, settings={**outcome.settings, "program": "python /Users/bea/gen2.py {synthetic}"})

    labels = {row.label for row in standings([outcome, other]).rows}

    assert labels == {"command (program=python gen.py {synthetic})", "command (program=python gen2.py {synthetic})"}
