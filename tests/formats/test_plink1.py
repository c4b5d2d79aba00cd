from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed, to_bed

from genobench.calls import MISSING
from genobench.errors import FormatError
from genobench.formats import read_genotypes, read_with_report, write_genotypes


@pytest.fixture
def plink(tmp_path, make_genotypes):
    """Path of a written .bed of 7 samples and 13 variants."""
    write_genotypes(make_genotypes(), tmp_path / "x.bed")
    return tmp_path / "x.bed"


def test_writing_and_reading__gives_back_the_genotypes(tmp_path, make_genotypes, same):
    genotypes = make_genotypes()
    write_genotypes(genotypes, tmp_path / "x.bed")
    same(read_genotypes(tmp_path / "x.bed"), genotypes)


def test_more_variants_than_a_block__are_read_whole(tmp_path, make_genotypes, same):
    genotypes = make_genotypes(5, 2051)
    write_genotypes(genotypes, tmp_path / "x.bed")
    same(read_genotypes(tmp_path / "x.bed"), genotypes)


def test_our_bed__is_what_bed_reader_writes(tmp_path, make_genotypes):
    genotypes = make_genotypes()
    write_genotypes(genotypes, tmp_path / "ours.bed")
    calls = genotypes.to_array().astype(float)
    calls[calls == MISSING] = np.nan
    to_bed(tmp_path / "theirs.bed", calls)
    assert (tmp_path / "ours.bed").read_bytes() == (tmp_path / "theirs.bed").read_bytes()


def test_allele_1__is_the_counted_one(tmp_path):
    """bed_reader counts allele 1 by default; genobench calls it alt."""
    properties = {"iid": ["a"], "sid": ["v"], "chromosome": ["1"], "bp_position": [5], "allele_1": ["T"], "allele_2": ["G"]}
    to_bed(tmp_path / "x.bed", np.array([[2.0]]), properties=properties)
    genotypes = read_genotypes(tmp_path / "x.bed")
    assert genotypes.to_array().tolist() == [[2]]
    assert genotypes.variants[["ref", "alt"]].to_numpy().tolist() == [["G", "T"]]


def test_a_prefix_or_any_of_the_three__finds_the_bed(plink, same):
    genotypes = read_genotypes(plink)
    for path in (plink.with_suffix(""), plink.with_suffix(".bim"), plink.with_suffix(".fam")):
        same(read_genotypes(path), genotypes)


def test_fam__says_sex_family_and_parents_where_it_knows(plink):
    lines = ["f1 a 0 0 1 -9", "f1 b 0 0 2 -9", "f2 c a b 0 -9", "f2 d a b 1 -9", "f3 e 0 0 1 -9", "f3 f 0 0 1 -9", "f3 g 0 0 1 -9"]
    plink.with_suffix(".fam").write_text("\n".join(lines) + "\n")
    samples = read_genotypes(plink).samples
    assert samples.columns.tolist() == ["id", "sex", "family", "sire", "dam"]
    assert samples["sex"].tolist()[:2] == ["male", "female"]
    assert pd.isna(samples["sex"][2])
    assert samples["sire"].tolist()[2:4] == ["a", "a"]
    assert samples["sire"].isna().tolist() == [True, True, False, False, True, True, True]


def test_fam__adds_no_column_that_says_nothing(plink):
    plink.with_suffix(".fam").write_text("".join(f"all s{i} 0 0 0 1\n" for i in range(7)))
    assert read_genotypes(plink).samples.columns.tolist() == ["id"]


def test_fam_phenotype__is_kept_where_it_varies_and_zero_is_missing_among_cases_and_controls(plink):
    plink.with_suffix(".fam").write_text("".join(f"s{i} s{i} 0 0 0 {'0121-9'[i] if i < 4 else 2}\n" for i in range(7)))
    phenotype = read_genotypes(plink).samples["phenotype"]
    assert phenotype.isna().tolist() == [True, False, False, False, False, False, False]
    plink.with_suffix(".fam").write_text("".join(f"s{i} s{i} 0 0 0 {'-9' if i == 3 else i / 2}\n" for i in range(7)))
    phenotype = read_genotypes(plink).samples["phenotype"]
    assert phenotype.isna().tolist() == [False, False, False, True, False, False, False]
    assert phenotype[1] == 0.5


