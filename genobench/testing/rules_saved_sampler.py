"""What is asked of a saved sampler's folder: plain files, and one clear error where they are not all there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from genobench.contracts import Sampler
from genobench.errors import GenobenchError
from genobench.sampler_tables import SamplerTables
from genobench.testing.examples import EXAMPLE_TRAITS
from genobench.testing.saved_files import find_unsafe_file

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.testing.generator_subject import GeneratorSubject


def saved_files_need_no_unpickling(subject: GeneratorSubject) -> str | None:
    """`save` writes at least one file, and only safetensors, npy, Parquet, JSON and text: nothing that must be unpickled."""
    folder = subject.new_folder()
    subject.sampler.save(folder)
    if not any(path.is_file() for path in folder.rglob("*")):
        return "save wrote no file."
    return find_unsafe_file(folder)


def load_refuses_another_folder(subject: GeneratorSubject) -> str | None:
    """`load` raises a GenobenchError for an empty folder and for one that another generator wrote."""
    another = subject.new_folder()
    SamplerTables.of_training(subject.train, EXAMPLE_TRAITS["quantitative"]).save(another, {"another": "generator"})
    for folder, what in ((subject.new_folder(), "an empty folder"), (another, "another generator's folder")):
        found = _loaded(subject, folder)
        if found != "a GenobenchError":
            return f"for {what}, load gave {found}; `with genobench.whole_sampler(folder):` around what reads makes it one."
    return None


def load_refuses_damaged_files(subject: GeneratorSubject) -> str | None:
    """`load` raises a GenobenchError, and no other, where a saved file is absent or was cut short; or it does without the file."""
    whole = subject.new_folder()
    subject.sampler.save(whole)
    for path in sorted(entry for entry in whole.rglob("*") if entry.is_file()):
        place = path.relative_to(whole)
        for is_there in (False, True):
            damaged = subject.new_folder()
            shutil.copytree(whole, damaged, dirs_exist_ok=True)
            (damaged / place).unlink()
            if is_there:
                content = path.read_bytes()
                (damaged / place).write_bytes(content[: len(content) // 2])
            found = _loaded(subject, damaged)
            if found not in {"a GenobenchError", "a sampler"}:
                return (
                    f"with {place.as_posix()} {'cut in half' if is_there else 'absent'}, load gave {found}; it must give a GenobenchError."
                )
    return None


def _loaded(subject: GeneratorSubject, folder: Path) -> str:
    """What `load` gives for a folder, in words."""
    try:
        loaded = subject.plugin.load(folder)
    except GenobenchError:
        return "a GenobenchError"
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return f"{type(error).__name__}: {error}"
    return "a sampler" if isinstance(loaded, Sampler) else f"a {type(loaded).__name__}"
