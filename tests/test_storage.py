from __future__ import annotations

import errno
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pyarrow import ArrowException

from genobench.errors import FormatError, GenobenchError
from genobench.storage import content_sha256, is_store, read_store, whole_sampler, write_store
from genobench.testing.examples import example_genotypes

if TYPE_CHECKING:
    from genobench.genotypes import Genotypes


@pytest.fixture
def genotypes() -> Genotypes:
    made = example_genotypes(n_samples=24, n_variants=15, missing_share=0.1)
    year = pd.Series(np.tile([2001.0, np.nan], 12)).astype("Int64")
    table = made.samples.assign(year=year, note=pd.Series(["", "x, y"] * 12), is_odd=np.arange(24) % 2 == 1)
    bits = (made.to_array() == 1) & (np.arange(15) % 2 == 0)
    return replace(made, samples=table, phase=np.packbits(bits, axis=1, bitorder="little"))


def test_a_store__gives_back_everything(genotypes, tmp_path):
    opened = read_store(write_store(genotypes, tmp_path / "store"))
    assert np.array_equal(opened.to_array(), genotypes.to_array())
    assert opened.phase is not None
    assert genotypes.phase is not None
    assert np.array_equal(opened.phase, genotypes.phase)
    pd.testing.assert_frame_equal(opened.variants, genotypes.variants)
    pd.testing.assert_frame_equal(opened.samples, genotypes.samples, check_dtype=False)


def test_a_store__is_memory_mapped(genotypes, tmp_path):
    opened = read_store(write_store(genotypes, tmp_path / "store"))
    assert isinstance(opened.calls.packed, np.memmap)


def test_content_hash__survives_storage(genotypes, tmp_path):
    assert content_sha256(read_store(write_store(genotypes, tmp_path / "store"))) == content_sha256(genotypes)


def test_content_hash__changes_with_any_part(genotypes):
    calls = genotypes.to_array()
    calls = np.where(calls == 0, 1, calls).astype(np.int8)
    others = [
        replace(genotypes, calls=calls),
        replace(genotypes, phase=None),
        genotypes.with_samples(genotypes.samples.assign(note="z")),
        replace(genotypes, variants=genotypes.variants.assign(alt="T")),
        genotypes.take_samples(np.arange(23, -1, -1)),
    ]
    assert len({content_sha256(other) for other in [genotypes, *others]}) == 6


def test_writing__replaces_a_store_whole(genotypes, tmp_path):
    write_store(genotypes, tmp_path / "store")
    write_store(genotypes.take_samples(np.arange(3)), tmp_path / "store")
    assert read_store(tmp_path / "store").n_samples == 3
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_full_disk__leaves_the_old_store_and_nothing_else(genotypes, tmp_path, monkeypatch):
    write_store(genotypes, tmp_path / "store")

    def full(*_args: object, **_kwargs: object):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        write_store(genotypes.take_samples(np.arange(3)), tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert read_store(tmp_path / "store").n_samples == 24


def test_is_store__wants_the_last_file(tmp_path, genotypes):
    write_store(genotypes, tmp_path / "store")
    assert is_store(tmp_path / "store")
    (tmp_path / "store" / "store.json").unlink()
    assert not is_store(tmp_path / "store")
    with pytest.raises(FormatError, match="is not a whole genobench store"):
        read_store(tmp_path / "store")


def test_another_schema__is_refused(tmp_path, genotypes):
    write_store(genotypes, tmp_path / "store")
    (tmp_path / "store" / "store.json").write_text(json.dumps({"schema": 99, "n_samples": 1, "n_variants": 1}))
    with pytest.raises(FormatError, match="has schema 99; this genobench reads 1"):
        read_store(tmp_path / "store")


def test_cut_off_calls__are_an_error(tmp_path, genotypes):
    write_store(genotypes, tmp_path / "store")
    calls = tmp_path / "store" / "calls.npy"
    calls.write_bytes(calls.read_bytes()[:-5])
    with pytest.raises(FormatError, match="is not a whole genobench store"):
        read_store(tmp_path / "store")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("store.json", b'{"schema": 1', b"[1, 2"),
        ("store.json", b'"n_variants": 15', b'"n_variants": []'),
        # A bracket that stays open makes the parser of the header raise TokenError.
        ("calls.npy", b"(24, 4)", b"((24, 4"),
        ("phase.npy", b"(24, 2)", b"((24, 2"),
        ("samples.parquet", b"PAR1", b"PAR2"),
        ("variants.parquet", b"PAR1", b"PAR2"),
    ],
)
def test_a_damaged_file__is_named(genotypes, tmp_path, file, old, new):
    path = write_store(genotypes, tmp_path / "store") / file
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(FormatError, match=f"is not a whole genobench store, by its file {file}: "):
        read_store(tmp_path / "store")


def test_an_exception_of_pyarrow__is_an_error_of_the_store(genotypes, tmp_path, monkeypatch):
    """Of text that is no UTF-8, among others; it is no ValueError."""

    def damaged(*_args: object):
        raise ArrowException("Unknown error: Wrapping failed")

    store = write_store(genotypes, tmp_path / "store")
    monkeypatch.setattr(pd, "read_parquet", damaged)
    with pytest.raises(FormatError, match=r"is not a whole genobench store, by its file samples\.parquet: Unknown error"):
        read_store(store)


def test_whole_sampler__takes_what_damaged_arrays_and_tables_raise(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(2, 3)", b"((2, 3"))
    with pytest.raises(GenobenchError, match="holds no whole sampler of this kind"), whole_sampler(tmp_path):
        np.load(tmp_path / "a.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("part", ["end", "middle"])
def test_whole_sampler__takes_what_damaged_npz_files_raise(tmp_path, save, part):
    path = tmp_path / "a.npz"
    save(path, a=np.arange(600))
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] if part == "end" else content[:half] + bytes(20) + content[half + 20 :])
    with pytest.raises(GenobenchError, match="holds no whole sampler of this kind"), whole_sampler(tmp_path), path.open("rb") as file:
        np.load(file)["a"]
