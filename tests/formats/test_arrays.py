from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench.errors import FormatError
from genobench.formats import read_genotypes, write_genotypes
from genobench.storage import content_sha256
from genobench.testing.examples import example_genotypes

GOOD = {
    "calls": np.array([[0, 1], [2, -1], [1, 1]], dtype=np.int8),
    "samples/id": np.array(["a", "b", "c"]),
    "variants/chromosome": np.array(["1", "1"]),
    "variants/position_bp": np.array([5, 9]),
}


@pytest.fixture
def archive(tmp_path):
    """A function that writes an archive: a good one, with changes."""

    def write(**changes):
        arrays = {name: values for name, values in (GOOD | changes).items() if values is not None}
        np.savez(tmp_path / "x.npz", **arrays)
        return tmp_path / "x.npz"

    return write


def test_writing_and_reading__keeps_every_column_and_the_content_hash(tmp_path):
    genotypes = example_genotypes(n_samples=24, n_variants=15, missing_share=0.1)
    write_genotypes(genotypes, tmp_path / "x.npz")
    again = read_genotypes(tmp_path / "x.npz")
    pd.testing.assert_frame_equal(again.samples, genotypes.samples, check_dtype=False)
    assert content_sha256(again) == content_sha256(genotypes)


def test_phase__is_kept(tmp_path, make_genotypes, same):
    genotypes = make_genotypes(phased=True)
    write_genotypes(genotypes, tmp_path / "x.npz")
    same(read_genotypes(tmp_path / "x.npz"), genotypes)


def test_a_plain_archive__needs_ids_and_places_only(archive):
    genotypes = read_genotypes(archive())
    assert genotypes.to_array().tolist() == [[0, 1], [2, -1], [1, 1]]
    assert genotypes.variants["ref"].tolist() == ["", ""]


def test_haplotypes__give_phase_and_must_sum_to_the_calls(archive):
    rows = np.array([[0, 1], [0, 0], [1, 0], [1, 0], [0, 1], [1, 0]], dtype=np.int8)
    genotypes = read_genotypes(archive(haplotypes=rows))
    assert genotypes.phase is not None
    assert np.unpackbits(genotypes.phase, axis=1, count=2, bitorder="little").tolist() == [[0, 1], [0, 0], [0, 1]]
    rows[0, 0] = 1
    with pytest.raises(FormatError, match=r"haplotypes\[0, 0\] and \[1, 0\] sum to 1, but the call is 0"):
        read_genotypes(archive(haplotypes=rows))
    with pytest.raises(FormatError, match=r"haplotypes have shape \(5, 2\)"):
        read_genotypes(archive(haplotypes=rows[:5]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calls": None}, "has no array 'calls'"),
        ({"calls": np.array([[0, 3], [2, 1], [1, 1]])}, "the call of sample 'a' at variant '1:9' is 3; a call is 0, 1 or 2"),
        ({"calls": np.array([[0, 1], [2, 1], [0.5, 1]])}, "sample 'c' at variant '1:5' is 0.5; .*Round expected dosages"),
        ({"calls": np.array([[0, 1], [2, -9], [1, 1]])}, "sample 'b' at variant '1:9' is -9"),
        ({"calls": np.zeros(6)}, r"calls is float64 of shape \(6,\)"),
        ({"calls": np.zeros((2, 3))}, r"samples/id has shape \(3,\); the calls have shape \(2, 3\)"),
        ({"samples/id": None}, "has no array samples/id"),
        ({"samples/id": np.array(["a", "b", "a"])}, "1 sample ids stand more than once: a"),
        ({"phase": np.zeros((3, 2), dtype=np.uint8)}, r"phase is uint8 of shape \(3, 2\); it must be uint8 of shape \(3, 1\)"),
    ],
)
def test_a_wrong_archive__is_an_error_that_says_where(archive, changes, message):
    with pytest.raises(FormatError, match=message):
        read_genotypes(archive(**changes))


def test_missing_calls_in_floats__are_nan(archive):
    assert read_genotypes(archive(calls=np.array([[0, np.nan], [2, 1], [1, 1]]))).to_array()[0].tolist() == [0, -1]


def test_objects__are_never_unpickled(archive):
    with pytest.raises(FormatError, match="cannot be read as a NumPy archive"):
        read_genotypes(archive(**{"samples/id": np.array(["a", "b", None], dtype=object)}))


def test_a_damaged_archive__is_an_error(archive, tmp_path):
    path = archive()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FormatError, match="cannot be read as a NumPy archive"):
        read_genotypes(path)
    path.write_text("no archive at all")
    with pytest.raises(FormatError, match="cannot be read as a NumPy archive"):
        read_genotypes(path)
