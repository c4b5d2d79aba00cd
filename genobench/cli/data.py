"""`genobench data`: the datasets there are, what they hold, and how they come in, go out and are split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genobench.contracts import DatasetCard
    from genobench.datasets import Description, ImportReport, JoinReport
    from genobench.genotypes import Genotypes
    from genobench.splitting import Split

app = typer.Typer(help="List, describe, import, export and split datasets.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]
NameArgument = Annotated[str, typer.Argument(help="A dataset's name; see `genobench data list`.")]

_SHOWN_IDS = 8


@app.command("list")
def list_command(*, as_json: JsonOption = False) -> None:
    """List the datasets that plugins offer and those imported."""
    from dataclasses import asdict

    from genobench.datasets import list_datasets
    from genobench.registry import load_registry

    entries = list_datasets(load_registry())
    if as_json:
        _print_json([asdict(entry) for entry in entries])
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
    _print_table(("name", "origin", "samples", "variants", ""), rows)


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
        _print_json({"name": name, "sha256": dataset.sha256, **facts})
        return
    _print_card(name, dataset.card, dataset.sha256)
    _print_description(describe(dataset.genotypes))
    _print_traits(dataset.card, dataset.genotypes)


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
        _print_json(asdict(report))
    else:
        _print_import(report)


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
    from genobench.formats import write_genotypes
    from genobench.home import write_text_atomically
    from genobench.registry import load_registry

    for path in (out, samples):
        if path is not None and path.exists() and not replace and not (path.is_dir() and not any(path.iterdir())):
            raise FormatError(f"{path} exists already; choose another place, or add --replace.")
    genotypes = open_dataset(name, load_registry()).genotypes
    written = list(write_genotypes(genotypes, out))
    if samples is not None:
        write_text_atomically(samples, genotypes.samples.to_csv(index=False))
        written.append(samples)
    typer.echo(f"{genotypes.n_samples:,} samples x {genotypes.n_variants:,} variants written to {', '.join(map(str, written))}")


@app.command("split")
def split_command(
    name: NameArgument,
    *,
    trait: Annotated[str | None, typer.Option(help="Samples without it are left out; by default the dataset's first trait.")] = None,
    scheme: Annotated[str, typer.Option(help="auto, random, family, kinship, forward or column.")] = "auto",
    column: Annotated[str | None, typer.Option(help="The column of scheme `column`.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write a table of sample ids and their parts here, as CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Split a dataset into train, validation, holdout and nonmembers, as `genobench run` would; the same question, the same split."""
    from genobench.datasets import open_dataset
    from genobench.home import genobench_home, write_text_atomically
    from genobench.registry import load_registry
    from genobench.splitting import PARTS, load_or_make_split

    dataset = open_dataset(name, load_registry())
    split = load_or_make_split(
        dataset.genotypes,
        dataset_sha256=dataset.sha256,
        folder=genobench_home() / "splits",
        trait=dataset.card.trait(trait),
        birth_column=dataset.card.birth_column,
        scheme=scheme,
        column=column,
        seed=seed,
    )
    if out is not None:
        part_of = dict.fromkeys(range(dataset.genotypes.n_samples), "left out") | {
            int(place): part for part in PARTS for place in split.part(part)
        }
        table = dataset.genotypes.samples[["id"]].assign(part=[part_of[place] for place in range(len(part_of))], group=split.groups)
        write_text_atomically(out, table.to_csv(index=False))
    if as_json:
        _print_json(split.to_json())
    else:
        _print_split(name, split)


def _kind(kind: str | None) -> Any:
    from typing import get_args

    from genobench.contracts import TraitKind
    from genobench.errors import DatasetError

    if kind is not None and kind not in get_args(TraitKind):
        raise DatasetError(f"'{kind}' is no kind of trait; choose one of {', '.join(get_args(TraitKind))}.")
    return kind


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_file(path: Path, n_autosomes: int | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from genobench.datasets import describe
    from genobench.formats import read_with_report

    genotypes, report = read_with_report(path, n_autosomes=n_autosomes)
    if as_json:
        _print_json({"read": asdict(report), "genotypes": asdict(describe(genotypes))})
        return
    typer.echo(f"{report.path}: {report.format}")
    _print_description(describe(genotypes))
    _print_lines("decided:", [decision.text for decision in report.decisions])


def _print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=160)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        is_number = heading in {"samples", "variants", "groups", "share", "known"}
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading == "name")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_lines(heading: str, lines: list[str] | tuple[str, ...]) -> None:
    if lines:
        typer.echo(heading)
        for line in lines:
            typer.echo(f"  - {line}")


