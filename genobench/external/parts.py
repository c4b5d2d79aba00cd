"""From files of real and synthetic samples to the parts of a comparison: read, joined with phenotypes, aligned, grouped by relatives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.alignment import align
from genobench.contracts import PARTS, Trait
from genobench.datasets.description import count_constant_variants
from genobench.datasets.phenotypes import join_phenotypes, make_trait
from genobench.errors import DatasetError, GenotypesError
from genobench.formats import read_with_report
from genobench.relatives import group_relatives
from genobench.storage import content_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.alignment import Alignment
    from genobench.calls import Indices
    from genobench.contracts import Part
    from genobench.events import OnEvent
    from genobench.genotypes import Genotypes

_NEVER_TRAITS: Final = frozenset({"id", "sex", "family", "sire", "dam", "population", "breed", "vendor"})
_NOUNS: Final = {"holdout": "holdout samples", "nonmembers": "nonmembers"}
_MUCH_MISSING: Final = 0.2
_OPPOSITE: Final = -0.3
"""A file of the same variants whose ALT frequencies correlate less than this with those of train counts the other allele."""

_NO_TRAIT: Final = Trait(column="", kind="quantitative")


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """Which files are what.

    Args:
        train: The samples that the generator learned from.
        synthetic: What it generated.
        holdout: Samples unrelated to train; None where there are none.
        nonmembers: Samples of the training families that it did not learn from; None where there are none.
        phenotypes: Tables with a header, joined by sample id.
        trait: The column to predict; None for the only candidate of the tables.
        family: The column that groups relatives; None to find one, or the groups themselves.
        n_autosomes: As for `genobench.formats.read_genotypes`.
    """

    train: Path
    synthetic: Path
    holdout: Path | None = None
    nonmembers: Path | None = None
    phenotypes: tuple[Path, ...] = ()
    trait: str | None = None
    family: str | None = None
    n_autosomes: int | None = None

    @property
    def paths(self) -> Mapping[Part, Path]:
        """The files that are there, by part, `train` first."""
        given: Mapping[Part, Path | None] = {part: getattr(self, part) for part in PARTS}
        return {part: path for part, path in given.items() if path is not None}


@dataclass(frozen=True, eq=False)
class FileParts:
    """Parts that can be compared.

    Args:
        genotypes: By part, over one list of variants.
        groups: For each real part, a number per sample that relatives share across parts.
        has_families: Whether relatives are known and no group stands on both sides, in train and holdout.
        trait: The trait; its column is "" where there is none.
        files: For each part: path, format, samples and variants read, and the hash of what was read.
        variants: How the variants of the files met.
        notes: What was decided, in sentences.
        warnings: What a reader of the scores must know, in sentences.
    """

    genotypes: Mapping[Part, Genotypes]
    groups: Mapping[Part, Indices]
    has_families: bool
    trait: Trait
    files: Mapping[Part, Mapping[str, Any]]
    variants: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def read_parts(request: FileRequest, on_event: OnEvent = lambda _event: None) -> FileParts:
    """Read, join, align and group.

    Args:
        request: Which files are what.
        on_event: Told of each stage.

    Returns:
        The parts.

    Raises:
        GenobenchError: If a file cannot be read, no variant is in all of them, a training sample stands in another real part, or the trait
            is not what it must be.
    """
    read: dict[Part, Genotypes] = {}
    files: dict[Part, Mapping[str, Any]] = {}
    notes: list[str] = []
    warnings: list[str] = []
    for part, path in request.paths.items():
        on_event({"event": "stage", "stage": f"read {part}: {path}"})
        read[part], report = read_with_report(path, n_autosomes=request.n_autosomes)
        files[part] = {
            "path": str(path),
            "sha256": content_sha256(read[part]),
            "format": report.format,
            "samples": report.n_samples,
            "variants": report.n_variants,
        }
        notes.extend(f"{path.name}: {decision.text}" for decision in report.decisions)
        warnings.extend(_content_warnings(read[part], path.name, report.n_missing_calls))
    _check_ids(read)
    on_event({"event": "stage", "stage": "match variants"})
    names = {part: f"the {part} file {path.name}" for part, path in request.paths.items()}
    alignment = align(read["train"], {part: one for part, one in read.items() if part != "train"}, names)
    tables, joined = _joined({part: genotypes.samples for part, genotypes in read.items()}, request)
    trait, tables = _with_trait(tables, joined, request)
    parts = {part: genotypes.with_samples(_plain(tables[part])) for part, genotypes in alignment.parts.items()}
    real: dict[Part, Genotypes] = {part: genotypes for part, genotypes in parts.items() if part != "synthetic"}
    on_event({"event": "stage", "stage": "group relatives"})
    groups, how, column = group_relatives(real, request.family)
    warnings += [
        *_variant_warnings(alignment, request.paths),
        *_sample_warnings(parts),
        *_trait_warnings(parts, trait),
        *_group_warnings(groups),
    ]
    return FileParts(
        genotypes=parts,
        groups=groups,
        has_families=_keeps_groups_whole(groups),
        trait=replace(trait, family=column),
        files=files,
        variants=_variant_counts(alignment),
        notes=(*notes, *(_join_notes(joined)), how),
        warnings=tuple(warnings),
    )


def _keeps_groups_whole(groups: Mapping[Part, Indices]) -> bool:
    everybody = np.concatenate(list(groups.values()))
    has_relatives = len(np.unique(everybody)) < len(everybody)
    return has_relatives and "holdout" in groups and not np.intersect1d(groups["train"], groups["holdout"]).size


def _group_warnings(groups: Mapping[Part, Indices]) -> list[str]:
    """What to know where training samples have relatives among themselves and nonmembers are nobody's."""
    if "nonmembers" not in groups or not len(groups["nonmembers"]):
        return []
    train = groups["train"]
    if len(np.unique(train)) == len(train) or np.isin(groups["nonmembers"], train).any():
        return []
    return [
        (
            "No nonmember is of a family that has training samples, so attacks may find the families and not the samples: privacy needs "
            "nonmembers from the same families."
        )
    ]


