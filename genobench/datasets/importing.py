"""From files to a dataset with a name: read, join, check, keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.contracts import DatasetCard, Trait
from genobench.datasets.catalogue import check_name, is_imported, save_dataset
from genobench.datasets.description import count_constant_variants
from genobench.datasets.phenotypes import JoinReport, join_phenotypes, make_trait, sex_names
from genobench.errors import DatasetError, UnknownNameError
from genobench.formats import ReadReport, read_with_report

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd

    from genobench.contracts import TraitKind
    from genobench.registry import Registry

_NEVER_TRAITS: Final = frozenset({"id", "sex", "family", "sire", "dam"})


@dataclass(frozen=True, kw_only=True)
class TraitRequest:
    """Which columns are traits, and what is known about them.

    Args:
        columns: Columns of the traits, the default one first; empty to take the only candidate there is.
        kind: Their kind; None to infer it of each.
        classes: Classes in order, for an ordinal trait.
        covariates: Columns known beside the traits.
        family: The column that groups relatives; None for `family` where there is one.
        birth_column: A sortable column for forward-in-time splits.
    """

    columns: tuple[str, ...] = ()
    kind: TraitKind | None = None
    classes: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    family: str | None = None
    birth_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class About:
    """What the card says of the data; all of it is text that the importer knows."""

    title: str = ""
    species: str = "not stated"
    assembly: str = "not stated"
    source: str = ""
    licence: str = "not stated"
    citation: str = "not stated"


@dataclass(frozen=True)
class ImportReport:
    """What an import found, matched and decided.

    Args:
        name: The dataset's name from now on.
        read: Of the genotype files.
        join: Of the phenotype table; None where none was given.
        traits: Those of the card.
        n_with_trait: Samples that have a value, by trait.
        n_constant_variants: Variants with one genotype only; they are kept.
        sha256: Content hash of the genotypes.
        notes: What else was decided, in sentences.
    """

    name: str
    read: ReadReport
    join: JoinReport | None
    traits: tuple[Trait, ...]
    n_with_trait: tuple[int, ...]
    n_constant_variants: int
    sha256: str
    notes: tuple[str, ...] = field(default=())


def import_dataset(
    name: str,
    path: Path,
    *,
    phenotypes: Path | None = None,
    id_column: str | None = None,
    missing: Collection[str] = (),
    traits: TraitRequest | None = None,
    about: About | None = None,
    n_autosomes: int | None = None,
    registry: Registry | None = None,
    replace: bool = False,
) -> ImportReport:
    """Import genotypes, and phenotypes by sample id, under a name.

    Args:
        name: The name from now on: lower-case letters, digits, `-` and `_`.
        path: What `genobench.formats.read_genotypes` reads.
        phenotypes: CSV, TSV or blank-separated text with a header.
        id_column: Its column of sample ids.
        missing: Texts that mean "missing" there, beside the usual ones.
        traits: Which columns are traits.
        about: For the card.
        n_autosomes: As for `read_genotypes`.
        registry: Where given, a name that a plugin offers is refused.
        replace: Whether an imported dataset of that name may be replaced.

    Returns:
        What was found, matched and decided.

    Raises:
        DatasetError: If the name is taken, ids do not match, or a trait does not vary. Nothing is kept then.
        FormatError: If a file is not what it should be.
    """
    check_name(name)
    _check_free(name, registry, replace=replace)
    asked, about = traits or TraitRequest(), about or About()
    genotypes, read = read_with_report(path, n_autosomes=n_autosomes)
    samples, notes = genotypes.samples, []
    if "sex" in samples.columns:
        samples = samples.assign(sex=sex_names(samples["sex"]))
    join = None
    if phenotypes is not None:
        samples, join = join_phenotypes(samples, phenotypes, id_column=id_column, missing=missing)
    family = asked.family or ("family" if "family" in samples.columns else None)
    columns = _trait_columns(samples, asked, join)
    if not columns:
        notes.append("No trait was named, so nothing can be predicted or conditioned on; import again with a trait.")
    if asked.birth_column is not None and asked.birth_column not in samples.columns:
        raise DatasetError(f"There is no column '{asked.birth_column}'; the columns are {', '.join(samples.columns)}.")
    made = []
    for column in columns:
        trait, values = make_trait(samples, column, kind=asked.kind, classes=asked.classes, covariates=asked.covariates, family=family)
        samples = samples.assign(**{column: values})
        made.append(trait)
        notes.extend(_rare_classes(trait, values))
    for column in dict.fromkeys((*columns, *asked.covariates)):
        _check_spread(samples, column, phenotypes if join is not None and phenotypes is not None and column in join.columns else path)
    notes.extend(_beyond_autosomes(genotypes.variants["chromosome"]))
    n_constant = count_constant_variants(genotypes)
    if n_constant == genotypes.n_variants:
        raise DatasetError(f"All {n_constant} variants of {path} have one genotype only; there is nothing to learn from.")
    card = _card(name, path, about, tuple(made), asked.birth_column)
    saved = save_dataset(name, genotypes.with_samples(samples), card)
    n_with_trait = tuple(int(samples[trait.column].notna().sum()) for trait in made)
    return ImportReport(name, read, join, tuple(made), n_with_trait, n_constant, saved.sha256, tuple(notes))


def _check_free(name: str, registry: Registry | None, *, replace: bool) -> None:
    if registry is not None:
        try:
            entry = registry.find("dataset", name)
        except UnknownNameError:
            pass
        else:
            raise DatasetError(
                f"The name '{name}' is taken: {entry.distribution} {entry.version} offers a dataset of that name. Choose another."
            )
    if is_imported(name) and not replace:
        raise DatasetError(f"There is an imported dataset '{name}' already. Choose another name, or replace it.")


def _trait_columns(samples: pd.DataFrame, asked: TraitRequest, join: JoinReport | None) -> Sequence[str]:
    if asked.columns:
        return asked.columns
    taken = {*_NEVER_TRAITS, *asked.covariates, asked.family, asked.birth_column}
    if join is None:
        return ["phenotype"] if "phenotype" in samples.columns else []
    candidates = [name for name in join.columns if name not in taken]
    if len(candidates) != 1:
        listed = ", ".join(candidates) or "none"
        raise DatasetError(f"Which column of {join.path} is the trait? It could be: {listed}. Name it.")
    return candidates


def _check_spread(samples: pd.DataFrame, column: str, path: Path) -> None:
    """Raise DatasetError if the numbers of a column have no variance that float64 can hold."""
    known = samples[column].dropna()
    if known.dtype.kind not in "iuf" or not len(known):
        return
    numbers = known.to_numpy(dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        variance = float(np.var(numbers))
    if np.isfinite(variance) and (variance > 0 or numbers.min() == numbers.max()):
        return
    place = int(np.argmax(np.abs(numbers)))
    raise DatasetError(
        f"{path}: the column '{column}' is {numbers[place]:g} in sample '{samples['id'].loc[known.index[place]]}', and in double precision "
        f"the column has the variance {variance:g}. Correct the value, or give the column in another unit."
    )


def _rare_classes(trait: Trait, values: pd.Series[str]) -> list[str]:
    counts = values.value_counts()
    return [
        f"Class {name} of '{trait.column}' has {counts[name]} samples only; some part of a split may have none."
        for name in trait.classes
        if counts[name] < 10
    ]


def _beyond_autosomes(chromosomes: pd.Series[str]) -> list[str]:
    """What to know of X, Y, XY and MT: no generator of the project follows how they are inherited."""
    counts = chromosomes[chromosomes.isin(["X", "Y", "XY", "MT"])].value_counts(sort=False)
    if counts.empty:
        return []
    listed = ", ".join(f"{name}: {count:,}" for name, count in counts.items())
    said = f"{counts.sum():,} of {len(chromosomes):,} variants lie beyond the autosomes ({listed})."
    meaning = "The generators that come with genobench treat them as autosomal, so that synthetic males may be heterozygous there."
    return [f"{said} {meaning} Leave them out before the import (PLINK: --autosome) if that matters."]


def _card(name: str, path: Path, about: About, traits: tuple[Trait, ...], birth_column: str | None) -> DatasetCard:
    return DatasetCard(
        title=about.title or f"{name}, imported from {path.name}",
        species=about.species,
        assembly=about.assembly,
        source=about.source or f"imported from {path.name}",
        licence=about.licence,
        citation=about.citation,
        sha256="",
        traits=traits,
        birth_column=birth_column,
    )