def _print_card(name: str, card: DatasetCard, sha256: str) -> None:
    typer.echo(f"{name}: {card.title}")
    for label in ("species", "assembly", "source", "licence", "citation"):
        typer.echo(f"  {label:<9} {getattr(card, label)}")
    typer.echo(f"  {'sha256':<9} {sha256}")
    _print_lines("notes:", card.notes)


def _print_description(description: Description) -> None:
    low, median, high = description.minor_allele_frequency_quartiles
    chromosomes = " ".join(f"{name}:{count}" for name, count in description.variants_by_chromosome.items())
    typer.echo(f"  {description.n_samples:,} samples x {description.n_variants:,} variants{', phased' if description.is_phased else ''}")
    typer.echo(f"  {description.missing_share:.2%} of calls missing; {description.n_constant_variants:,} variants have one genotype only")
    typer.echo(
        f"  minor allele frequency {median:.3f} (quartiles {low:.3f} and {high:.3f}); heterozygosity {description.mean_heterozygosity:.3f}"
    )
    typer.echo(f"  variants by chromosome: {chromosomes}")
    typer.echo(f"  columns of samples: {', '.join(description.sample_columns)}")


def _print_traits(card: DatasetCard, genotypes: Genotypes) -> None:
    rows = []
    for trait in card.traits:
        column = genotypes.samples[trait.column]
        if trait.kind == "quantitative":
            values = f"mean {column.mean():.4g}, standard deviation {column.std():.4g}"
        else:
            counts = column.value_counts()
            values = ", ".join(f"{name}: {counts.get(name, 0)}" for name in trait.classes)
        beside = ", ".join([*trait.covariates, *([f"family: {trait.family}"] if trait.family else [])])
        rows.append((trait.column, trait.kind, f"{int(column.notna().sum()):,}", values, beside))
    if rows:
        _print_table(("trait", "kind", "known", "values", "beside it"), rows)
    else:
        typer.echo("  no trait: nothing can be predicted or conditioned on")


def _print_import(report: ImportReport) -> None:
    read, join = report.read, report.join
    typer.echo(f"{report.name}: {read.n_samples:,} samples x {read.n_variants:,} variants from {read.path} ({read.format})")
    share = read.n_missing_calls / max(1, read.n_samples * read.n_variants)
    typer.echo(f"  {read.n_missing_calls:,} calls missing ({share:.2%}); {report.n_constant_variants:,} variants have one genotype only")
    if join is not None:
        _print_join(join, read.n_samples)
    for trait, n_known in zip(report.traits, report.n_with_trait, strict=True):
        classes = f" ({' < '.join(trait.classes) if trait.kind == 'ordinal' else ', '.join(trait.classes)})" if trait.classes else ""
        typer.echo(f"  trait '{trait.column}': {trait.kind}{classes}, known in {n_known:,} samples")
    _print_lines("decided:", [decision.text for decision in read.decisions])
    _print_lines("notes:", report.notes)
    typer.echo(f"  sha256 {report.sha256}")


def _print_join(join: JoinReport, n_samples: int) -> None:
    typer.echo(f"  {join.n_matched:,} of {n_samples:,} samples found among the {join.n_rows:,} rows of {join.path}, by '{join.id_column}'")
    for ids, what in (
        (join.without_phenotypes, "samples without phenotypes"),
        (join.without_genotypes, "phenotyped but not genotyped"),
    ):
        if ids:
            more = f" and {len(ids) - _SHOWN_IDS:,} more" if len(ids) > _SHOWN_IDS else ""
            typer.echo(f"  {len(ids):,} {what}: {', '.join(ids[:_SHOWN_IDS])}{more}")
    for column, count in join.disagreements:
        typer.echo(f"  '{column}' differs from the genotype files in {count:,} samples; the phenotype table was believed")


def _print_split(name: str, split: Split) -> None:
    from genobench.splitting import PARTS

    by = f" by '{split.column}'" if split.column else ""
    typer.echo(f"{name}: {split.scheme} split{by}, seed {split.seed}, trait '{split.trait}'")
    n_used = sum(len(split.part(part)) for part in PARTS)
    rows = []
    for part in PARTS:
        indices = split.part(part)
        rows.append((part, f"{len(indices):,}", f"{len(indices) / n_used:.1%}", f"{len(set(split.groups[indices].tolist())):,}"))
    _print_table(("part", "samples", "share", "groups"), rows)
    if split.largest_kinship is not None and split.largest_kinship_pair is not None:
        typer.echo(
            f"  largest kinship across the edge of the holdout: {split.largest_kinship:.4f} "
            f"({split.largest_kinship_pair[0]} in the holdout, {split.largest_kinship_pair[1]} outside)"
        )
    _print_lines("notes:", split.notes)
    typer.echo(f"  sha256 {split.sha256}")
