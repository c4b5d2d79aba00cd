"""`genobench data`: the datasets there are, what they hold, and how they come in, go out and are split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genobench.cli.console import print_json, print_lines, print_table
from genobench.cli.data_report import print_card, print_description, print_import, print_split, print_traits
from genobench.cli.run import SplitColumnOption, SplitOption, SplitSeedOption

if TYPE_CHECKING:
    from genobench.contracts import TraitKind

app = typer.Typer(help="List, describe, import, export and split datasets.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]
NameArgument = Annotated[str, typer.Argument(help="A dataset's name; see `genobench data list`.")]


@app.command("list")
def list_command(*, as_json: JsonOption = False) -> None:
    """List the datasets that plugins offer and those imported."""
    from dataclasses import asdict

    from genobench.datasets import list_datasets
    from genobench.registry import load_registry

    entries = list_datasets(load_registry())
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    rows = [
        (
            entry.name,
            entry.origin,
            "" if entry.n_samples is None else f"{entry.n_samples:,}",
            "" if entry.n_variants is None else f"{entry.n_variants:,}",
            entry.summary,
        )
        for entry in entries
    ]
    print_table(("name", "origin", "samples", "variants", ""), rows)


@app.command("info")
def info(
    name: Annotated[str, typer.Argument(help="A dataset's name, or a file or folder of genotypes.")],
    *,
    autosomes: Annotated[int | None, typer.Option(help="For a file: as for `import`.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a dataset's card and what its genotypes look like; of a file, what a reader finds and decides."""
    from dataclasses import asdict

    from genobench.datasets import describe, open_dataset
    from genobench.errors import UnknownNameError
    from genobench.registry import load_registry

    try:
        dataset = open_dataset(name, load_registry())
    except UnknownNameError:
        if not any(Path(name + suffix).exists() for suffix in ("", ".bed", ".hap")):
            raise
        _print_file(Path(name), autosomes, as_json=as_json)
        return
    if as_json:
        facts = {"card": asdict(dataset.card), "genotypes": asdict(describe(dataset.genotypes))}
        print_json({"name": name, "sha256": dataset.sha256, **facts})
        return
    print_card(name, dataset.card, dataset.sha256)
    print_description(describe(dataset.genotypes))
    print_traits(dataset.card, dataset.genotypes)


