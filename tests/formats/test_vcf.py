from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from cyvcf2 import VCF

from genobench.calls import MISSING
from genobench.errors import FormatError
from genobench.formats import read_genotypes, read_with_report, write_genotypes

HEADER = """##fileformat=VCFv4.3
##contig=<ID=1>
##contig=<ID=X>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
"""


@pytest.fixture
def vcf(tmp_path):
    """A function that writes a VCF of samples a, b, c from lines of (chromosome, position, id, ref, alt, calls)."""

    def write(*lines: str, samples="a b c", form="GT"):
        names = samples.split()
        columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *(["FORMAT", *names] if names else [])]
        body = []
        for line in lines:
            chromosome, position, name, ref, alt, *calls = line.split()
            body.append("\t".join([chromosome, position, name, ref, alt, ".", ".", ".", *([form, *calls] if names else [])]))
        path = tmp_path / "x.vcf"
        path.write_text(HEADER + "\n".join(["\t".join(columns), *body]) + "\n")
        return path

    return write


def decisions(report):
    return {decision.name: (decision.count, decision.text) for decision in report.decisions}


def test_calls__count_alt_alleles(vcf):
    genotypes, report = read_with_report(vcf("chr1 10 rs1 A C 0/0 0/1 1/1", "chr1 20 . G T ./. 1/0 0/0"))
    assert genotypes.to_array().tolist() == [[0, MISSING], [1, 1], [2, 0]]
    assert genotypes.variants["id"].tolist() == ["rs1", ""]
    assert genotypes.variants["chromosome"].tolist() == ["1", "1"]
    assert genotypes.sample_ids.tolist() == ["a", "b", "c"]
    assert genotypes.phase is None
    assert set(decisions(report)) == {"chromosome-names"}


def test_further_fields_of_a_call__do_not_matter(vcf):
    assert read_genotypes(vcf("1 10 rs1 A C 0/0:3 0/1:4 1/1:.", form="GT:DP")).to_array().tolist() == [[0], [1], [2]]


def test_multi_allelic_sites__are_dropped_and_reported(vcf):
    genotypes, report = read_with_report(vcf("1 10 v A C 0/0 0/1 1/1", "1 11 w A C,G 0/1 1/2 0/0", "1 12 w A G,<DEL> 0/1 1/2 0/0"))
    assert genotypes.variants["id"].tolist() == ["v"]
    count, text = decisions(report)["multi-allelic-sites"]
    assert count == 2
    assert "first: 1:11" in text
    assert "bcftools norm" in text


@pytest.mark.parametrize("alt", ["<DEL>", "*", "A[X:5[", "<NON_REF>", ".A"])
def test_sites_with_a_symbolic_alt__are_dropped_and_reported(vcf, alt):
    genotypes, report = read_with_report(vcf("1 10 v A C 0/0 0/1 1/1", f"1 11 w A {alt} 0/1 1/1 0/0"))
    assert genotypes.n_variants == 1
    assert decisions(report)["symbolic-sites"][0] == 1


def test_sites_without_alt__are_kept(vcf):
    genotypes = read_genotypes(vcf("1 10 v A . 0/0 0/0 ./."))
    assert genotypes.to_array().tolist() == [[0], [0], [MISSING]]
    assert genotypes.variants["alt"].tolist() == [""]


def test_insertions_and_deletions__are_variants_like_others(vcf):
    assert read_genotypes(vcf("1 10 v A ACG 0/0 0/1 1/1", "1 30 w ACG A 0/0 0/1 1/1")).n_variants == 2


def test_half_calls__are_missing_and_reported(vcf):
    genotypes, report = read_with_report(vcf("1 10 v A C 0/. ./1 .|1", "1 11 w A C 0/0 0/1 ./."))
    assert genotypes.to_array()[:, 0].tolist() == [MISSING] * 3
    assert decisions(report)["half-calls"][0] == 3


def test_haploid_calls__are_coded_as_homozygous_and_reported(vcf):
    genotypes, report = read_with_report(vcf("X 10 v A C 0 1 0/1", "X 11 w A C 1 . 1/1"))
    assert genotypes.to_array().tolist() == [[0, 2], [2, MISSING], [1, 2]]
    assert decisions(report)["haploid-calls"][0] == 3


def test_calls_of_three_alleles__are_refused(vcf):
    with pytest.raises(FormatError, match="1:10 has calls of 3 alleles; genobench reads diploid genotypes"):
        read_genotypes(vcf("1 10 v A C 0/0/1 0/0/0 0/1/1"))


def test_phase__is_kept_where_every_heterozygous_call_is_phased(vcf):
    genotypes, report = read_with_report(vcf("1 10 v A C 0|1 1|0 0/0", "1 11 w A C 1|1 0|1 .|."))
    assert genotypes.phase is not None
    assert np.unpackbits(genotypes.phase, axis=1, count=2, bitorder="little").tolist() == [[0, 0], [1, 0], [0, 0]]
    assert report.is_phased


def test_phase__is_left_out_and_reported_where_some_calls_have_none(vcf):
    genotypes, report = read_with_report(vcf("1 10 v A C 0|1 1|0 0/0", "1 11 w A C 1|1 0/1 .|."))
    assert genotypes.phase is None
    assert decisions(report)["phase-left-out"] == (1, "1 heterozygous calls are not phased (2 are): phase was left out for all.")


def test_a_vcf_without_gt__is_an_error(vcf):
    with pytest.raises(FormatError, match="has no GT: none of its 2 records holds hard calls"):
        read_genotypes(vcf("1 10 v A C 1 2 3", "1 11 w A C 1 2 3", form="DP"))


