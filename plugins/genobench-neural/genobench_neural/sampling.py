"""The sampler of a trained network: draws genotypes chunk by chunk, straight into packed rows; saved as safetensors and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from genobench import ConditionEncoder, GenobenchError, Genotypes, PackedCalls, Sampler
from genobench.statgen import BlockLayout
from genobench_neural.batches import unplaced_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA: Final = 1
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
        encoder: Conditions as numbers.
        variants: The variant table of training.
    """

    network: GenotypeNetwork
    description: dict[str, Any]
    layout: BlockLayout
    encoder: ConditionEncoder
    variants: pd.DataFrame

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        if condition is None:
            table = self.encoder.draw(n_samples, np.random.default_rng(seed))
        elif len(condition) != n_samples:
            raise GenobenchError(f"The condition has {len(condition)} rows; {n_samples} samples need as many.")
        else:
            table = condition.reset_index(drop=True)
        encoded = torch.from_numpy(self.encoder.encode(table))
        generator = torch.Generator().manual_seed(seed)
        packed = np.empty((n_samples, -(-len(self.variants) // 4)), dtype=np.uint8)
        n_rows = max(1, _CALLS_PER_CHUNK // self.layout.variant_at.size)
        with torch.inference_mode():
            for start in range(0, n_samples, n_rows):
                codes = self.network.draw(encoded[start : start + n_rows], generator)
                packed[start : start + codes.shape[1]] = PackedCalls.from_calls(unplaced_calls(codes, self.layout)).packed
        ids = [f"synthetic-{k + 1:06d}" for k in range(n_samples)]
        samples = pd.concat([pd.DataFrame({"id": ids}), table.drop(columns="id", errors="ignore")], axis=1)
        calls = PackedCalls(packed=packed, n_variants=len(self.variants))
        return Genotypes(calls=calls, samples=samples, variants=self.variants)

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors`, `layout.safetensors` and `sampler.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: weight.detach().cpu().contiguous() for name, weight in self.network.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        places = {
            "variant_at": torch.from_numpy(self.layout.variant_at),
            "is_followed": torch.from_numpy(self.layout.is_followed),
        }
        save_file(places, folder / "layout.safetensors")
        variants = {"dtypes": self.variants.dtypes.astype(str).to_dict(), "columns": json.loads(self.variants.to_json(orient="split"))}
        description = {
            "schema": SCHEMA,
            "network": self.description,
            "condition": self.encoder.to_json(),
            "variants": variants,
        }
        (folder / "sampler.json").write_text(json.dumps(description), encoding="utf-8")


def load_sampler(folder: Path, build: Callable[[dict[str, Any], torch.Tensor], GenotypeNetwork]) -> NetworkSampler:
    """The sampler that `NetworkSampler.save` wrote.

    Args:
        folder: Where it was written.
        build: Makes a network of given description and `is_followed`, whatever its weights.

    Raises:
        GenobenchError: If the folder holds no sampler of this version.
    """
    try:
        description = json.loads((folder / "sampler.json").read_text(encoding="utf-8"))
        places = load_file(folder / "layout.safetensors")
        weights = load_file(folder / "weights.safetensors")
    except (OSError, ValueError) as error:
        raise GenobenchError(f"The folder {folder} holds no whole sampler: {error}") from error
    if description["schema"] != SCHEMA:
        raise GenobenchError(f"The sampler in {folder} has schema {description['schema']}; this version reads {SCHEMA}. Fit it again.")
    layout = BlockLayout(variant_at=places["variant_at"].numpy(), is_followed=places["is_followed"].numpy())
    network = build(description["network"], places["is_followed"])
    network.load_state_dict(weights)
    table = description["variants"]
    variants = pd.DataFrame(table["columns"]["data"], columns=table["columns"]["columns"]).astype(table["dtypes"])
    encoder = ConditionEncoder.from_json(description["condition"])
    return NetworkSampler(network=network.eval(), description=description["network"], layout=layout, encoder=encoder, variants=variants)
