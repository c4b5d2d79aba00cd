from __future__ import annotations

import numpy as np
import pytest

from genobench.calls import MISSING
from genobench.errors import FormatError
from genobench.formats import read_genotypes, read_with_report, write_genotypes


@pytest.fixture
def files(tmp_path):
    """A function that writes a .hap, .legend and .sample of samples a and b."""

    def write(hap, legend="id position a0 a1 chromosome\nv1 10 A C 2\nv2 20 G T 2\n", sample="sample population sex\na P 1\nb P 2\n"):
        (tmp_path / "x.hap").write_text(hap)
        (tmp_path / "x.legend").write_text(legend)
        (tmp_path / "x.sample").write_text(sample)
        return tmp_path / "x.hap"

    return write


def test_two_columns__are_one_sample(files):
    genotypes = read_genotypes(files("0 1 1 1\n1 0 0 0\n"))
    assert genotypes.to_array().tolist() == [[1, 1], [2, 0]]
    assert genotypes.phase is not None
    assert np.unpackbits(genotypes.phase, axis=1, count=2, bitorder="little").tolist() == [[0, 1], [0, 0]]
    assert genotypes.samples.to_dict("list") == {"id": ["a", "b"], "population": ["P", "P"], "sex": ["male", "female"]}
    assert genotypes.variants[["chromosome", "position_bp", "ref", "alt"]].to_numpy()[0].tolist() == ["2", 10, "A", "C"]


def test_missing_half_and_haploid_calls__are_decided_and_reported(files):
    genotypes, report = read_with_report(files("? ? 0 ?\n1 - 0 -\n"))
    assert genotypes.to_array().tolist() == [[MISSING, 2], [MISSING, 0]]
    assert {decision.name: decision.count for decision in report.decisions} == {"half-calls": 1, "haploid-calls": 2}


def test_the_chromosome__comes_from_ids_where_the_legend_has_no_column(files):
    genotypes, report = read_with_report(files("0 1 1 1\n1 0 0 0\n", legend="id position a0 a1\n7:10_A_C 10 A C\n7:20_G_T 20 G T\n"))
    assert genotypes.variants["chromosome"].tolist() == ["7", "7"]
    assert [decision.name for decision in report.decisions] == ["chromosome-from-id"]


def test_the_chromosome__is_unknown_where_nothing_says_it(files):
    genotypes, report = read_with_report(files("0 1 1 1\n1 0 0 0\n", legend="rsID position a0 a1\nrs1 10 A C\nrs2 20 G T\n"))
    assert genotypes.variants["chromosome"].tolist() == ["0", "0"]
    assert [decision.name for decision in report.decisions] == ["chromosome-unknown"]


def test_an_oxford_sample_file__is_read_without_its_line_of_types(files):
    genotypes = read_genotypes(files("0 1 1 1\n1 0 0 0\n", sample="ID_1 ID_2 missing sex\n0 0 0 D\nf a 0 2\nf b 0 0\n"))
    assert genotypes.samples.columns.tolist() == ["id", "sex"]
    assert genotypes.sample_ids.tolist() == ["a", "b"]
    assert genotypes.samples["sex"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("hap", "message"),
    [
        ("0 1 1 1\n1 0 0\n", r"x\.hap, line 2, has 3 columns; 2 samples make 4"),
        ("0 1 1 1\n1 0 2 0\n", r"x\.hap, line 2, column 3, is '2'; an allele is 0, 1"),
        ("0 1 1 1\n", r"has 1 lines but its \.legend lists 2 variants"),
        ("0 1 1 1\n1 0 0 0\n1 1 1 1\n", r"has 3 lines but its \.legend lists 2 variants"),
        ("", r"has 0 lines but its \.legend lists 2 variants"),
        ("0 1 1 1\n10 0 0 0\n", r"line 2, column 1, is '10'"),
    ],
)
def test_a_malformed_hap__is_an_error_with_its_line(files, hap, message):
    with pytest.raises(FormatError, match=message):
        read_genotypes(files(hap))


def test_a_malformed_legend__is_an_error(files):
    with pytest.raises(FormatError, match=r"lacks the columns \['a0', 'a1'\]"):
        read_genotypes(files("0 1 1 1\n1 0 0 0\n", legend="id position\nv1 10\nv2 20\n"))
    with pytest.raises(FormatError, match="line 3: the position is 'x'"):
        read_genotypes(files("0 1 1 1\n1 0 0 0\n", legend="id position a0 a1\nv1 10 A C\nv2 x A C\n"))


@pytest.mark.parametrize("suffix", [".legend", ".sample"])
def test_an_absent_file__is_named(files, suffix):
    path = files("0 1 1 1\n1 0 0 0\n")
    path.with_suffix(suffix).unlink()
    with pytest.raises(FormatError, match=rf"x\{suffix} is absent"):
        read_genotypes(path)


@pytest.mark.parametrize("name", ["x.hap", "x.hap.gz"])
def test_writing_and_reading__gives_back_the_genotypes(tmp_path, make_genotypes, same, name):
    genotypes = make_genotypes(6, 1100, phased=True)
    write_genotypes(genotypes, tmp_path / name)
    same(read_genotypes(tmp_path / name), genotypes)
    same(read_genotypes(tmp_path / "x"), genotypes)


def test_genotypes_without_phase__cannot_be_written(tmp_path, make_genotypes):
    with pytest.raises(FormatError, match="The genotypes have no phase"):
        write_genotypes(make_genotypes(), tmp_path / "x.hap")
    assert list(tmp_path.iterdir()) == []
