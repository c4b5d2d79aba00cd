from __future__ import annotations

import pandas as pd
import pytest

from genobench.errors import FormatError
from genobench.formats import read_genotypes, read_with_report, write_genotypes


def written(tmp_path, text, name="x.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.tsv", "x.parquet"])
def test_writing_and_reading__gives_back_the_genotypes(tmp_path, make_genotypes, same, name):
    genotypes = make_genotypes()
    write_genotypes(genotypes, tmp_path / name)
    assert (tmp_path / "x.variants.csv").is_file()
    same(read_genotypes(tmp_path / name), genotypes)


def test_two_variants_of_one_name__can_be_written(tmp_path, make_genotypes, same):
    genotypes = make_genotypes(n_variants=4)
    twice = type(genotypes)(
        calls=genotypes.calls,
        samples=genotypes.samples,
        variants=genotypes.variants.assign(position_bp=7, ref="A", alt="C", chromosome="1"),
    )
    write_genotypes(twice, tmp_path / "x.csv")
    same(read_genotypes(tmp_path / "x.csv"), twice)


def test_columns__say_chromosome_position_and_alleles(tmp_path):
    genotypes = read_genotypes(written(tmp_path, "id,chr1:10:A:C,1:20\na,0,\nb,2,1\n"))
    assert genotypes.to_array().tolist() == [[0, -1], [2, 1]]
    assert genotypes.variants["position_bp"].tolist() == [10, 20]
    assert genotypes.variants["alt"].tolist() == ["C", ""]
    assert genotypes.variants["chromosome"].tolist() == ["1", "1"]


def test_ids__stay_text(tmp_path):
    assert read_genotypes(written(tmp_path, "IID,1:10:A:C\n007,0\n008,2\n")).sample_ids.tolist() == ["007", "008"]


def test_names_without_places__are_kept_and_reported(tmp_path):
    genotypes, report = read_with_report(written(tmp_path, "id,rs1,rs2\na,0,1\nb,2,1\n"))
    assert genotypes.variants["id"].tolist() == ["rs1", "rs2"]
    assert genotypes.variants["chromosome"].tolist() == ["0", "0"]
    assert [decision.name for decision in report.decisions] == ["places-unknown"]


def test_a_parquet_file_without_ids__is_named_by_its_index(tmp_path):
    """The layout of DiscreteGenoGen: rows are individuals, columns variants, nothing else."""
    pd.DataFrame({"1:10": [0, 1], "1:20": [2, 0]}).to_parquet(tmp_path / "train.parquet")
    genotypes, report = read_with_report(tmp_path / "train.parquet")
    assert genotypes.sample_ids.tolist() == ["0", "1"]
    assert [decision.name for decision in report.decisions] == ["ids-from-index"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:10,1:20\n0,1\n", "has no column of sample ids; name one of its columns 'id'"),
        ("id,1:10,1:20\na,0,3\n", "the call of sample 'a' at variant '1:20' is 3"),
        ("id,1:10,1:20\na,0,1\nb,0,AC\n", "the call of sample 'b' at variant '1:20' is 'AC'"),
        ("id,1:10,weight\na,0,1\n", "the column 'weight' is not named chromosome:position:ref:alt as others are"),
        ("id,1:10\na,0\na,1\n", "1 sample ids stand more than once: a"),
        ("id,1:10\n", "holds no samples"),
        ("id\na\n", "holds no variant"),
        ("", "cannot be read as a table"),
        ("id,1:10\na,0\nb,1,2,3\n", "cannot be read as a table"),
    ],
)
def test_a_wrong_table__is_an_error_that_says_where(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        read_genotypes(written(tmp_path, text))


def test_a_sidecar_of_another_length__is_an_error(tmp_path):
    written(tmp_path, "chrom,pos,id,ref,alt\n1,5,v,A,C\n", "x.variants.csv")
    with pytest.raises(FormatError, match=r"has 2 columns of calls but x\.variants\.csv lists 1 variants"):
        read_genotypes(written(tmp_path, "id,rs1,rs2\na,0,1\n"))


def test_a_damaged_parquet_file__is_an_error(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(FormatError, match="cannot be read as a table"):
        read_genotypes(tmp_path / "x.parquet")
