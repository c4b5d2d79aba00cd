from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench.errors import FormatError
from genobench.formats import read_genotypes, read_with_report, write_genotypes
from genobench.storage import content_sha256
from genobench.testing.examples import example_genotypes


@pytest.fixture
def folder(tmp_path):
    """A folder of three samples and two variants."""
    np.savez(tmp_path / "genotypes.npz", dosage=np.array([[0, 1], [2, -1], [1, 1]], dtype=np.int8))
    (tmp_path / "samples.csv").write_text("id,sire,weight,year\na,7,1.5,2001\nb,,,2002\nc,7,2.5,\n")
    (tmp_path / "variants.csv").write_text("chrom,pos,id,ref,alt,cM\n1,10,v1,A,C,0.0\n1,,v2,,,0.5\n")
    return tmp_path


def test_tables__are_typed_and_empty_cells_are_missing(folder):
    genotypes = read_genotypes(folder)
    assert genotypes.samples["sire"].tolist()[::2] == ["7", "7"]
    assert genotypes.samples["weight"].dtype == np.float64
    assert str(genotypes.samples["year"].dtype) == "Int64"
    assert genotypes.samples.isna().sum().to_dict() == {"id": 0, "sire": 1, "weight": 1, "year": 1}
    assert pd.isna(genotypes.variants["position_bp"][1])
    assert genotypes.variants["position_cm"].tolist() == [0.0, 0.5]


def test_the_npz__stands_for_its_folder(folder, same):
    same(read_genotypes(folder / "genotypes.npz"), read_genotypes(folder))


@pytest.mark.parametrize("phased", [False, True])
def test_writing_and_reading__keeps_everything(tmp_path, phased):
    genotypes = example_genotypes(n_samples=24, n_variants=15, missing_share=0.1)
    if phased:
        bits = (genotypes.to_array() == 1) & (np.arange(15) % 2 == 0)
        phase = np.packbits(bits, axis=1, bitorder="little")
        genotypes = type(genotypes)(calls=genotypes.calls, samples=genotypes.samples, variants=genotypes.variants, phase=phase)
    write_genotypes(genotypes, tmp_path / "out")
    assert content_sha256(read_genotypes(tmp_path / "out")) == content_sha256(genotypes)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("samples.csv", None, r"samples\.csv is absent"),
        ("samples.csv", "name,w\na,1\nb,1\nc,1\n", "has no column 'id'"),
        ("samples.csv", "id\na\nb\n", r"the calls have shape \(3, 2\), but there are 2 samples and 2 variants"),
        ("samples.csv", "id,w\na,1\nb\nc,1\n", r"samples\.csv, line 3, has 1 cells; its header has 2"),
        ("samples.csv", "id,w,w\na,1,1\nb,1,1\nc,1,1\n", "has the column 'w' more than once"),
        ("samples.csv", "", "is empty, or its first line is"),
        ("variants.csv", "id,ref,alt\nv1,A,C\nv2,A,C\n", "has no column chrom, pos"),
        ("variants.csv", "chrom,pos,id,ref,alt\n1,10,v,A,C\n1,ten,w,A,C\n", r"variants\.csv, line 3: pos is 'ten'"),
    ],
)
def test_wrong_tables__are_an_error_that_says_where(folder, name, text, message):
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(FormatError, match=message):
        read_genotypes(folder)


def test_mice__keep_their_map_order_where_positions_contradict_it(shared_data):
    genotypes, report = read_with_report(shared_data / "mouse_hs_1940")
    names = pd.read_csv(shared_data / "mouse_hs_1940" / "variants.csv", dtype=str)["id"]
    assert genotypes.variants["id"].tolist() == names.tolist()
    assert report.decisions == ()
    bp = genotypes.variants.dropna(subset="position_bp")
    backwards = sum(int((group["position_bp"].astype(int).diff() < 0).sum()) for _, group in bp.groupby("chromosome"))
    assert backwards == 14
