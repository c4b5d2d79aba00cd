"""Which variants a panel holds: chip-like positions, and a segregating site near each that fits a frequency target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import numpy.typing as npt

    from genobench_simulation.coalescent import Haplotypes

GAP_SPREAD: Final = 0.69
"""Standard deviation of the logarithm of a gap: mean gap over median gap is then 1.27, as on 50k chips."""

NO_SITE: Final = -1
"""Where a cell has no site that could be its variant; it is left out of the panel."""

_SUBSTITUTIONS: Final = (("A", "G"), ("C", "T"), ("A", "C"), ("G", "T"))
_SUBSTITUTION_SHARES: Final = (0.4, 0.4, 0.1, 0.1)


@dataclass(frozen=True, eq=False)
class Cells:
    """A chromosome cut into one cell a variant.

    Attributes:
        centre_bp: Where the variant would best be, increasing, shape (n_cells,).
        first_bp: First position of each cell, shape (n_cells,).
        last_bp: Last position of each cell, shape (n_cells,).
    """

    centre_bp: npt.NDArray[np.int64]
    first_bp: npt.NDArray[np.int64]
    last_bp: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.centre_bp)

    def slices(self, haplotypes: Haplotypes) -> list[slice]:
        """The sites that lie in each cell, as slices of the haplotypes' rows."""
        starts = np.searchsorted(haplotypes.position_bp, self.first_bp)
        ends = np.searchsorted(haplotypes.position_bp, self.last_bp, side="right")
        return [slice(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def spaced_cells(first_bp: int, last_bp: int, n_cells: int, rng: np.random.Generator) -> Cells:
    """Cells whose centres are spaced as on a chip.

    Args:
        first_bp: First position that the cells may cover.
        last_bp: Last position.
        n_cells: Number of cells.
        rng: The source of chance.

    Returns:
        Cells that cover all positions from `first_bp` to `last_bp`; gaps between centres are log-normal.
    """
    gaps = rng.lognormal(sigma=GAP_SPREAD, size=n_cells + 1)
    gaps[[0, -1]] /= 2
    centre = first_bp + np.floor(np.cumsum(gaps)[:-1] / gaps.sum() * (last_bp - first_bp)).astype(np.int64)
    middle = (centre[1:] + centre[:-1]) // 2
    return Cells(centre, np.concatenate([[first_bp], middle + 1]), np.concatenate([middle, [last_bp]]))


def joined_cells(blocks: list[Cells]) -> Cells:
    """The cells of several blocks of one chromosome, in order."""
    return Cells(
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in ("centre_bp", "first_bp", "last_bp")),
    )


def carrier_counts(origins: npt.NDArray[np.int16], n_haplotypes: int) -> npt.NDArray[np.int64]:
    """How often each founder haplotype is carried in each cell.

    Args:
        origins: Founder haplotypes of some animals, shape (n_animals, 2, n_cells).
        n_haplotypes: Number of founder haplotypes.

    Returns:
        Counts, shape (n_cells, n_haplotypes).
    """
    n_cells = origins.shape[2]
    flat = origins.reshape(-1, n_cells).astype(np.int64) + n_haplotypes * np.arange(n_cells)
    return np.bincount(flat.ravel(), minlength=n_cells * n_haplotypes).reshape(n_cells, n_haplotypes)


def variant_table(chromosome: str, position_bp: npt.NDArray[np.int64], *, prefix: str, rng: np.random.Generator) -> pd.DataFrame:
    """A variant table with drawn nucleotides: four in five are transitions, and either allele may be the reference.

    Args:
        chromosome: The chromosome.
        position_bp: Positions, shape (n_variants,).
        prefix: What ids begin with; the chromosome and position follow.
        rng: The source of chance.
    """
    pairs = np.array(_SUBSTITUTIONS)[rng.choice(len(_SUBSTITUTIONS), size=len(position_bp), p=_SUBSTITUTION_SHARES)]
    swap = rng.random(len(pairs)) < 0.5
    pairs[swap] = pairs[swap][:, ::-1]
    ids = [f"{prefix}{chromosome}_{position}" for position in position_bp]
    return pd.DataFrame({"chromosome": chromosome, "position_bp": position_bp, "id": ids, "ref": pairs[:, 0], "alt": pairs[:, 1]})
