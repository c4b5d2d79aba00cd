"""What is generated is held to the contract, in a fit and from a saved sampler alike."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench.cells import find_cell
from genobench.conditions import draw_condition
from genobench.errors import CellError, ContractError
from genobench.fitting import fit_cell
from genobench.generating import check_synthetic, generate_from_cell
from genobench.splitting import parts_folder
from genobench.storage import read_store, write_store
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

if TYPE_CHECKING:
    from genobench.genotypes import Genotypes

TRAIN = example_genotypes(n_samples=48)
CONDITION = draw_condition(TRAIN.samples, EXAMPLE_TRAITS["quantitative"], n_samples=30, seed=1)
"""Columns weight (smoothed, so that no training sample has such a row) and sex."""


def _generated(**columns: Any) -> Genotypes:
    calls = example_genotypes(n_samples=30, seed=2)
    given: dict[str, Any] = {"weight": CONDITION["weight"].to_numpy(), "sex": CONDITION["sex"].to_numpy()}
    return calls.with_samples(calls.samples[["id"]].assign(**(given | columns)))


def _changed(value: Any) -> Any:
    weight = CONDITION["weight"].astype(object)
    weight.iloc[4] = value
    return weight.to_numpy()


@pytest.mark.parametrize(
    "weight",
    [
        CONDITION["weight"].to_numpy().astype(np.float32),
        CONDITION["weight"].astype(object).to_numpy(),
        _changed(float(np.nextafter(np.float32(CONDITION["weight"].iloc[4]), np.float32(np.inf)))),
    ],
)
def test_check_synthetic__takes_what_was_asked_for_up_to_the_rounding_of_float32(weight):
    check_synthetic(_generated(weight=weight), TRAIN, condition=CONDITION, generator="a/b")


@pytest.mark.parametrize("value", [None, np.nan, "abc", np.inf, 1e300, CONDITION["weight"].iloc[4] * 1.0001])
def test_check_synthetic__names_the_first_value_that_was_not_asked_for(value):
    with pytest.raises(ContractError, match=r"a/b broke the rule .*: row 4 of the sample table has the weight .*, the condition '\d"):
        check_synthetic(_generated(weight=_changed(value)), TRAIN, condition=CONDITION, generator="a/b")


def test_check_synthetic__wants_every_column_of_the_condition():
    samples = _generated()
    without = samples.with_samples(samples.samples.drop(columns="weight"))
    with pytest.raises(ContractError, match="lacks the condition's column 'weight'"):
        check_synthetic(without, TRAIN, condition=CONDITION, generator="genobench/file")


def test_check_synthetic__refuses_values_in_another_order():
    shuffled = CONDITION["weight"].sample(frac=1, random_state=1).to_numpy()
    with pytest.raises(ContractError, match="the weight"):
        check_synthetic(_generated(weight=shuffled), TRAIN, condition=CONDITION, generator="a/b")


def test_check_synthetic__a_sample_may_have_the_row_of_a_training_sample_and_no_mixture_of_two():
    """As `copy` and `leaky` hand them out."""
    rows = TRAIN.samples.iloc[:30]
    own = _generated(weight=rows["weight"].to_numpy(), sex=rows["sex"].to_numpy())
    check_synthetic(own, TRAIN, condition=CONDITION, generator="a/b")
    others = np.where(rows["sex"] == "male", "female", "male")
    with pytest.raises(ContractError, match="row 0"):
        check_synthetic(_generated(weight=rows["weight"].to_numpy(), sex=others), TRAIN, condition=CONDITION, generator="a/b")


def test_check_synthetic__a_ready_set_has_traits_of_its_own():
    check_synthetic(_generated(weight=np.arange(30.0)), TRAIN, condition=CONDITION, generator="genobench/file")


@pytest.fixture
def more(request_for, tmp_path):
    """Fits a naughty plugin, and gives its cell and a function that generates more from it."""

    def made(deed):
        request = request_for(deed)
        cell, result = fit_cell(request, lambda _event: None)
        assert result.status == "ok"
        key = cell.key
        stored = parts_folder(request.home, dataset_sha256=key.dataset_sha256, split_sha256=key.split_sha256) / "train"
        write_store(read_store(request.train), stored)
        registry: Any = SimpleNamespace(find=lambda _kind, _name: SimpleNamespace(target=request.target))
        given: Any = {"home": request.home, "registry": registry, "on_event": lambda _event: None}
        return cell, lambda: generate_from_cell(key.cell_id, n_samples=4, seed=2, **given)

    return made


def test_generate_from_cell__holds_what_it_generates_to_the_contract(more):
    _, generate = more("missing-later")
    with pytest.raises(CellError, match=r"did not generate \(invalid-output in check\): tests/naughty left the call of sample 0"):
        generate()


def test_generate_from_cell__refuses_a_saved_sampler_that_is_not_what_the_fit_wrote(more):
    cell, generate = more("behave")
    assert generate().n_samples == 4
    calls = cell.model / "known" / "calls.npy"
    content = calls.read_bytes()
    calls.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CellError, match=r"The saved sampler of cell \w{16} is damaged: .*known/calls.npy is not what the fit wrote"):
        generate()
    calls.unlink()
    with pytest.raises(CellError, match=r"known/calls.npy is gone\. Remove the folder"):
        generate()


def test_generate_from_cell__takes_a_cell_from_before_samplers_had_hashes(more):
    cell, generate = more("behave")
    file = cell.folder / "result.json"
    values = json.loads(file.read_text())
    assert values.pop("model_sha256").keys() >= {"sampler.json", "known/calls.npy"}
    file.write_text(json.dumps(values))
    found = find_cell(cell.folder.parents[1], cell.key.cell_id).result
    assert found is not None
    assert dataclasses.asdict(found)["model_sha256"] == {}
    assert generate().n_samples == 4
