"""What a fit takes from training samples, and the sampler that it gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from genobench import MISSING, GenobenchError, Genotypes, PackedCalls, SamplerTables
from genobench.statgen import BlockLayout
from genobench.testing import EXAMPLE_TRAITS, example_context, example_genotypes
from genobench_neural.sampling import GenotypeNetwork, NetworkSampler, load_sampler
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

TRAIT = EXAMPLE_TRAITS["quantitative"]
TRAIN = example_genotypes(n_samples=30, missing_share=0.2)
NEVER_CALLED = 4


class _Share(GenotypeNetwork):
    """Draws 2 at a variant with its own chance, whatever is asked."""

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.chance = torch.nn.Parameter(torch.full(shape, 0.5))

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        uniform = torch.rand(self.chance.shape[0], len(condition), self.chance.shape[1], generator=generator)
        return (uniform < self.chance[:, None]).to(torch.uint8) * 2


def _data(tmp_path: Path, train: Genotypes = TRAIN) -> TrainingData:
    return TrainingData.of_genotypes(train, example_context(tmp_path), BlockLayout.of_variants(train.variants, block_size=8))


def _sampler(tmp_path: Path) -> NetworkSampler:
    data = _data(tmp_path)
    return data.sampler(_Share(data.layout.variant_at.shape), {"shape": list(data.layout.variant_at.shape)})


def _built(description: dict[str, Any], _is_followed: torch.Tensor) -> _Share:
    return _Share(tuple(description["shape"]))


def test_training_data__shares_are_counted_at_the_places_of_any_layout(tmp_path: Path) -> None:
    calls = TRAIN.to_array().copy()
    calls[:, NEVER_CALLED] = MISSING
    data = _data(tmp_path, Genotypes(PackedCalls.from_calls(calls), TRAIN.samples, TRAIN.variants))
    assert data.layout.n_blocks > 1
    shares = data.shares.numpy()
    is_empty = ~data.layout.is_variant.reshape(-1)
    is_empty[data.layout.place_of[NEVER_CALLED]] = True
    assert (shares[is_empty] == [1, 0, 0]).all()
    for variant, place in enumerate(data.layout.place_of):
        called = calls[:, variant][calls[:, variant] >= 0]
        assert variant == NEVER_CALLED or shares[place] == pytest.approx([np.mean(called == genotype) for genotype in range(3)], abs=1e-6)


def test_training_data__needs_two_samples(tmp_path: Path) -> None:
    layout = BlockLayout.of_variants(TRAIN.variants, block_size=8)
    with pytest.raises(GenobenchError, match="1 training samples"):
        TrainingData.of_genotypes(TRAIN.take_samples(np.array([0])), example_context(tmp_path), layout)


def test_sampler__trains_no_more(tmp_path: Path) -> None:
    sampler = _sampler(tmp_path)
    assert not any(weight.requires_grad for weight in sampler.network.parameters())
    assert not sampler.network.training


def test_generate__without_a_condition_draws_it_as_all_samplers_do(tmp_path: Path) -> None:
    made = _sampler(tmp_path).generate(12, seed=5)
    drawn = SamplerTables.of_training(TRAIN, TRAIT).conditions(12, None, seed=5)
    assert made.samples.drop(columns="id").equals(drawn)
    assert made.samples["id"].iloc[-1] == "synthetic-000012"


def test_load_sampler__is_the_reverse_of_save(tmp_path: Path) -> None:
    sampler = _sampler(tmp_path)
    with torch.no_grad():
        sampler.network.state_dict()["chance"][0] = 1.0
    sampler.save(tmp_path / "model")
    loaded = load_sampler(tmp_path / "model", _built)
    made, again = sampler.generate(9, seed=2), loaded.generate(9, seed=2)
    assert (made.to_array() == again.to_array()).all()
    assert made.samples.equals(again.samples)
    assert made.variants.equals(again.variants)
    assert (made.to_array()[:, sampler.layout.variant_at[0][sampler.layout.is_variant[0]]] == 2).all()


@pytest.mark.parametrize("name", ["weights.safetensors", "layout.safetensors"])
def test_load_sampler__of_a_folder_that_is_not_whole(tmp_path: Path, name: str) -> None:
    _sampler(tmp_path).save(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(b"cut")
    with pytest.raises(GenobenchError, match="holds no whole sampler"):
        load_sampler(tmp_path / "model", _built)
