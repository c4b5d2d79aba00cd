"""What is asked of genotypes and files that genobench did not make: no call missing, and a hash that says when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench import MISSING, GenobenchError

if TYPE_CHECKING:
    from genobench import Genotypes

DIGITS: Final = 12
"""Hexadecimal digits of a hash that stands among settings."""

_ROWS_PER_BLOCK: Final = 1024


def check_complete(genotypes: Genotypes, who: str) -> None:
    """Refuse missing calls.

    Args:
        genotypes: What was read.
        who: The beginning of the message.

    Raises:
        GenobenchError: If a call is missing; the message gives the first.
    """
    for start in range(0, genotypes.n_samples, _ROWS_PER_BLOCK):
        is_missing = genotypes.calls.rows(slice(start, start + _ROWS_PER_BLOCK)) == MISSING
        if is_missing.any():
            row, place = (int(index) for index in np.argwhere(is_missing)[0])
            variant = genotypes.variants.iloc[place]
            raise GenobenchError(
                f"{who} missing calls, the first for sample {start + row + 1} at variant {place + 1} "
                f"({variant['chromosome']}:{variant['position_bp']}); every call must be 0, 1 or 2."
            )
