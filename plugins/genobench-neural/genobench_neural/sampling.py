"""The sampler of a trained network: draws genotypes chunk by chunk, straight into packed rows; saved as safetensors and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from genobench import Genotypes, PackedCalls, Sampler, SamplerTables, whole_sampler
from genobench.statgen import BlockLayout
from genobench_neural.batches import unplaced_calls
from genobench_neural.finite import check_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

_CALLS_PER_CHUNK: Final = 1 << 22


class GenotypeNetwork(torch.nn.Module):
    """What a sampler asks of a network."""

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw samples.

        Args:
            condition: Shape (n_samples, n_condition).
            generator: Draws all noise.

        Returns:
            0, 1 or 2 ALT alleles, uint8, shape (n_blocks, n_samples, block_size).
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class NetworkSampler(Sampler):
    """A trained network with all that it takes to draw genotypes from it. It draws on the CPU, the same everywhere.

    Args:
        network: Weights and shapes.
        description: What a loader needs to build the network anew: plain values.
        layout: Where each variant lies.
        tables: Conditions and variants.
    """

    network: GenotypeNetwork
    description: dict[str, Any]
    layout: BlockLayout
    tables: SamplerTables

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        asked = self.tables.conditions(n_samples, condition, seed=seed)
        encoded = torch.from_numpy(self.tables.encoder.encode(asked))
        generator = torch.Generator().manual_seed(seed)
        packed = self.tables.packed_rows(n_samples)
        n_rows = max(1, _CALLS_PER_CHUNK // self.layout.variant_at.size)
        with torch.inference_mode():
            for start in range(0, n_samples, n_rows):
                codes = self.network.draw(encoded[start : start + n_rows], generator)
                packed[start : start + codes.shape[1]] = PackedCalls.from_calls(unplaced_calls(codes, self.layout)).packed
        return self.tables.genotypes(packed, asked)

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors`, `layout.safetensors`, and the sampler's tables."""
        self.tables.save(folder, {"network": self.description})
        weights = {name: weight.detach().cpu().contiguous() for name, weight in self.network.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        places = {name: torch.from_numpy(array) for name, array in self.layout.to_arrays().items()}
        save_file(places, folder / "layout.safetensors")


def trained_sampler(network: GenotypeNetwork, description: dict[str, Any], *, layout: BlockLayout, tables: SamplerTables) -> NetworkSampler:
    """The sampler of a network that has been trained: on the CPU, its weights fixed.

    Args:
        network: It is moved, and trains no more.
        description: What a loader needs to build the network anew: plain values.
        layout: Where each variant lies.
        tables: Conditions and variants.

    Raises:
        GenobenchError: If a number of the network is NaN.
    """
    network.requires_grad_(False).to("cpu").eval()
    check_weights(network)
    return NetworkSampler(network=network, description=description, layout=layout, tables=tables)


def load_sampler(folder: Path, build: Callable[[dict[str, Any], torch.Tensor], GenotypeNetwork]) -> NetworkSampler:
    """The sampler that `NetworkSampler.save` wrote.

    Args:
        folder: Where it was written.
        build: Makes a network of given description and `is_followed`, whatever its weights.

    Raises:
        GenobenchError: If the folder holds no whole sampler of this version, or that of another network.
    """
    tables, description = SamplerTables.load(folder, needs=("network",))
    # What torch says of weights that do not fit is a RuntimeError.
    with whole_sampler(folder, SafetensorError, RuntimeError):
        layout = BlockLayout.from_arrays(load_file(folder / "layout.safetensors"), n_variants=len(tables.variants))
        network = build(description["network"], torch.from_numpy(layout.is_followed))
        network.load_state_dict(load_file(folder / "weights.safetensors"))
    return trained_sampler(network, description["network"], layout=layout, tables=tables)
