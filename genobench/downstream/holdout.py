"""The holdout: what a classifier is shown of it, and what a record says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from filelock import FileLock

from genobench.downstream.columns import is_number
from genobench.errors import GenobenchError
from genobench.storage import content_sha256, read_store, write_store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from genobench.contracts import Trait


def write_shown(holdout: Path, shown: Path, trait: Trait) -> bool:
    """Write the store of the holdout that classifiers see: calls, ids and covariates, no trait and no family.

    Args:
        holdout: The store of the holdout.
        shown: The store to write, unless it is there and whole.
        trait: Its covariates are shown.

    Returns:
        Whether it was written.
    """
    whole = read_store(holdout)
    wanted = whole.with_samples(whole.samples[["id", *trait.covariates]])
    shown.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{shown}.lock"):
        try:
            if content_sha256(read_store(shown)) == content_sha256(wanted):
                return False
        except GenobenchError:
            # It is absent or damaged.
            pass
        write_store(wanted, shown)
        return True


def true_values(samples: pd.DataFrame, trait: Trait) -> tuple[str, ...] | tuple[float | None, ...]:
    """The trait of each sample as records keep it: a label, "" where it is not known; or a number, None where it is not known."""
    column = samples[trait.column]
    if trait.kind == "quantitative":
        return tuple(None if missing else float(value) for value, missing in zip(column, column.isna(), strict=True))
    return tuple("" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True))


def covariate_groups(samples: pd.DataFrame, trait: Trait) -> tuple[int, ...]:
    """A number for each sample that those share whose covariates of classes (vendor, sex, batch) are the same.

    Numbers count from the first sample on, so they do not say of which classes they are. A missing value is a class of its own.

    Args:
        samples: A sample table.
        trait: Its covariates that are no numbers are taken.

    Returns:
        Empty where there is no such covariate.
    """
    classes = [samples[name] for name in trait.covariates if not is_number(samples[name])]
    if not classes:
        return ()
    numbers: dict[tuple[Any, ...], int] = {}
    rows = zip(*(column.astype(object).where(column.notna(), None).map(_text) for column in classes), strict=True)
    return tuple(numbers.setdefault(row, len(numbers)) for row in rows)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
