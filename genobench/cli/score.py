"""`genobench score`: score any synthetic file against files of real samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.external.scoring import FileScores

_MEASURES: Final = {"manhattan": "manhattan", "euclidean": "squared-euclidean"}
"""Squared Euclidean distance ranks as Euclidean distance does, and is exact."""

_FEWEST_DRAWS: Final = 40

_LEFT_OUT: Final = {
    "palindromic_dropped": "A/T or C/G with REF and ALT exchanged",
    "other_alleles": "with other alleles",
    "same_place": "without alleles at a place of several",
    "absent": "absent from the training file",
}


def score(
    *,
    train: Annotated[Path, typer.Option(help="Real samples that the generator learned from: .bed, .vcf(.gz), .npz, .csv, a folder, ...")],
    synthetic: Annotated[Path, typer.Option(help="What it generated; any format, and variants in any order.")],
    holdout: Annotated[Path | None, typer.Option(help="Real samples unrelated to those: what fidelity is measured against.")] = None,
    nonmembers: Annotated[
        Path | None, typer.Option(help="Real samples from the same families that it did not learn from: what privacy needs.")
    ] = None,
    phenotype: Annotated[list[Path] | None, typer.Option(help="A table with a header, joined by sample id; may be repeated.")] = None,
    trait: Annotated[str | None, typer.Option(help="The column to predict; the only one of --phenotype by default.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this metric or score; may be repeated.")] = None,
    k: Annotated[int | None, typer.Option(min=1, help="Neighbours, for metrics that have such a setting (default: their own).")] = None,
    distance: Annotated[
        Literal["manhattan", "euclidean"] | None, typer.Option(help="For metrics that have such a setting (default: their own).")
    ] = None,
    family: Annotated[str | None, typer.Option(help="The column that groups relatives; by default found, or by kinship.")] = None,
    autosomes: Annotated[int | None, typer.Option(min=1, help="Number of autosomes: the numbers after it are X, Y, XY and MT.")] = None,
    draws: Annotated[int, typer.Option(min=0, help="Draws of real samples behind each band.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of subsampling, draws and metrics.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write a page with figures here: one .html that needs no other file.")] = None,
) -> None:
    """Score a synthetic file from anywhere against real samples.

    Variants are matched by chromosome, position and alleles; what was flipped or dropped is reported. What an absent file makes impossible
    has no value, and says why. The same question is answered from what is kept.
    """
    from genobench.cli.console import print_json, warn
    from genobench.cli.progress import RunProgress
    from genobench.cli.tables import print_scores
    from genobench.external.parts import FileRequest
    from genobench.external.scoring import ScoringRequest, score_files, write_file_report
    from genobench.home import genobench_home
    from genobench.registry import load_registry

    if report is not None:
        _check_place(report)
    settings: dict[str, Any] = {}
    if k is not None:
        settings["k"] = k
    if distance is not None:
        settings["distance"] = _MEASURES[distance]
    request = ScoringRequest(
        files=FileRequest(
            train=train,
            synthetic=synthetic,
            holdout=holdout,
            nonmembers=nonmembers,
            phenotypes=tuple(phenotype or ()),
            trait=trait,
            family=family,
            n_autosomes=autosomes,
        ),
        only=tuple(only or ()),
        settings=settings,
        n_draws=draws,
        seed=seed,
    )
    with RunProgress() as progress:
        scored = score_files(request, registry=load_registry(), home=genobench_home(), on_event=progress)
    for line in _said(scored):
        typer.echo(line, err=True)
    if 0 < draws < _FEWEST_DRAWS:
        typer.echo(f"  Bands of {draws} draws are rough and too narrow; {_FEWEST_DRAWS} or more say what real samples score.", err=True)
    for warning in scored.parts.warnings:
        warn(warning)
    if as_json:
        print_json(scored.to_json())
    else:
        files = scored.parts.files
        typer.echo(f"{files['synthetic']['path']}, {files['synthetic']['samples']:,} synthetic samples, against {_against(scored)}")
        print_scores(scored.scores)
    if report is not None:  # After the scores, which no figure may cost.
        with RunProgress() as progress:
            progress({"event": "stage", "stage": f"draw {report}"})
            write_file_report(scored, report)


def _check_place(report: Path) -> None:
    """Raise before anything is computed if the page cannot be written."""
    if report.is_dir() or not report.absolute().parent.is_dir():
        what = "is a folder" if report.is_dir() else "lies in a folder that does not exist"
        raise GenobenchError(f"The report {report} {what}; name a file such as report.html.")


def _against(scored: FileScores) -> str:
    real = [f"{values['samples']:,} {part}" for part, values in scored.parts.files.items() if part != "synthetic"]
    return f"{', '.join(real)}; {scored.parts.variants['matched']:,} variants"


def _said(scored: FileScores) -> list[str]:
    """How the files met, a line each."""
    variants = scored.parts.variants
    lines = [f"{variants['matched']:,} variants are in all files; {variants['dropped']:,} of the training file are not, and were dropped"]
    for part, counts in variants["files"].items():
        changed = [
            f"{counts[name]:,} {text}"
            for name, text in (("flipped", "flipped"), ("other_strand", "read on the other strand"), ("by_id", "matched by id"))
            if counts[name]
        ]
        if counts["without_alleles"]:
            changed.append(f"{counts['without_alleles']:,} lack an allele and were taken to count the same one")
        if counts["palindromic"]:
            changed.append(f"{counts['palindromic']:,} A/T or C/G sites taken as they stand")
        left = [f"{counts[name]:,} {text}" for name, text in _LEFT_OUT.items() if counts[name]]
        tail = f"; left out: {', '.join(left)}" if left else ""
        lines.append(
            f"  {part}: {counts['matched']:,} of {counts['variants']:,} variants matched{''.join(f', {one}' for one in changed)}{tail}"
        )
    return [*lines, *(f"  {note}" for note in scored.parts.notes)]