def _check_ids(parts: Mapping[Part, Genotypes]) -> None:
    """Raise GenotypesError if a training sample stands in another real part: it would make fidelity too good, and privacy wrong."""
    train = set(parts["train"].sample_ids)
    for part in ("holdout", "nonmembers"):
        shared = [name for name in parts[part].sample_ids if name in train] if part in parts else []
        if shared:
            raise GenotypesError(
                f"{len(shared):,} of the {parts[part].n_samples:,} {_NOUNS[part]} have the id of a training sample; the first is "
                f"'{shared[0]}'. None of them may be a training sample: leave these out, or, if they are others, give them ids of "
                "their own."
            )


def _joined(tables: Mapping[Part, pd.DataFrame], request: FileRequest) -> tuple[dict[Part, pd.DataFrame], list[Any]]:
    """The sample tables with the columns of the phenotype tables; a row whose id a real and a synthetic sample have is the real one's."""
    import pandas as pd

    real_ids = {name for part, table in tables.items() if part != "synthetic" for name in table["id"]}
    ids = pd.DataFrame({"id": list(dict.fromkeys(name for table in tables.values() for name in table["id"]))})
    given, reports = dict(tables), []
    for path in request.phenotypes:
        columns, report = join_phenotypes(ids, path)
        reports.append(report)
        for part, table in given.items():
            wanted = table["id"].where(~table["id"].isin(real_ids)) if part == "synthetic" else table["id"]
            added = columns.set_index("id").reindex(wanted).reset_index(drop=True)
            if not added.notna().to_numpy().any():
                continue
            merged = {
                name: added[name].where(added[name].notna(), table[name]) if name in table.columns else added[name]
                for name in report.columns
            }
            given[part] = table.assign(**merged)
    return given, reports


def _with_trait(tables: Mapping[Part, pd.DataFrame], reports: list[Any], request: FileRequest) -> tuple[Trait, dict[Part, pd.DataFrame]]:
    """The trait, and the tables with its column as genobench keeps it."""
    import pandas as pd

    column = request.trait or _only_candidate(reports, request)
    if column is None:
        return _NO_TRAIT, dict(tables)
    holders = {part: table for part, table in tables.items() if column in table.columns}
    if not set(holders) - {"synthetic"}:
        listed = ", ".join(dict.fromkeys(name for table in tables.values() for name in table.columns if name != "id"))
        advice = "" if request.phenotypes else " Give --phenotype FILE."
        raise DatasetError(f"There is no column '{column}' of the real samples; the columns are {listed or 'none'}.{advice}")
    pooled = pd.concat([table[["id", column]] for table in holders.values()], ignore_index=True)
    trait, values = make_trait(pooled, column)
    ends = np.cumsum([len(table) for table in holders.values()])
    pieces = np.split(values.to_numpy(), ends[:-1])
    return trait, {**tables, **{part: holders[part].assign(**{column: piece}) for part, piece in zip(holders, pieces, strict=True)}}


