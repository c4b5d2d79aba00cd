"""What `genobench data` prints of a dataset, an import and a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from genobench.cli.console import print_lines, print_table

if TYPE_CHECKING:
    from genobench.contracts import DatasetCard
    from genobench.datasets import Description, ImportReport, JoinReport
    from genobench.genotypes import Genotypes
    from genobench.splitting import Split

_SHOWN_IDS: Final = 8


def print_card(name: str, card: DatasetCard, sha256: str) -> None:
    """Print what a dataset is."""
    typer.echo(f"{name}: {card.title}")
    for label in ("species", "assembly", "source", "licence", "citation"):
        typer.echo(f"  {label:<9} {getattr(card, label)}")
    typer.echo(f"  {'sha256':<9} {sha256}")
    print_lines("notes:", card.notes)


def print_description(description: Description) -> None:
    """Print what genotypes look like."""
    low, median, high = description.minor_allele_frequency_quartiles
    chromosomes = " ".join(f"{name}:{count}" for name, count in description.variants_by_chromosome.items())
    typer.echo(f"  {description.n_samples:,} samples x {description.n_variants:,} variants{', phased' if description.is_phased else ''}")
    typer.echo(f"  {description.missing_share:.2%} of calls missing; {description.n_constant_variants:,} variants have one genotype only")
    typer.echo(
        f"  minor allele frequency {median:.3f} (quartiles {low:.3f} and {high:.3f}); heterozygosity {description.mean_heterozygosity:.3f}"
    )
    typer.echo(f"  variants by chromosome: {chromosomes}")
    typer.echo(f"  columns of samples: {', '.join(description.sample_columns)}")


def print_traits(card: DatasetCard, genotypes: Genotypes) -> None:
    """Print the traits of a card, each with its values."""
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
        print_table(("trait", "kind", "known", "values", "beside it"), rows)
    else:
        typer.echo("  no trait: nothing can be predicted or conditioned on")


def print_import(report: ImportReport) -> None:
    """Print what an import found, matched and decided."""
    read, join = report.read, report.join
    typer.echo(f"{report.name}: {read.n_samples:,} samples x {read.n_variants:,} variants from {read.path} ({read.format})")
    share = read.n_missing_calls / max(1, read.n_samples * read.n_variants)
    typer.echo(f"  {read.n_missing_calls:,} calls missing ({share:.2%}); {report.n_constant_variants:,} variants have one genotype only")
    if join is not None:
        _print_join(join, read.n_samples)
    for trait, n_known in zip(report.traits, report.n_with_trait, strict=True):
        classes = f" ({' < '.join(trait.classes) if trait.kind == 'ordinal' else ', '.join(trait.classes)})" if trait.classes else ""
        typer.echo(f"  trait '{trait.column}': {trait.kind}{classes}, known in {n_known:,} samples")
        beside = [f"covariates: {', '.join(trait.covariates)}"] if trait.covariates else []
        beside += [f"families: {trait.family}"] if trait.family else []
        if beside:
            typer.echo(f"    beside it {'; '.join(beside)}")
    print_lines("decided:", [decision.text for decision in read.decisions])
    print_lines("notes:", report.notes)
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


def print_split(name: str, split: Split) -> None:
    """Print the parts of a split."""
    from genobench.splitting import PARTS

    by = f" by '{split.column}'" if split.column else ""
    typer.echo(f"{name}: {split.scheme} split{by}, seed {split.seed}, trait '{split.trait}'")
    n_used = sum(len(split.part(part)) for part in PARTS)
    rows = []
    for part in PARTS:
        indices = split.part(part)
        rows.append((part, f"{len(indices):,}", f"{len(indices) / n_used:.1%}", f"{len(set(split.groups[indices].tolist())):,}"))
    print_table(("part", "samples", "share", "groups"), rows)
    if split.largest_kinship is not None and split.largest_kinship_pair is not None:
        typer.echo(
            f"  largest kinship across the edge of the holdout: {split.largest_kinship:.4f} "
            f"({split.largest_kinship_pair[0]} in the holdout, {split.largest_kinship_pair[1]} outside)"
        )
    print_lines("notes:", split.notes)
    typer.echo(f"  sha256 {split.sha256}")
