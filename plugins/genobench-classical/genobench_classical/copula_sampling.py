"""What a fitted copula generates with: latent variables along the chromosomes, cut at thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench import PackedCalls, Sampler, SamplerTables, whole_sampler
from genobench.statgen import BlockLayout
from genobench_classical.chains import Chain
from genobench_classical.stored_arrays import load_arrays, save_arrays
from genobench_classical.strata import ClassStrata

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench import Genotypes

    Singles = NDArray[np.float32]
    Strata = NDArray[np.intp]

_VALUES_PER_CHUNK: Final = 1 << 24
_KINDS: Final = {
    "variant_at": "int64 n_blocks block_size",
    "is_followed": "bool n_blocks",
    "cut": "float32 n_strata 2 n_variants",
    "slopes": "float32 n_columns n_places",
    "loadings": "float32 n_places n_factors",
    "from_before": "float32 n_blocks block_size block_size",
    "from_noise": "float32 n_blocks block_size block_size",
}
"""See `load_arrays`."""


@dataclass(frozen=True, eq=False)
class CopulaSampler(Sampler):
    """Draws latent variables and cuts them.

    Args:
        tables: Conditions and variants.
        layout: Where variants lie.
        cut: Thresholds of each stratum, shape (n_strata, 2, n_variants).
        slopes: Effects of quantitative columns, shape (n_columns, n_places).
        loadings: Of genome-wide factors, shape (n_places, n_factors).
        chain: Latent variables along chromosomes.
    """

    tables: SamplerTables
    layout: BlockLayout
    cut: Singles
    slopes: Singles
    loadings: Singles
    chain: Chain

    @classmethod
    def load(cls, folder: Path) -> CopulaSampler:
        """The sampler that was saved in `folder`.

        Raises:
            GenobenchError: If the folder holds no sampler of this version.
        """
        tables, _ = SamplerTables.load(folder)
        strata = ClassStrata.of_encoder(tables.encoder)
        sizes = {"n_variants": len(tables.variants), "n_strata": strata.n_strata, "n_columns": len(strata.columns)}
        arrays = load_arrays(folder, _KINDS, **sizes)
        with whole_sampler(folder):
            layout = BlockLayout.from_arrays(arrays, n_variants=len(tables.variants))
            if len(arrays["loadings"]) != layout.variant_at.size:
                raise ValueError(f"there are loadings of {len(arrays['loadings'])} of the {layout.variant_at.size} places of the layout.")
        return cls(
            tables=tables,
            layout=layout,
            cut=arrays["cut"],
            slopes=arrays["slopes"],
            loadings=arrays["loadings"],
            chain=Chain(from_before=torch.from_numpy(arrays["from_before"]), from_noise=torch.from_numpy(arrays["from_noise"])),
        )

    def save(self, folder: Path) -> None:
        """Arrays as safetensors, tables as Parquet and JSON."""
        self.tables.save(folder, {})
        arrays = {
            "cut": self.cut,
            "slopes": self.slopes,
            "loadings": self.loadings,
            "from_before": self.chain.from_before.numpy(),
            "from_noise": self.chain.from_noise.numpy(),
            **self.layout.to_arrays(),
        }
        save_arrays(folder, arrays)

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition has another number of rows, or a class that no training sample has.
        """
        conditions = self.tables.conditions(n_samples, condition, seed=seed)
        strata = ClassStrata.of_encoder(self.tables.encoder)
        stratum_of, columns = strata.read(self.tables.encoder, conditions)
        random = torch.Generator().manual_seed(seed)
        packed = self.tables.packed_rows(n_samples)
        n_rows = max(1, _VALUES_PER_CHUNK // self.layout.variant_at.size)
        with torch.inference_mode():
            for start in range(0, n_samples, n_rows):
                rows = slice(start, min(start + n_rows, n_samples))
                latent = self._latent(rows.stop - start, random)
                latent += columns[rows] @ self.slopes
                packed[rows] = PackedCalls.from_calls(self._calls(latent, stratum_of[rows])).packed
        return self.tables.genotypes(packed, conditions)

    def _latent(self, n_rows: int, random: torch.Generator) -> Singles:
        """Latent variables without the condition's effects, shape (n_rows, n_places)."""
        width = self.layout.block_size
        latent = torch.randn(n_rows, self.loadings.shape[1], generator=random) @ torch.from_numpy(self.loadings).T
        local = torch.zeros(n_rows, width)
        is_followed = False
        for block in range(self.layout.n_blocks):
            drawn = torch.randn(n_rows, width, generator=random) @ self.chain.from_noise[block].T
            local = drawn + local @ self.chain.from_before[block].T if is_followed else drawn
            latent[:, block * width : (block + 1) * width] += local
            is_followed = bool(self.layout.is_followed[block])
        values: Singles = latent.numpy()
        return values

    def _calls(self, latent: Singles, stratum_of: Strata) -> NDArray[np.int8]:
        """Calls of latent variables of shape (n_rows, n_places) in each row's stratum, shape (n_rows, n_variants)."""
        chosen = latent[:, self.layout.place_of]
        calls = np.empty(chosen.shape, dtype=np.int8)
        for stratum in np.unique(stratum_of):
            rows = np.flatnonzero(stratum_of == stratum)
            low, high = self.cut[stratum]
            calls[rows] = (chosen[rows] > low).view(np.int8) + (chosen[rows] > high).view(np.int8)
        return calls
