"""Datasets by name: those that plugins offer, and those imported into this home."""

from __future__ import annotations

from genobench.datasets.catalogue import DatasetEntry, OpenDataset, check_name, is_imported, list_datasets, open_dataset, save_dataset

__all__ = ["DatasetEntry", "OpenDataset", "check_name", "is_imported", "list_datasets", "open_dataset", "save_dataset"]
