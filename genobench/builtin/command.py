"""A generator that is any program: R, Julia, a container, a shell script."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from genobench import (
    FitContext,
    Generator,
    GenobenchError,
    Genotypes,
    Sampler,
    SettingsError,
    align_to_variants,
    load_description,
    read_genotypes,
    read_store,
    save_description,
    whole_sampler,
    write_genotypes,
    write_store,
)
from genobench.builtin.programs import named_files_sha256, placeholders, run_program, said, split_command
from genobench.builtin.ready_files import check_complete
from genobench.builtin.sample_tables import synthetic_samples

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRAINING: Final = ("train", "train_prefix", "phenotypes")
_FIT: Final = (*_TRAINING, "validation", "validation_prefix", "validation_phenotypes", "model", "device", "seed", "folder")
_OUTPUT: Final = ("synthetic", "synthetic_prefix")
_GENERATE: Final = (*_OUTPUT, "conditions", "n", "seed", "folder")
_SCRATCH: Final = "genobench-"
_KEPT: Final = "train"


@dataclass(frozen=True)
class Command(Generator):
    """Any program that reads training samples and writes synthetic ones: R, Julia, a container, a shell script.

    With `program` alone the sampler **holds the training samples**, and the program learns and generates in one go, each time that samples
    are asked for. With `fit_program` too, that one learns once and writes whatever it likes into the folder {model}; `program` then gets
    {model} and no training samples, and what is shared is what the fit wrote.

    {train} is a PLINK 1 .bed with .bim and .fam beside it; {phenotypes} a tab-separated table with a header: id, trait, covariates.
    {conditions} is such a table of the {n} samples that are wanted, with trait and covariates drawn from training. The program writes
    {synthetic}, a .bed with .bim and .fam: {n} samples, the i-th for the i-th row of {conditions}; all training variants, in any order; no
    call missing. docs/external_generators.md has examples.

    Args:
        program: The command line, split as a shell would, without a shell. Placeholders: {train} or {train_prefix} (without .bed),
            {phenotypes}, {conditions}, {synthetic} or {synthetic_prefix}, {n}, {seed}, {folder} (scratch), {model} with a `fit_program`.
        fit_program: The command line that learns; "" where `program` does both. Placeholders: {train} or {train_prefix}, {phenotypes},
            {validation} or {validation_prefix}, {validation_phenotypes}, {model}, {seed}, {device}, {folder} (outlives a kill).
        version: Any text; another version is another generator on a board.
        files_sha256: Hash of the files that the command lines name, so that an edited script is another cell; found by itself.
    """

    program: str = ""
    fit_program: str = ""
    version: str = ""
    files_sha256: str = ""

    def __post_init__(self) -> None:
        generate = split_command(self.program, setting="command: program", allowed=self._may_generate())
        fit = split_command(self.fit_program, setting="command: fit_program", allowed=_FIT)
        if self.program and not placeholders(generate) & set(_OUTPUT):
            raise SettingsError(f"command: program has no {{synthetic}}, so it cannot know where to write: {self.program}")
        if self.fit_program and "model" not in placeholders(fit):
            raise SettingsError(f"command: fit_program has no {{model}}, so it cannot know where to write: {self.fit_program}")
        found = named_files_sha256(fit, generate)
        if self.files_sha256 not in ("", found):
            raise SettingsError(
                f"command: the files that the command lines name have the hash '{found}', and files_sha256 is '{self.files_sha256}': they "
                "were changed since. Leave files_sha256 out to take them as they are."
            )
        object.__setattr__(self, "files_sha256", found)

    def _may_generate(self) -> tuple[str, ...]:
        return (*_GENERATE, "model") if self.fit_program else (*_TRAINING, *_GENERATE)

    def fit(self, train: Genotypes, context: FitContext) -> CommandSampler:
        """Run `fit_program`, or keep the training samples for `program`."""
        if not self.program:
            raise SettingsError("command: program is empty; write --set program='...' with a command line.")
        words = split_command(self.program, setting="command: program", allowed=self._may_generate())
        for left_behind in context.folder.glob(f"{_SCRATCH}*"):  # By a call that was killed.
            shutil.rmtree(left_behind)
        columns = [name for name in dict.fromkeys((context.trait.column, *context.trait.covariates)) if name in train.samples]
        if not self.fit_program:
            return CommandSampler(
                words=words,
                files_sha256=named_files_sha256(words),
                variants=train.variants,
                train=train,
                columns=columns,
                scratch=context.folder,
            )
        model = context.folder / "model"
        model.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = {"model": model, "device": context.device, "seed": context.seed, "folder": context.folder}
        values |= _written(train, columns, context.folder, "train")
        fit = split_command(self.fit_program, setting="command: fit_program", allowed=_FIT)
        if any(name.startswith("validation") for name in placeholders(fit)):
            if context.validation is None:
                raise GenobenchError("command: fit_program asks for {validation}, and there are no validation samples.")
            values |= _written(context.validation, columns, context.folder, "validation")
        last = run_program(fit, values, doing="fit")
        if not any(model.iterdir()):
            raise GenobenchError(f"command: fit_program wrote nothing into {{model}} ({model}).{said(last)}")
        return CommandSampler(
            words=words,
            files_sha256=named_files_sha256(words),
            variants=train.variants,
            model=model,
            columns=columns,
            scratch=context.folder,
        )

    @classmethod
    def load(cls, folder: Path) -> CommandSampler:
        """The sampler in that folder.

        Raises:
            GenobenchError: If it holds no whole one.
        """
        about = load_description(folder, ("words", "columns", "files_sha256"))
        with whole_sampler(folder):
            _check_words(about)
        if (folder / _KEPT).exists():
            train = read_store(folder / _KEPT)
            return CommandSampler(**about, variants=train.variants, train=train)
        with whole_sampler(folder):
            variants = pd.read_parquet(folder / "variants.parquet")
        return CommandSampler(**about, variants=variants, model=folder / "model")


@dataclass(frozen=True, eq=False)
class CommandSampler(Sampler):
    """Runs a program whenever samples are asked for.

    Args:
        words: Of its command line, with placeholders.
        files_sha256: Hash of the files that they name, as these were when the fit had ended.
        variants: The variant table of training.
        columns: The trait and the covariates that training has.
        train: The training samples; None where there is a model.
        model: The folder that the fit's program filled; None where there is none.
        scratch: A folder to write into; None for a temporary one.
    """

    words: list[str]
    files_sha256: str
    variants: pd.DataFrame
    columns: list[str]
    train: Genotypes | None = None
    model: Path | None = None
    scratch: Path | None = None

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """What the program writes, checked, over the training variants; samples carry the condition that the program was given.

        Raises:
            GenobenchError: If a file that the command line names is not what it was at the fit, or the program fails, writes no such
                file, another number of samples, other variants or missing calls.
        """
        self._check_files()
        samples = synthetic_samples(n_samples, condition)
        with self._folder() as folder:
            synthetic, conditions = folder / "synthetic.bed", folder / "conditions.tsv"
            samples.to_csv(conditions, sep="\t", index=False)
            values: dict[str, Any] = {"n": n_samples, "seed": seed, "folder": folder, "conditions": conditions, "model": self.model}
            values |= {"synthetic": synthetic, "synthetic_prefix": synthetic.with_suffix("")}
            if self.train is not None and placeholders(self.words) & set(_TRAINING):
                values |= _written(self.train, self.columns, folder, "train")
            last = run_program(self.words, values, doing="generate")
            if not synthetic.is_file():
                raise GenobenchError(f"command: the program ended well and wrote no {{synthetic}} ({synthetic}).{said(last)}")
            written = read_genotypes(synthetic)
            if written.n_samples != n_samples:
                raise GenobenchError(f"command: the program wrote {written.n_samples} samples; {n_samples} were asked for.{said(last)}")
            aligned = align_to_variants(written, self.variants, name="what the program wrote")
            check_complete(aligned, "command: the program wrote")
            return Genotypes(calls=aligned.calls, samples=samples, variants=self.variants)

    def save(self, folder: Path) -> None:
        """The words, and either the training samples, or the program's model with the variant table."""
        save_description(folder, {"words": self.words, "columns": self.columns, "files_sha256": self.files_sha256})
        if self.train is not None:
            write_store(self.train.with_samples(self.train.samples[["id", *self.columns]]), folder / _KEPT)
        if self.model is not None:
            self.variants.to_parquet(folder / "variants.parquet", index=False)
            shutil.copytree(self.model, folder / "model", dirs_exist_ok=True)

    def _check_files(self) -> None:
        """Refuse to run another program than the one that was fitted."""
        found = named_files_sha256(self.words)
        if found != self.files_sha256:
            raise GenobenchError(
                f"command: the files that the program's command line names had the hash '{self.files_sha256}' when the sampler was fitted, "
                f"and have '{found}' in {Path.cwd()}: they were changed or moved since. Put them back, or fit it again with the new ones. "
                f"The command line: {shlex.join(self.words)}"
            )

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self.scratch) as folder:
            yield Path(folder)


def _check_words(about: dict[str, Any]) -> None:
    """Raise a ValueError if a sampler's description is none."""
    for name in ("words", "columns"):
        if not isinstance(about[name], list) or not all(isinstance(word, str) for word in about[name]):
            raise ValueError(f"{name} are {about[name]}, and should be a list of texts.")
    if not about["words"]:
        raise ValueError("its command line holds no word.")
    placeholders(about["words"])


def _written(genotypes: Genotypes, columns: list[str], folder: Path, part: str) -> dict[str, Path]:
    """Write a part as .bed and table into a folder; what to fill in for it."""
    bed = folder / f"{part}.bed"
    table = folder / f"{part}.tsv"
    known = [name for name in columns if name in genotypes.samples]
    write_genotypes(genotypes, bed)
    genotypes.samples[["id", *known]].to_csv(table, sep="\t", index=False)
    return {part: bed, f"{part}_prefix": bed.with_suffix(""), "phenotypes" if part == "train" else f"{part}_phenotypes": table}
