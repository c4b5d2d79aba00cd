"""Names of chromosomes, and the order of variants along them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.errors import FormatError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

UNKNOWN: Final = "0"
"""The chromosome of a variant that is not placed, as in PLINK."""

_PREFIX: Final = re.compile(r"^chr(?=.)", re.IGNORECASE)
_BEYOND_THE_AUTOSOMES: Final = ("X", "Y", "XY", "MT")
_LETTERS: Final = {"x": "X", "y": "Y", "xy": "XY", "m": "MT", "mt": "MT"}


def chromosome_name(name: str, n_autosomes: int | None = None) -> str:
    """The one spelling of a chromosome that genobench uses.

    Args:
        name: As the file has it: "chr01", "1", "x", "MT", ...
        n_autosomes: Where given, the numbers after the last autosome mean X, Y, XY and MT, as PLINK writes them.

    Returns:
        "1", "2", ..., "X", "Y", "XY", "MT", "0" where not known, or any other name as it stands.

    Raises:
        FormatError: If a number is beyond `n_autosomes` + 4.

    References:
        The numeric codes are those of PLINK: https://www.cog-genomics.org/plink/1.9/input#allow_extra_chr
    """
    bare = _PREFIX.sub("", name.strip())
    if not bare or bare == ".":
        return UNKNOWN
    if not (bare.isascii() and bare.isdigit()):
        return _LETTERS.get(bare.lower(), bare)
    number = int(bare)
    if n_autosomes is None or number <= n_autosomes:
        return str(number)
    beyond = number - n_autosomes - 1
    if beyond >= len(_BEYOND_THE_AUTOSOMES):
        raise FormatError(
            f"Chromosome {name} is beyond n_autosomes = {n_autosomes} and the four codes after it (X, Y, XY, MT). "
            "Give the species' number of autosomes (cattle 29, rat 20, mouse 19, human 22)."
        )
    return _BEYOND_THE_AUTOSOMES[beyond]


def chromosome_rank(name: str) -> tuple[int, int, str]:
    """Sorts chromosomes as people do: 1, 2, 10, X, Y, XY, MT, other names by alphabet, and last those not placed."""
    if name == UNKNOWN:
        return (3, 0, "")
    if name.isascii() and name.isdigit():
        return (0, int(name), "")
    if name in _BEYOND_THE_AUTOSOMES:
        return (1, _BEYOND_THE_AUTOSOMES.index(name), "")
    return (2, 0, name)


def variant_order(variants: pd.DataFrame) -> NDArray[np.intp]:
    """The order of variants along the genome; the identity where a file is in order already.

    Chromosomes stand in natural order. Within a chromosome the genetic map decides where it is complete (`position_cm` known for each
    variant): a file in map order stays as it is, even where `position_bp` contradicts it. Otherwise `position_bp` decides. A variant
    without a position stays behind the variant that it follows in the file; equal positions keep file order.

    Args:
        variants: A variant table with `chromosome`, `position_bp` and possibly `position_cm`.

    Returns:
        Indices into the table, shape (n_variants,).
    """
    chromosomes = variants["chromosome"].to_numpy(dtype=object)
    position_bp = variants["position_bp"].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    position_cm = np.full(len(variants), np.nan, dtype=np.float64)
    if "position_cm" in variants.columns:
        position_cm = variants["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan)
    pieces = []
    for name in sorted(set(chromosomes), key=chromosome_rank):
        members = np.flatnonzero(chromosomes == name)
        pieces.append(members[_order_within(position_bp[members], position_cm[members])])
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.intp)


def _order_within(position_bp: NDArray[np.floating[Any]], position_cm: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    filled_bp = _carried_forward(position_bp)
    if not np.isnan(position_cm).any() and np.ptp(position_cm) > 0:
        if (np.diff(position_cm) >= 0).all():
            return np.arange(len(position_cm))
        return np.lexsort((filled_bp, position_cm))
    return np.argsort(filled_bp, kind="stable")


def _carried_forward(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    last_known = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last_known < 0, -np.inf, values[last_known])
