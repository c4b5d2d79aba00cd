"""Gene drop: founders' haplotypes handed down a pedigree with crossovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genobench_simulation.pedigree import FOUNDER

if TYPE_CHECKING:
    import numpy.typing as npt

    from genobench_simulation.pedigree import Indices, Pedigree


def drop_genes(
    pedigree: Pedigree, centre_bp: npt.NDArray[np.int64], *, recombination_rate: float, rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    """Which founder haplotype each animal carries in each cell of a chromosome.

    A chromosome is cut into cells; crossovers fall on the borders between cells, without interference. Founder f (the f-th animal
    without parents) carries the haplotypes 2f and 2f + 1.

    Args:
        pedigree: Who descends from whom, parents first.
        centre_bp: Centres of the cells in bp, shape (n_cells,); the distance between two neighbours sets how often they are separated.
        recombination_rate: Crossovers per bp per meiosis.
        rng: The source of chance.

    Returns:
        Founder haplotypes, int16, shape (n_animals, 2, n_cells); [:, 0] came from the sire.

    References:
        Haldane 1919, The combination of linkage values, J. Genet. 8:299-309: the map function.
    """
    n_cells = len(centre_bp)
    separated = 0.5 * (1 - np.exp(-2 * recombination_rate * np.diff(centre_bp)))
    origins = np.empty((len(pedigree), 2, n_cells), dtype=np.int16)
    founders = np.flatnonzero(pedigree.sire == FOUNDER)
    origins[founders] = (2 * np.arange(len(founders))[:, None] + [0, 1])[:, :, None]
    descendants = np.flatnonzero(pedigree.sire != FOUNDER)
    for cohort in np.split(descendants, np.flatnonzero(np.diff(pedigree.birth[descendants])) + 1):
        for side, parents in enumerate((pedigree.sire[cohort], pedigree.dam[cohort])):
            origins[cohort, side] = _gametes(origins, parents, separated, rng)
    return origins


def _gametes(
    origins: npt.NDArray[np.int16], parents: Indices, separated: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    switches = np.empty((len(parents), origins.shape[2]), dtype=np.int8)
    switches[:, 0] = rng.integers(0, 2, size=len(parents))
    switches[:, 1:] = rng.random((len(parents), len(separated)), dtype=np.float32) < separated
    is_second = np.bitwise_xor.accumulate(switches, axis=1).astype(bool)
    gametes: npt.NDArray[np.int16] = np.where(is_second, origins[parents, 1], origins[parents, 0])
    return gametes