@app.command("import")
def import_command(
    name: Annotated[str, typer.Argument(help="The dataset's name from now on: lower-case letters, digits, - and _.")],
    path: Annotated[Path, typer.Argument(help="A .bed, .vcf(.gz), .bcf, .hap, .npz, .csv, .parquet, a prefix, or a folder.")],
    *,
    phenotypes: Annotated[Path | None, typer.Option(help="A CSV or TSV with a header, joined by sample id.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Its column of sample ids; by default id, IID, sample, ... or the first.")] = None,
    trait: Annotated[list[str] | None, typer.Option(help="A column to predict and condition on; repeat it, the default one first.")] = None,
    kind: Annotated[str | None, typer.Option(help="quantitative, categorical or ordinal; by default inferred.")] = None,
    classes: Annotated[str | None, typer.Option(help="Classes of an ordinal trait in order, separated by commas.")] = None,
    covariate: Annotated[list[str] | None, typer.Option(help="A column known beside the traits; repeat it.")] = None,
    family: Annotated[str | None, typer.Option(help="The column that groups relatives; by default `family` where there is one.")] = None,
    birth: Annotated[str | None, typer.Option(help="A sortable column (year, date) for splits forward in time.")] = None,
    missing: Annotated[list[str] | None, typer.Option(help="A text that means missing there, for example -9; repeat it.")] = None,
    autosomes: Annotated[int | None, typer.Option(help="Number of autosomes: the numbers after it are X, Y, XY and MT.", min=1)] = None,
    title: Annotated[str, typer.Option(help="For the card.")] = "",
    species: Annotated[str, typer.Option(help="For the card.")] = "not stated",
    assembly: Annotated[str, typer.Option(help="For the card.")] = "not stated",
    source: Annotated[str, typer.Option(help="For the card.")] = "",
    licence: Annotated[str, typer.Option(help="For the card.")] = "not stated",
    citation: Annotated[str, typer.Option(help="For the card.")] = "not stated",
    replace: Annotated[bool, typer.Option("--replace", help="Replace an imported dataset of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import genotypes under a name, with phenotypes joined by sample id, and report what matched and what was decided."""
    from dataclasses import asdict

    from genobench.datasets import About, TraitRequest, import_dataset
    from genobench.registry import load_registry

    report = import_dataset(
        name,
        path,
        phenotypes=phenotypes,
        id_column=id_column,
        missing=missing or (),
        traits=TraitRequest(
            columns=tuple(trait or ()),
            kind=_kind(kind),
            classes=tuple(part.strip() for part in classes.split(",")) if classes else (),
            covariates=tuple(covariate or ()),
            family=family,
            birth_column=birth,
        ),
        about=About(title=title, species=species, assembly=assembly, source=source, licence=licence, citation=citation),
        n_autosomes=autosomes,
        registry=load_registry(),
        replace=replace,
    )
    if as_json:
        print_json(asdict(report))
    else:
        print_import(report)


@app.command("export")
def export(
    name: NameArgument,
    out: Annotated[Path, typer.Argument(help="Where: the ending says the format; none makes a folder.")],
    *,
    samples: Annotated[Path | None, typer.Option(help="Write the sample table (traits, families, ...) here too, as CSV.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace files that are there.")] = False,
) -> None:
    """Write a dataset's genotypes to files that other programs read."""
    from genobench.datasets import open_dataset
    from genobench.errors import FormatError
    from genobench.formats import check_writable, write_genotypes
    from genobench.home import write_text_atomically
    from genobench.registry import load_registry

    for path in (out, samples):
        if path is not None and path.exists() and not replace and not (path.is_dir() and not any(path.iterdir())):
            raise FormatError(f"{path} exists already; choose another place, or add --replace.")
    check_writable(out)
    dataset = open_dataset(name, load_registry())
    genotypes = dataset.genotypes
    written = list(write_genotypes(genotypes, out))
    if samples is not None:
        write_text_atomically(samples, genotypes.samples.to_csv(index=False))
        written.append(samples)
    typer.echo(f"{genotypes.n_samples:,} samples x {genotypes.n_variants:,} variants written to {', '.join(map(str, written))}")
    if samples is None and dataset.card.traits:
        typer.echo("Traits and covariates may have no place in this format: --samples FILE writes them.", err=True)


@app.command("split")
def split_command(
    name: NameArgument,
    *,
    trait: Annotated[str | None, typer.Option(help="Samples without it are left out; by default the dataset's first trait.")] = None,
    split: SplitOption = "auto",
    split_column: SplitColumnOption = None,
    split_seed: SplitSeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Write a table of sample ids and their parts here, as CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Split a dataset into train, validation, holdout and nonmembers, as `genobench run` would; the same question, the same split."""
    from genobench.datasets import open_dataset
    from genobench.home import genobench_home, write_text_atomically
    from genobench.registry import load_registry
    from genobench.splitting import PARTS, load_or_make_split

    dataset = open_dataset(name, load_registry())
    made = load_or_make_split(
        dataset.genotypes,
        dataset_sha256=dataset.sha256,
        folder=genobench_home() / "splits",
        trait=dataset.card.trait(trait),
        birth_column=dataset.card.birth_column,
        scheme=split,
        column=split_column,
        seed=split_seed,
    )
    if out is not None:
        part_of = dict.fromkeys(range(dataset.genotypes.n_samples), "left out") | {
            int(place): part for part in PARTS for place in made.part(part)
        }
        table = dataset.genotypes.samples[["id"]].assign(part=[part_of[place] for place in range(len(part_of))], group=made.groups)
        write_text_atomically(out, table.to_csv(index=False))
    if as_json:
        print_json(made.to_json())
    else:
        print_split(name, made)


def _kind(kind: str | None) -> TraitKind | None:
    from typing import get_args

    from genobench.contracts import TraitKind
    from genobench.errors import DatasetError

    kinds: dict[str, TraitKind] = {known: known for known in get_args(TraitKind)}
    if kind is not None and kind not in kinds:
        raise DatasetError(f"'{kind}' is no kind of trait; choose one of {', '.join(kinds)}.")
    return None if kind is None else kinds[kind]


def _print_file(path: Path, n_autosomes: int | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from genobench.datasets import describe
    from genobench.formats import read_with_report

    genotypes, report = read_with_report(path, n_autosomes=n_autosomes)
    if as_json:
        print_json({"read": asdict(report), "genotypes": asdict(describe(genotypes))})
        return
    typer.echo(f"{report.path}: {report.format}")
    print_description(describe(genotypes))
    print_lines("decided:", [decision.text for decision in report.decisions])
