"""A generator that hands out samples of a file: a synthetic set that was made elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from genobench import (
    FitContext,
    Generator,
    GenobenchError,
    Genotypes,
    PackedCalls,
    Sampler,
    SettingsError,
    align_to_variants,
    content_sha256,
    load_description,
    read_genotypes,
    read_store,
    save_description,
    whole_sampler,
    with_settings,
    write_store,
)
from genobench.builtin.ready_files import DIGITS, check_complete
from genobench.builtin.sample_tables import synthetic_samples

if TYPE_CHECKING:
    from genobench import Trait

Rows = Literal["random", "first"]


@dataclass(frozen=True)
class File(Generator):
    """A ready synthetic set, in any format that genobench reads, matched to the training variants by place and alleles.

    Nothing is learnt. Where the file's sample table (or `phenotypes`) has the trait and the covariates, samples carry their own and the
    condition is not looked at; otherwise they carry the condition, which then has nothing to do with their calls.

    Args:
        path: The file; docs/formats.md lists the formats. It must hold every training variant, and no missing call.
        phenotypes: A CSV (or .tsv) whose column `id` names the samples of the file, and whose others are their trait and covariates.
        rows: `random`, without replacement, by the seed; or the `first` of the file.
        sha256: Hash of what the file and the table say, so that another content is another cell; found by itself.
    """

    path: str = ""
    phenotypes: str = ""
    rows: Rows = "random"
    sha256: str = ""

    def __post_init__(self) -> None:
        if not self.path:
            return
        found = self._read()[1]
        if self.sha256 not in ("", found):
            raise SettingsError(f"file: {self.path} has the hash {found}, and sha256 is {self.sha256}: it was changed since.")
        object.__setattr__(self, "sha256", found)

    def fit(self, train: Genotypes, context: FitContext) -> FileSampler:
        """Read the file and match its variants to those of training."""
        if not self.path:
            raise SettingsError("file: path is empty; write --set path=FILE.")
        genotypes = self._read()[0]
        aligned = align_to_variants(genotypes, train.variants, name=self.path)
        check_complete(aligned, f"file: {self.path} holds")
        own = genotypes.samples[["id", *_own_columns(genotypes.samples, context.trait)]]
        self._check_trait(own, context.trait)
        ready = Genotypes(
            calls=PackedCalls(packed=np.asarray(aligned.calls.packed), n_variants=aligned.n_variants), samples=own, variants=train.variants
        )
        return FileSampler(genotypes=ready, rows=self.rows, path=self.path)

    @classmethod
    def load(cls, folder: Path) -> FileSampler:
        """The sampler in that folder.

        Raises:
            GenobenchError: If it holds no whole one.
        """
        about = load_description(folder, ("rows", "path"))
        with whole_sampler(folder):
            # Not with the path, which would be read.
            rows: Rows = with_settings(cls, {"rows": about["rows"]}).rows
        return FileSampler(genotypes=read_store(folder / "genotypes"), rows=rows, path=str(about["path"]))

    def _check_trait(self, own: pd.DataFrame, trait: Trait) -> None:
        """Refuse a quantitative trait that is not a number in every row."""
        if trait.kind != "quantitative" or trait.column not in own:
            return
        values = pd.to_numeric(own[trait.column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        places = np.flatnonzero(~np.isfinite(values))
        if len(places):
            raise GenobenchError(
                f"file: {self.phenotypes or self.path} has {trait.column} = '{own[trait.column].iloc[places[0]]}' for the sample "
                f"'{own['id'].iloc[places[0]]}'; {trait.column} is a quantitative trait, so that every sample must have a finite number."
            )

    def _read(self) -> tuple[Genotypes, str]:
        genotypes = read_genotypes(Path(self.path))
        digest = hashlib.sha256(content_sha256(genotypes).encode())
        if self.phenotypes:
            digest.update(_bytes(self.phenotypes))
            genotypes = genotypes.with_samples(_joined(genotypes.samples, self.phenotypes))
        return genotypes, digest.hexdigest()[:DIGITS]


@dataclass(frozen=True, eq=False)
class FileSampler(Sampler):
    """Hands out samples of a set, none twice.

    Args:
        genotypes: The set, over the training variants; its sample table has the trait and covariates where they are known.
        rows: `random` or `first`.
        path: Where it came from, for messages.
    """

    genotypes: Genotypes
    rows: Rows
    path: str

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """`n_samples` of the set; see `File` for what they carry.

        Raises:
            GenobenchError: If the set holds fewer.
        """
        n_held = self.genotypes.n_samples
        if n_samples > n_held:
            raise GenobenchError(
                f"file: {self.path} holds {n_held:,} samples, and {n_samples:,} were asked for; --n {n_held} asks for all."
            )
        chosen = np.arange(n_samples)
        if self.rows == "random":
            chosen = np.sort(np.random.default_rng(seed).choice(n_held, size=n_samples, replace=False))
        samples = synthetic_samples(n_samples, condition)
        for name in self.genotypes.samples.columns[1:]:
            samples[name] = self.genotypes.samples[name].to_numpy()[chosen]
        packed = np.asarray(self.genotypes.calls.packed[chosen])
        calls = PackedCalls(packed=packed, n_variants=self.genotypes.n_variants)
        return Genotypes(calls=calls, samples=samples, variants=self.genotypes.variants)

    def save(self, folder: Path) -> None:
        """The set, and where it came from."""
        save_description(folder, {"rows": self.rows, "path": self.path})
        write_store(self.genotypes, folder / "genotypes")


def _own_columns(samples: pd.DataFrame, trait: Trait) -> list[str]:
    """Trait and covariates, where the set has all of them for every sample; the trait of one sample with the sex of another is worse."""
    wanted = list(dict.fromkeys((trait.column, *trait.covariates)))
    has_all = all(name in samples and samples[name].notna().all() for name in wanted)
    return wanted if has_all else []


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"file: the table {path} cannot be read: {error.strerror}.") from error


def _joined(samples: pd.DataFrame, path: str) -> pd.DataFrame:
    """The sample table with the columns of a table of phenotypes, by id."""
    try:
        table: Any = pd.read_csv(path, sep="\t" if path.endswith((".tsv", ".tsv.gz", ".txt")) else ",", dtype={"id": str})
    except (OSError, ValueError) as error:
        raise SettingsError(f"file: the table {path} cannot be read: {error}") from error
    if "id" not in table or table["id"].duplicated().any():
        raise SettingsError(
            f"file: the table {path} must have a column 'id' in which each sample stands once; its columns are {list(table)}."
        )
    table = table.set_index("id")
    unknown = samples["id"][~samples["id"].isin(table.index)]
    if len(unknown):
        raise SettingsError(f"file: the table {path} lacks {len(unknown):,} of {len(samples):,} samples, the first '{unknown.iloc[0]}'.")
    added = {name: table[name].reindex(samples["id"]).to_numpy() for name in table}
    return samples.assign(**added)
