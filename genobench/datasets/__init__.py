"""Datasets by name: those that plugins offer, and those imported into this home."""

from __future__ import annotations

from genobench.datasets.catalogue import (
    DatasetEntry,
    OpenDataset,
    check_dataset,
    check_name,
    is_imported,
    list_datasets,
    open_dataset,
    save_dataset,
)
from genobench.datasets.description import Description, describe
from genobench.datasets.importing import About, ImportReport, TraitRequest, import_dataset
from genobench.datasets.phenotypes import JoinReport, join_phenotypes, make_trait

__all__ = [
    "About",
    "DatasetEntry",
    "Description",
    "ImportReport",
    "JoinReport",
    "OpenDataset",
    "TraitRequest",
    "check_dataset",
    "check_name",
    "describe",
    "import_dataset",
    "is_imported",
    "join_phenotypes",
    "list_datasets",
    "make_trait",
    "open_dataset",
    "save_dataset",
]
