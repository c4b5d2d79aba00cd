"""Datasets by name: those that plugins offer, and those imported into this home.

An imported dataset is a folder under the home, `datasets/NAME/`, of a store and a card. One that a plugin offers is loaded once, held to
the hash on its card, and kept as a store under `datasets/_cache/`, so that it is memory-mapped from then on.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock

from genobench.contracts import DatasetCard
from genobench.errors import ContractError, DatasetError, FormatError, GenobenchError, UnknownNameError
from genobench.genotypes import Genotypes
from genobench.home import genobench_home, write_json_atomically
from genobench.storage import content_sha256, is_store, read_store, write_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genobench.contracts import Dataset
    from genobench.registry import Registered, Registry

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CACHE: Final = "_cache"
_STORE: Final = "store"
_CARD: Final = "card.json"


@dataclass(frozen=True, eq=False)
class OpenDataset:
    """A dataset that is ready to use.

    Args:
        name: As it was asked for.
        card: What it is.
        genotypes: Memory-mapped.
        sha256: `genobench.storage.content_sha256` of the genotypes.
        causal: What one ALT allele adds to the trait, by the id of each variant that makes it; None where nobody knows them.
    """

    name: str
    card: DatasetCard
    genotypes: Genotypes
    sha256: str
    causal: Mapping[str, float] | None = None


@dataclass(frozen=True)
class DatasetEntry:
    """One line of `genobench data list`.

    Args:
        name: What to write.
        origin: The distribution that offers it, or "imported".
        summary: One line.
        n_samples: Number of samples; None where it is only known after loading.
        n_variants: Number of variants; likewise.
    """

    name: str
    origin: str
    summary: str
    n_samples: int | None = None
    n_variants: int | None = None


def open_dataset(name: str, registry: Registry) -> OpenDataset:
    """The dataset of that name: one that a plugin offers, else one that was imported.

    Args:
        name: For example "cattle-demo", "distribution/name", or the name given at import.
        registry: What is installed.

    Returns:
        The dataset, memory-mapped.

    Raises:
        UnknownNameError: If there is none; the message gives the nearest name.
        DatasetError: If the genotypes are not those of the card.
    """
    try:
        entry = registry.find("dataset", name)
    except UnknownNameError:
        folder = _imported_folder(name)
        if folder is None:
            raise UnknownNameError(_unknown(name, registry)) from None
        return _open_imported(name, folder)
    return _open_offered(name, entry, registry.load("dataset", entry.qualified_name)())


def check_dataset(name: str, registry: Registry) -> None:
    """Raise UnknownNameError unless there is a dataset of that name; nothing is opened."""
    try:
        registry.find("dataset", name)
    except UnknownNameError:
        if _imported_folder(name) is None:
            raise UnknownNameError(_unknown(name, registry)) from None


def list_datasets(registry: Registry) -> tuple[DatasetEntry, ...]:
    """All datasets that can be opened by name: those offered, then those imported, each in alphabetical order."""
    offered = [DatasetEntry(name=entry.name, origin=entry.distribution, summary=entry.summary) for entry in registry.offers("dataset")]
    imported = []
    for folder in _imported_folders():
        try:
            card = _read_card(folder)
            shape = json.loads((folder / _STORE / "store.json").read_text(encoding="utf-8"))
            entry = DatasetEntry(folder.name, "imported", card.title, n_samples=shape["n_samples"], n_variants=shape["n_variants"])
        except (DatasetError, OSError, ValueError, KeyError) as error:
            entry = DatasetEntry(folder.name, "imported", f"damaged: {error}")
        imported.append(entry)
    return (*offered, *imported)


def save_dataset(name: str, genotypes: Genotypes, card: DatasetCard) -> OpenDataset:
    """Put genotypes under a name into this home; a dataset of that name is replaced.

    Args:
        name: Lower-case letters, digits, `-` and `_`.
        genotypes: What to keep.
        card: What it is; its hash is filled in.

    Returns:
        The dataset, as `open_dataset` would open it.

    Raises:
        DatasetError: If the name cannot be one.
        OSError: If the disk is full or the home cannot be written; what was there before is still there then.
    """
    check_name(name)
    datasets = genobench_home() / "datasets"
    datasets.mkdir(exist_ok=True)
    folder = datasets / name
    digest = content_sha256(genotypes)
    with FileLock(datasets / f".{name}.lock"):
        workplace = Path(tempfile.mkdtemp(dir=datasets, prefix=f".{name}."))
        try:
            draft = workplace / "draft"
            draft.mkdir()
            write_store(genotypes, draft / _STORE)
            write_json_atomically(draft / _CARD, {**asdict(card), "sha256": digest})
            if folder.exists():
                folder.rename(workplace / "replaced")
            draft.rename(folder)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    return _open_imported(name, folder)


def check_name(name: str) -> None:
    """Raise DatasetError unless `name` can name an imported dataset."""
    if not _NAME.fullmatch(name):
        raise DatasetError(
            f"'{name}' cannot name a dataset; a name is lower-case letters, digits, - and _, and begins with a letter or digit."
        )


def is_imported(name: str) -> bool:
    """Whether a dataset of that name was imported into this home."""
    return _imported_folder(name) is not None


def _open_offered(name: str, entry: Registered, dataset: Dataset) -> OpenDataset:
    card = dataset.card
    cache = genobench_home() / "datasets" / _CACHE
    cache.mkdir(parents=True, exist_ok=True)
    # Several hashes of one name may stand side by side: a plugin's update leaves the earlier data to the cells that used it.
    folder = cache / f"{entry.name}-{card.sha256[:12] or 'unhashed'}"
    with FileLock(f"{folder}.lock"):
        if card.sha256 and is_store(folder / _STORE):
            genotypes = _whole_store(folder / _STORE, card.sha256)
            if genotypes is not None:
                return OpenDataset(name=name, card=card, genotypes=genotypes, sha256=card.sha256, causal=_causal(name, entry, dataset))
        loaded = _loaded(name, entry, dataset, folder)
        digest = content_sha256(loaded)
        if card.sha256 and digest != card.sha256:
            raise DatasetError(
                f"The dataset '{name}' of {entry.distribution} {entry.version} has sha256 {digest}; its card says {card.sha256}. "
                "It was changed or damaged: install the distribution again."
            )
        write_store(loaded, folder / _STORE)
        genotypes = read_store(folder / _STORE)
        return OpenDataset(name=name, card=card, genotypes=genotypes, sha256=digest, causal=_causal(name, entry, dataset))


def _causal(name: str, entry: Registered, dataset: Dataset) -> Mapping[str, float] | None:
    """The causal variants that a dataset names, as numbers."""
    try:
        table = dataset.causal()
        if table is None:
            return None
        return dict(zip(table["id"].astype(str), table["effect"].to_numpy(dtype=float).tolist(), strict=True))
    except (GenobenchError, OSError):
        raise
    except Exception as error:  # the plugin boundary: a dataset may raise anything
        raise DatasetError(
            f"The causal variants of the dataset '{name}' of {entry.distribution} {entry.version} could not be read: "
            f"{type(error).__name__}: {error}"
        ) from error


def _loaded(name: str, entry: Registered, dataset: Dataset, folder: Path) -> Genotypes:
    try:
        loaded = dataset.load(folder)
    except (GenobenchError, OSError):
        raise
    except Exception as error:  # the plugin boundary: a dataset may raise anything
        raise DatasetError(
            f"The dataset '{name}' of {entry.distribution} {entry.version} could not be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, Genotypes):
        raise ContractError(f"{entry.target}.load returned {type(loaded).__name__}; it must return genobench.Genotypes.")
    return loaded


def _whole_store(folder: Path, sha256: str) -> Genotypes | None:
    """A cached store, or None where it is damaged and must be made again."""
    try:
        genotypes = read_store(folder)
    except (FormatError, EOFError):
        return None
    return genotypes if content_sha256(genotypes) == sha256 else None


def _open_imported(name: str, folder: Path) -> OpenDataset:
    card = _read_card(folder)
    try:
        genotypes = read_store(folder / _STORE)
        digest = content_sha256(genotypes)
    except (FormatError, EOFError) as error:
        raise DatasetError(f"The imported dataset '{name}' is damaged: {error} Import it again.") from error
    if digest != card.sha256:
        raise DatasetError(
            f"The imported dataset '{name}' has sha256 {digest}; its card says {card.sha256}. It was changed or damaged: import it again."
        )
    return OpenDataset(name=name, card=card, genotypes=genotypes, sha256=digest)


def _read_card(folder: Path) -> DatasetCard:
    try:
        values: dict[str, Any] = json.loads((folder / _CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"The card {folder / _CARD} cannot be read: {error}") from error
    return DatasetCard.from_json(values)


def _imported_folders() -> Iterator[Path]:
    datasets = genobench_home() / "datasets"
    if datasets.is_dir():
        yield from sorted(path for path in datasets.iterdir() if _NAME.fullmatch(path.name) and (path / _CARD).is_file())


def _imported_folder(name: str) -> Path | None:
    folder = genobench_home() / "datasets" / name
    return folder if _NAME.fullmatch(name) and (folder / _CARD).is_file() else None


def _unknown(name: str, registry: Registry) -> str:
    names = sorted({entry.name for entry in list_datasets(registry)})
    nearest = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    if nearest:
        return f"There is no dataset '{name}'. Did you mean {' or '.join(repr(near) for near in nearest)}?"
    return f"There is no dataset '{name}'; there are: {', '.join(names) or 'none'}. `genobench data import NAME PATH` adds one."