def test_a_record_without_gt__is_dropped_and_reported(vcf):
    path = vcf("1 10 v A C 0/0 0/1 1/1")
    path.write_text(path.read_text() + "1\t11\tw\tA\tC\t.\t.\t.\tDP\t1\t2\t3\n")
    genotypes, report = read_with_report(path)
    assert genotypes.n_variants == 1
    assert decisions(report)["sites-without-gt"][0] == 1


def test_a_vcf_without_samples_or_usable_sites__is_an_error(vcf):
    with pytest.raises(FormatError, match="has no samples: it lists sites only"):
        read_genotypes(vcf("1 10 v A C", samples=""))
    with pytest.raises(FormatError, match=r"holds no variant that can be kept\. 1 multi-allelic sites"):
        read_genotypes(vcf("1 10 v A C,G 0/0 0/1 1/1"))


def test_duplicate_sample_ids__are_an_error(vcf):
    with pytest.raises(FormatError, match=r"x\.vcf"):
        read_genotypes(vcf("1 10 v A C 0/0 0/1 1/1", samples="a b a"))


def test_records_out_of_order__are_sorted_and_reported(vcf):
    genotypes, report = read_with_report(vcf("X 5 v A C 0/0 0/1 1/1", "1 9 w A C 0/1 0/1 1/1", "1 3 u A C 1/1 0/1 1/1"))
    assert genotypes.variants["id"].tolist() == ["u", "w", "v"]
    assert decisions(report)["unsorted-variants"][0] == 2


def test_two_records_of_one_place__are_kept_and_reported(vcf):
    genotypes, report = read_with_report(vcf("1 10 v A C 0/0 0/1 1/1", "1 10 w A G 0/0 0/1 1/1"))
    assert genotypes.n_variants == 2
    assert decisions(report)["same-position"][0] == 1


def test_text_that_is_no_vcf__is_an_error(tmp_path):
    (tmp_path / "x.vcf").write_text("id,v1\na,0\n")
    with pytest.raises(FormatError, match="cannot be read as VCF or BCF"):
        read_genotypes(tmp_path / "x.vcf")


def test_a_cut_off_file__is_an_error(vcf, tmp_path):
    whole = vcf(*(f"1 {i} v{i} A C 0/0 0/1 1/1" for i in range(1, 3000)))
    cut = tmp_path / "cut.vcf"
    cut.write_bytes(whole.read_bytes()[:-7])
    with pytest.raises(FormatError, match="is cut off or malformed after record 2998"):
        read_genotypes(cut)
    zipped = tmp_path / "cut.vcf.gz"
    zipped.write_bytes(gzip.compress(whole.read_bytes())[:-2000])
    with pytest.raises(FormatError, match="is cut off or malformed after record"):
        read_genotypes(zipped)


def test_a_bgzipped_file_without_its_last_block__is_cut_off(tmp_path, vcf):
    block = bytes.fromhex("1f8b08040000000000ff0600424302001b0003") + b"\0" * 30
    (tmp_path / "x.vcf.gz").write_bytes(block)
    with pytest.raises(FormatError, match="the block that ends every bgzipped file is absent"):
        read_genotypes(tmp_path / "x.vcf.gz")


@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz"])
@pytest.mark.parametrize("phased", [False, True])
def test_writing_and_reading__gives_back_the_genotypes(tmp_path, make_genotypes, same, name, phased):
    genotypes = make_genotypes(6, 1100, phased=phased)
    write_genotypes(genotypes, tmp_path / name)
    genotypes_read, report = read_with_report(tmp_path / name)
    same(genotypes_read, genotypes)
    assert report.decisions == ()


def test_htslib__reads_what_we_write(tmp_path, make_genotypes):
    genotypes = make_genotypes()
    write_genotypes(genotypes, tmp_path / "x.vcf.gz")
    opened = VCF(str(tmp_path / "x.vcf.gz"), gts012=True)
    calls = np.array([record.gt_types.copy() for record in opened]).T
    assert np.array_equal(np.where(calls == 3, MISSING, calls), genotypes.to_array())
    assert opened.samples == genotypes.sample_ids.tolist()


def test_equal_genotypes__give_equal_bytes(tmp_path, make_genotypes):
    for name in ("x.vcf.gz", "y.vcf.gz"):
        write_genotypes(make_genotypes(), tmp_path / name)
    assert (tmp_path / "x.vcf.gz").read_bytes() == (tmp_path / "y.vcf.gz").read_bytes()


def test_unknown_alleles_and_places__come_back_as_unknown(tmp_path, make_genotypes, same):
    genotypes = make_genotypes(5, 4)
    table = genotypes.variants.assign(
        ref=["", "A", "", "G"], alt=["", "", "T", ""], position_bp=pd.array([None, 3, 7, 9], dtype="Int64"), id=["", "a", "", "b"]
    )
    genotypes = type(genotypes)(calls=genotypes.calls, samples=genotypes.samples, variants=table)
    write_genotypes(genotypes, tmp_path / "x.vcf")
    same(read_genotypes(tmp_path / "x.vcf"), genotypes)


def test_the_published_cattle_vcf__equals_its_npz_with_phase(shared_data, same):
    genotypes = read_genotypes(shared_data / "cattle_cgu_bta12" / "original" / "bta12_cgu.vcf.gz")
    same(genotypes, read_genotypes(shared_data / "cattle_cgu_bta12"))
    assert genotypes.phase is not None