def _only_candidate(reports: list[Any], request: FileRequest) -> str | None:
    names = dict.fromkeys(name for report in reports for name in report.columns if name not in {*_NEVER_TRAITS, request.family})
    if len(names) > 1:
        raise DatasetError(f"Which column of the phenotype table is the trait? It could be: {', '.join(names)}. Name it with --trait.")
    return next(iter(names), None)


def _join_notes(reports: list[Any]) -> list[str]:
    return [f"{Path(report.path).name}: {report.n_matched:,} of {report.n_rows:,} rows are of samples here." for report in reports]


def _plain(samples: pd.DataFrame) -> pd.DataFrame:
    """The table with text where a column mixes types, so that it can be stored."""
    mixed = [name for name in samples.columns if samples[name].dtype == object]
    return samples.assign(**{name: samples[name].astype(str).astype(object).where(samples[name].notna(), None) for name in mixed})


def _variant_counts(alignment: Alignment) -> dict[str, Any]:
    return {
        "matched": alignment.parts["train"].n_variants,
        "flipped": alignment.n_flipped,
        "dropped": alignment.n_dropped,
        "files": {part: counts.to_json() for part, counts in alignment.matches.items()},
    }


def _content_warnings(genotypes: Genotypes, name: str, n_missing: int) -> list[str]:
    """A file that says little: most calls missing, or the same in all samples."""
    share = n_missing / (genotypes.n_samples * genotypes.n_variants)
    warnings = []
    if share > _MUCH_MISSING:
        warnings.append(
            f"{share:.0%} of the calls of {name} are missing. Distances fill them with the most frequent genotypes of train, and then say "
            "little."
        )
    if genotypes.n_samples > 1 and share < 1 and count_constant_variants(genotypes) == genotypes.n_variants:
        warnings.append(f"All {genotypes.n_variants:,} variants of {name} have one genotype only.")
    return warnings


def _variant_warnings(alignment: Alignment, paths: Mapping[Part, Path]) -> list[str]:
    """Files that match in part only, or whose calls seem to count the other allele."""
    n_train = alignment.parts["train"].n_variants + alignment.n_dropped
    warnings = [
        f"Of {counts.variants:,} variants of {paths[part].name} and {n_train:,} of {paths['train'].name} only {counts.matched:,} are the "
        "same."
        for part, counts in alignment.matches.items()
        if 2 * counts.matched < min(n_train, counts.variants)
    ]
    ours = _alt_frequency(alignment.parts["train"])
    for part, counts in alignment.matches.items():
        theirs = _alt_frequency(alignment.parts[part])
        is_known = np.isfinite(ours) & np.isfinite(theirs)
        if is_known.sum() > 2 and np.ptp(ours[is_known]) > 0 and np.ptp(theirs[is_known]) > 0:
            correlation = np.corrcoef(ours[is_known], theirs[is_known])[0, 1]
            if correlation < _OPPOSITE:
                alleles = "has no alleles and " if counts.without_alleles else ""
                warnings.append(
                    f"{paths[part].name} {alleles}seems to count the other allele: its ALT frequencies correlate with those of "
                    f"{paths['train'].name} by {correlation:.2f}. Scores of such a file mean nothing."
                )
    return warnings


def _alt_frequency(genotypes: Genotypes) -> NDArray[np.float64]:
    """Of at most a thousand samples: it need not be exact."""
    from genobench.statgen import alt_frequency

    return alt_frequency(genotypes.calls.rows(slice(0, 1000)))


def _trait_warnings(parts: Mapping[Part, Genotypes], trait: Trait) -> list[str]:
    """That no synthetic sample has the trait, and how it is given one."""
    table = parts["synthetic"].samples
    if not trait.column or (trait.column in table.columns and table[trait.column].notna().any()):
        return []
    told = f"No synthetic sample has a '{trait.column}', so that no score can train on it."
    return [f"{told} Their table is joined by id too: give it with another --phenotype."]


def _sample_warnings(parts: Mapping[Part, Genotypes]) -> list[str]:
    """Real samples that are training samples under another name."""
    train = {row.tobytes() for row in np.asarray(parts["train"].calls.packed)}
    warnings = []
    for part in ("holdout", "nonmembers"):
        n_same = sum(row.tobytes() in train for row in np.asarray(parts[part].calls.packed)) if part in parts else 0
        if n_same:
            warnings.append(
                f"{n_same:,} {_NOUNS[part]} have exactly the calls of a training sample, under other ids. If they are the same "
                f"individuals, {'privacy' if part == 'nonmembers' else 'fidelity'} scores are wrong: leave them out."
            )
    return warnings