def test_ids_that_repeat_across_families__are_prefixed_with_the_family(plink):
    plink.with_suffix(".fam").write_text("".join(f"f{i} {'ab'[i > 3]}{i % 4} f{i} 0 0 -9\n".replace("f4 b0", "f4 a0") for i in range(7)))
    genotypes, report = read_with_report(plink)
    assert genotypes.sample_ids.tolist()[:2] == ["f0_a0", "f1_a1"]
    assert genotypes.samples["sire"][0] == "f0_f0"
    assert "1 ids stand in several families (a0)" in next(d.text for d in report.decisions if d.name == "ids-with-family")


def test_ids_that_repeat_within_a_family__are_an_error_that_names_them(plink):
    plink.with_suffix(".fam").write_text("".join(f"f s{i % 6} 0 0 0 -9\n" for i in range(7)))
    with pytest.raises(FormatError, match="1 sample ids stand more than once: f_s0"):
        read_genotypes(plink)


def test_bim__reads_unknown_places_and_alleles_as_missing(plink):
    bim = plink.with_suffix(".bim")
    lines = bim.read_text().splitlines()
    lines[1] = "1\t.\t0\t-9\t0\tA"
    bim.write_text("\n".join(lines) + "\n")
    row = read_genotypes(plink).variants.iloc[1]
    assert pd.isna(row["position_bp"])
    assert (row["id"], row["ref"], row["alt"]) == ("", "A", "")


def test_bim__keeps_a_genetic_map(plink, tmp_path):
    bim = plink.with_suffix(".bim")
    rows = [line.split() for line in bim.read_text().splitlines()]
    bim.write_text("".join("\t".join([*row[:2], f"{i / 8:g}", *row[3:]]) + "\n" for i, row in enumerate(rows)))
    genotypes = read_genotypes(plink)
    assert genotypes.variants["position_cm"].tolist() == [i / 8 for i in range(13)]
    write_genotypes(genotypes, tmp_path / "again.bed")
    assert (tmp_path / "again.bim").read_text() == bim.read_text()


def test_numeric_sex_chromosomes__follow_the_number_of_autosomes(plink):
    bim = plink.with_suffix(".bim")
    bim.write_text(bim.read_text().replace("X\t", "21\t"))
    assert set(read_genotypes(plink).variants["chromosome"]) == {"1", "21"}
    genotypes, report = read_with_report(plink, n_autosomes=20)
    assert set(genotypes.variants["chromosome"]) == {"1", "X"}
    assert [decision.text for decision in report.decisions] == ["Chromosomes were renamed: 21 → X."]


def test_unsorted_variants__are_sorted_and_reported(plink, same):
    expected = read_genotypes(plink)
    backwards = np.arange(12, -1, -1)
    write_genotypes(expected.take_variants(backwards), plink.with_name("y.bed"))
    genotypes, report = read_with_report(plink.with_name("y.bed"))
    same(genotypes, expected)
    assert [decision.name for decision in report.decisions] == ["unsorted-variants"]


def test_duplicate_variant_ids__are_kept_and_reported(plink):
    bim = plink.with_suffix(".bim")
    bim.write_text(bim.read_text().replace("rs3\t", "rs2\t"))
    genotypes, report = read_with_report(plink)
    assert genotypes.n_variants == 13
    assert [(decision.name, decision.count) for decision in report.decisions] == [("duplicate-variant-ids", 1)]


@pytest.mark.parametrize("suffix", [".bim", ".fam"])
def test_an_absent_file__is_named(plink, suffix):
    plink.with_suffix(suffix).unlink()
    with pytest.raises(FormatError, match=rf"x\{suffix} is absent; a PLINK 1 dataset is three files"):
        read_genotypes(plink)


def test_a_cut_off_bed__is_an_error_that_counts_bytes(plink):
    content = plink.read_bytes()
    plink.write_bytes(content[:-1])
    with pytest.raises(
        FormatError, match=r"has 28 bytes; 7 samples in the \.fam and 13 variants in the \.bim make 29\. It is cut off after variant 12"
    ):
        read_genotypes(plink)
    plink.write_bytes(content[:-2])
    with pytest.raises(FormatError, match=r"For 7 samples it holds 12 variants: it is cut off, or the \.bim belongs to another"):
        read_genotypes(plink)


