from __future__ import annotations

import errno
import gzip
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from genobench.errors import FormatError
from genobench.formats import read_genotypes, read_with_report, write_genotypes
from genobench.formats.atomic import written_together
from genobench.storage import write_store

NAMES = ["x.bed", "x.vcf", "x.vcf.gz", "x.npz", "x.csv", "x.parquet", "x.hap", "folder"]


def test_a_path_that_is_not_there__is_an_error_that_lists_formats(tmp_path):
    with pytest.raises(FormatError, match=r"There is no file or folder .*nope \(nor nope\.bed beside it\)\. genobench reads \.bed, \.vcf"):
        read_genotypes(tmp_path / "nope")


def test_a_store__is_read_like_any_other_format(tmp_path, make_genotypes, same):
    genotypes = make_genotypes(phased=True)
    write_store(genotypes, tmp_path / "store")
    again, report = read_with_report(tmp_path / "store")
    same(again, genotypes)
    assert (report.format, report.is_phased) == ("store", True)


def test_an_unknown_format__is_an_error(tmp_path, make_genotypes):
    (tmp_path / "x.docx").write_text("hello")
    with pytest.raises(FormatError, match=r"x\.docx is of no format that genobench knows"):
        read_genotypes(tmp_path / "x.docx")
    (tmp_path / "x.pgen").write_bytes(b"\x6c\x1b\x10")
    with pytest.raises(FormatError, match="is PLINK 2; convert it: `plink2 --pfile x --make-bed"):
        read_genotypes(tmp_path / "x.pgen")
    with pytest.raises(FormatError, match=r"ends in '\.bcf', which genobench does not write"):
        write_genotypes(make_genotypes(), tmp_path / "x.bcf")


def test_a_vcf_of_another_name__is_known_by_its_first_bytes(tmp_path, make_genotypes, same):
    genotypes = make_genotypes()
    write_genotypes(genotypes, tmp_path / "x.vcf")
    (tmp_path / "calls.txt").write_bytes((tmp_path / "x.vcf").read_bytes())
    (tmp_path / "calls.out").write_bytes(gzip.compress((tmp_path / "x.vcf").read_bytes()))
    same(read_genotypes(tmp_path / "calls.txt"), genotypes)
    same(read_genotypes(tmp_path / "calls.out"), genotypes)


def test_an_empty_folder__is_an_error_that_says_what_it_should_hold(tmp_path):
    with pytest.raises(FormatError, match=r"genotypes\.npz is absent; the folder layout is"):
        read_genotypes(tmp_path)


def test_bytes_that_are_no_text__are_an_error(tmp_path, make_genotypes):
    write_genotypes(make_genotypes(), tmp_path / "x.bed")
    (tmp_path / "x.bim").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FormatError, match="holds bytes that are not UTF-8 text"):
        read_genotypes(tmp_path / "x.bed")


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk__leaves_what_was_there_before(tmp_path, make_genotypes, same, monkeypatch, name):
    """The disk is full at the very end: every file is written, none can be put in its place."""
    genotypes = make_genotypes(phased=True)
    write_genotypes(genotypes, tmp_path / name)
    before = sorted(tmp_path.rglob("*"))

    def full(*_args: object, **_kwargs: object):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full)
        with pytest.raises(OSError, match="No space left"):
            write_genotypes(make_genotypes(3, 5, phased=True), tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before
    again = read_genotypes(tmp_path / name)
    assert np.array_equal(again.to_array(), genotypes.to_array())


def test_a_full_device__is_an_os_error_that_leaves_nothing(tmp_path, make_genotypes):
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        pytest.skip("no /dev/full here")

    def write():
        with written_together(tmp_path / "x.txt") as (draft,):
            draft.symlink_to("/dev/full")
            draft.write_text("x" * 100_000)

    with pytest.raises(OSError, match="No space left"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing__leaves_no_file_of_that_name(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from genobench.formats.atomic import written_together\n"
        "with written_together(Path(sys.argv[1])) as (draft,):\n"
        "    draft.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.txt")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "x.txt").exists()


def test_files__are_readable_by_others(tmp_path, make_genotypes):
    for path in write_genotypes(make_genotypes(), tmp_path / "x.bed"):
        assert path.stat().st_mode & 0o044
