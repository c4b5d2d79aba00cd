from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench.calls import MISSING, PackedCalls
from genobench.errors import GenotypesError
from genobench.genotypes import Genotypes

CALLS: Any = np.array([[0, 1, 2], [1, MISSING, 0], [2, 2, 1], [0, 0, 1]], dtype=np.int8)


def samples(*ids: str | None):
    return pd.DataFrame({"id": ids, "weight": np.arange(len(ids), dtype=float)})


def variants(n=3, **columns):
    table = {
        "chromosome": ["1"] * n,
        "position_bp": range(10, 10 + n),
        "id": [f"v{i}" for i in range(n)],
        "ref": ["A"] * n,
        "alt": ["C"] * n,
    }
    return pd.DataFrame(table | columns)


@pytest.fixture
def genotypes() -> Genotypes:
    bits = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)
    return Genotypes(calls=CALLS, samples=samples(*"abcd"), variants=variants(), phase=np.packbits(bits, axis=1, bitorder="little"))


def test_an_array__is_packed_at_once(genotypes):
    assert isinstance(genotypes.calls, PackedCalls)
    assert np.array_equal(genotypes.to_array(), CALLS)
    assert (genotypes.n_samples, genotypes.n_variants) == (4, 3)
    assert genotypes.sample_ids.tolist() == ["a", "b", "c", "d"]


def test_genotypes__cannot_be_changed(genotypes):
    with pytest.raises(dataclasses.FrozenInstanceError):
        genotypes.samples = samples(*"abcd")


def test_take_samples__takes_rows_of_everything(genotypes):
    taken = genotypes.take_samples(np.array([2, 0]))
    assert taken.sample_ids.tolist() == ["c", "a"]
    assert taken.samples["weight"].tolist() == [2.0, 0.0]
    assert np.array_equal(taken.to_array(), CALLS[[2, 0]])
    assert np.array_equal(taken.phase, genotypes.phase[[2, 0]])


def test_take_variants__takes_columns_of_everything(genotypes):
    taken = genotypes.take_variants(np.array([2, 1]))
    assert taken.variants["id"].tolist() == ["v2", "v1"]
    assert np.array_equal(taken.to_array(), CALLS[:, [2, 1]])
    assert np.unpackbits(taken.phase, axis=1, count=2, bitorder="little").tolist() == [[0, 1], [0, 0], [0, 0], [1, 0]]


def test_with_samples__keeps_calls_under_another_table(genotypes):
    other = genotypes.with_samples(samples(*"wxyz"))
    assert other.sample_ids.tolist() == ["w", "x", "y", "z"]
    assert other.calls is genotypes.calls


def test_ids__are_text_whatever_the_table_holds():
    made = Genotypes(calls=CALLS[:2], samples=pd.DataFrame({"id": [7, 8]}), variants=variants())
    assert made.sample_ids.tolist() == ["7", "8"]


@pytest.mark.parametrize(
    ("sample_table", "variant_table", "message"),
    [
        (samples(*"abc"), variants(), r"calls have shape \(4, 3\) but the sample table lists 3 samples"),
        (samples(*"abcd"), variants(2), r"calls have shape \(4, 3\) but the variant table lists 2 variants"),
        (samples(*"abca"), variants(), "the sample id 'a' stands more than once"),
        (samples("a", "", "c", "d"), variants(), "the sample in row 1 has an empty id"),
        (samples("a", None, "c", "d"), variants(), "the sample in row 1 has an empty id"),
        (samples(*"abcd").drop(columns="id"), variants(), "has no column 'id'"),
        (samples(*"abcd"), variants().drop(columns=["ref", "alt"]), r"has no column \['ref', 'alt'\]"),
        (samples(*"abcd"), variants(chromosome=["1", None, "1"]), "the variant in row 1 has no chromosome"),
    ],
)
def test_tables_that_do_not_fit__are_refused(sample_table, variant_table, message):
    with pytest.raises(GenotypesError, match=message):
        Genotypes(calls=CALLS, samples=sample_table, variants=variant_table)


def test_a_phase_plane_of_another_shape__is_refused():
    with pytest.raises(GenotypesError, match=r"the phase plane has shape \(4, 2\)"):
        Genotypes(calls=CALLS, samples=samples(*"abcd"), variants=variants(), phase=np.zeros((4, 2), dtype=np.uint8))


def test_a_genotypes_error__is_a_value_error_too():
    assert issubclass(GenotypesError, ValueError)