def test_a_bim_of_another_length__is_an_error(plink):
    bim = plink.with_suffix(".bim")
    bim.write_text("".join(bim.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(FormatError, match=r"12 variants in the \.bim make 27\. For 7 samples it holds 13 variants: the"):
        read_genotypes(plink)


def test_a_fam_of_another_length__is_an_error(plink):
    fam = plink.with_suffix(".fam")
    fam.write_text(fam.read_text() + "g t1 0 0 0 -9\ng t2 0 0 0 -9\n")
    with pytest.raises(FormatError, match=r"9 samples in the \.fam and 13 variants in the \.bim make 42"):
        read_genotypes(plink)


def test_swapped_bim_and_fam__are_an_error_that_guesses_it(tmp_path, make_genotypes):
    write_genotypes(make_genotypes(4, 40), tmp_path / "x.bed")
    bim, fam = (tmp_path / "x.bim").read_text(), (tmp_path / "x.fam").read_text()
    (tmp_path / "x.bim").write_text(fam.replace("\t0\t0\t0\t-9", "\t0\t5\tA\tC"))
    (tmp_path / "x.fam").write_text(bim)
    with pytest.raises(FormatError, match=r"holds alleles where the sex should be \(line 1: '[GT]'\): were \.bim and \.fam swapped\?"):
        read_genotypes(tmp_path / "x.bed")


def test_a_file_that_is_no_bed__is_an_error_that_shows_its_bytes(plink):
    plink.write_bytes(plink.with_suffix(".bim").read_bytes())
    with pytest.raises(FormatError, match=r"begins with the bytes 31 09 72; a PLINK 1 \.bed begins with 6c 1b 01"):
        read_genotypes(plink)
    plink.write_bytes(b"")
    with pytest.raises(FormatError, match="begins with the bytes none"):
        read_genotypes(plink)


def test_a_sample_major_bed__is_refused_with_the_way_out(plink):
    plink.write_bytes(b"\x6c\x1b\x00" + plink.read_bytes()[3:])
    with pytest.raises(FormatError, match=r"is sample-major .*--make-bed"):
        read_genotypes(plink)
    plink.write_bytes(b"\x6c\x1b\x07" + plink.read_bytes()[3:])
    with pytest.raises(FormatError, match="has the third byte 07"):
        read_genotypes(plink)


def test_malformed_lines__are_named(plink):
    bim = plink.with_suffix(".bim")
    good = bim.read_text()
    bim.write_text(good.replace("1\trs2\t0", "1\trs2"))
    with pytest.raises(FormatError, match=r"x\.bim, line 3, has 5 fields; a line of a \.bim has six"):
        read_genotypes(plink)
    bim.write_text(good.replace("1\trs2\t0\t2005", "1\trs2\t0\ttwo"))
    with pytest.raises(FormatError, match=r"x\.bim, line 3: position_bp is 'two'; it must be a number"):
        read_genotypes(plink)


def test_names_with_blanks__cannot_be_written(tmp_path, make_genotypes):
    genotypes = make_genotypes()
    renamed = genotypes.with_samples(genotypes.samples.assign(id=[f"s {i}" for i in range(7)]))
    with pytest.raises(FormatError, match="'s 0' contains a blank"):
        write_genotypes(renamed, tmp_path / "x.bed")
    assert list(tmp_path.iterdir()) == []


def test_sex_and_parents__are_written(tmp_path, make_genotypes):
    genotypes = make_genotypes()
    table = genotypes.samples.assign(
        sex=["male", "female", None, "male", None, None, None], sire=["s3", None, None, None, None, None, None]
    )
    write_genotypes(genotypes.with_samples(table), tmp_path / "x.bed")
    with open_bed(tmp_path / "x.bed") as opened:
        assert opened.sex.tolist() == [1, 2, 0, 1, 0, 0, 0]
        assert opened.father.tolist() == ["s3", "0", "0", "0", "0", "0", "0"]


def test_the_published_rat_files__equal_their_npz(shared_data, same):
    genotypes, report = read_with_report(shared_data / "rat_hs_192" / "original" / "TEST")
    same(genotypes, read_genotypes(shared_data / "rat_hs_192"))
    assert (report.n_samples, report.n_variants, report.n_missing_calls, report.decisions) == (192, 63831, 21807, ())
