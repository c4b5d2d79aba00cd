from __future__ import annotations

import pandas as pd
import pytest

from genobench.errors import FormatError
from genobench.formats.chromosomes import chromosome_name, chromosome_rank, variant_order


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1", "1"),
        ("chr1", "1"),
        ("CHR01", "1"),
        ("chrX", "X"),
        ("x", "X"),
        ("M", "MT"),
        ("chrM", "MT"),
        ("23", "23"),
        ("0", "0"),
        (".", "0"),
        ("", "0"),
        ("chr", "chr"),
        ("NW_003099.1", "NW_003099.1"),
        ("chrUn_12", "Un_12"),
    ],
)
def test_a_name__has_one_spelling(name, expected):
    assert chromosome_name(name) == expected


@pytest.mark.parametrize(("name", "expected"), [("29", "29"), ("30", "X"), ("31", "Y"), ("32", "XY"), ("33", "MT"), ("X", "X")])
def test_numbers_after_the_autosomes__are_those_of_plink(name, expected):
    """The codes of `plink --cow`, which has 29 autosomes: https://www.cog-genomics.org/plink/1.9/input#allow_extra_chr."""
    assert chromosome_name(name, n_autosomes=29) == expected


def test_a_number_beyond_all_codes__is_an_error():
    with pytest.raises(FormatError, match="Chromosome 34 is beyond n_autosomes = 29"):
        chromosome_name("34", n_autosomes=29)


def test_natural_order__puts_two_before_ten_and_unknown_last():
    names = ["0", "scaffold7", "MT", "XY", "Y", "X", "10", "2", "1"]
    assert sorted(names, key=chromosome_rank) == ["1", "2", "10", "X", "Y", "XY", "MT", "scaffold7", "0"]


def table(chromosome, bp, cm=None):
    made = pd.DataFrame({"chromosome": chromosome, "position_bp": pd.array(bp, dtype="Int64")})
    return made if cm is None else made.assign(position_cm=cm)


def test_order__sorts_by_chromosome_then_position():
    assert variant_order(table(["10", "2", "2"], [5, 9, 3])).tolist() == [2, 1, 0]


def test_order__leaves_equal_positions_as_they_stand():
    assert variant_order(table(["1"] * 4, [5, 5, 1, 5])).tolist() == [2, 0, 1, 3]


def test_a_variant_without_position__stays_behind_the_one_it_follows():
    assert variant_order(table(["1"] * 5, [None, 7, None, 3, None])).tolist() == [0, 3, 4, 1, 2]


def test_a_complete_map_in_order__wins_over_positions_that_contradict_it():
    assert variant_order(table(["1"] * 3, [30, 10, 20], [0.0, 0.1, 0.1])).tolist() == [0, 1, 2]


def test_a_complete_map_out_of_order__sorts_and_position_breaks_ties():
    assert variant_order(table(["1"] * 4, [40, 30, 20, 10], [0.2, 0.1, 0.1, 0.0])).tolist() == [3, 2, 1, 0]


def test_an_incomplete_or_empty_map__does_not_decide():
    assert variant_order(table(["1"] * 3, [30, 10, 20], [0.0, None, 0.1])).tolist() == [1, 2, 0]
    assert variant_order(table(["1"] * 3, [30, 10, 20], [0.0, 0.0, 0.0])).tolist() == [1, 2, 0]
