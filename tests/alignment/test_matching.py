"""Which variants of two files are the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genobench.alignment.matching import match_variants


def _variants(*rows: tuple[str, int | None, str, str, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chromosome", "position_bp", "id", "ref", "alt"])
    return table.astype({"position_bp": "Int64"})


@pytest.mark.parametrize(
    ("alleles", "place", "is_flipped", "count"),
    [
        (("A", "G"), 0, False, None),
        (("a", "g"), 0, False, None),
        (("G", "A"), 0, True, "flipped"),
        (("T", "C"), 0, False, "other_strand"),
        (("C", "T"), 0, True, "other_strand"),
        (("A", "C"), -1, False, "other_alleles"),
        (("A", ""), 0, False, "without_alleles"),
        (("G", ""), 0, True, "without_alleles"),
        (("", "A"), 0, True, "without_alleles"),
        (("T", ""), 0, False, "without_alleles"),
        (("", ""), 0, False, "without_alleles"),
    ],
)
def test_match_variants__alleles_of_a_site_that_is_a_to_g_in_train(alleles, place, is_flipped, count):
    match = match_variants(_variants(("1", 10, "", "A", "G")), _variants(("1", 10, "", *alleles)))
    assert (match.places[0], match.is_flipped[0]) == (place, is_flipped)
    if count:
        assert match.counts.to_json()[count] == 1


@pytest.mark.parametrize(("alleles", "place", "count"), [(("A", "T"), 0, "palindromic"), (("T", "A"), -1, "palindromic_dropped")])
def test_match_variants__palindromic_site_is_kept_only_as_it_stands(alleles, place, count):
    """A/T turned about is either flipped or of the other strand, and the two differ in every call."""
    match = match_variants(_variants(("1", 10, "", "A", "T")), _variants(("1", 10, "", *alleles)))
    assert match.places[0] == place
    assert match.counts.to_json()[count] == 1
    assert match.counts.other_alleles == 0


def test_match_variants__longer_alleles_are_flipped_but_have_no_other_strand():
    train = _variants(("1", 10, "", "A", "AT"), ("1", 20, "", "A", "AT"))
    match = match_variants(train, _variants(("1", 10, "", "AT", "A"), ("1", 20, "", "T", "TA")))
    assert match.places.tolist() == [0, -1]
    assert match.is_flipped.tolist() == [True, False]


def test_match_variants__several_at_one_place_are_told_apart_by_alleles():
    train = _variants(("1", 10, "", "A", "C"), ("1", 10, "", "A", "G"), ("1", 10, "", "A", "G"))
    other = _variants(("1", 10, "", "G", "A"), ("1", 10, "", "A", "G"), ("1", 10, "", "A", "C"))
    match = match_variants(train, other)
    assert match.places.tolist() == [2, 1, 0]
    assert match.is_flipped.tolist() == [False, False, True]


def test_match_variants__several_at_one_place_without_alleles_are_left_out():
    train = _variants(("1", 10, "", "A", "C"), ("1", 10, "", "A", "G"), ("1", 20, "", "A", "G"))
    match = match_variants(train, _variants(("1", 10, "", "", ""), ("1", 10, "", "", ""), ("1", 20, "", "", "")))
    assert match.places.tolist() == [-1, -1, 2]
    assert match.counts.same_place == 2


def test_match_variants__ids_serve_where_a_position_is_not_known():
    train = _variants(("1", 10, "rs1", "A", "G"), ("1", 20, "rs2", "A", "G"), ("1", 30, "rs3", "A", "G"))
    other = _variants(("0", None, "rs2", "G", "A"), ("0", None, "rs1", "", ""), ("2", 99, "rs3", "A", "G"))
    match = match_variants(train, other)
    assert match.places.tolist() == [1, 0, -1], "rs3 has another position, so it is another build and not believed"
    assert match.is_flipped.tolist() == [False, True, False]
    assert (match.counts.by_id, match.counts.absent) == (2, 1)


def test_match_variants__what_ids_join_and_alleles_part_is_counted_as_such():
    train = _variants(("0", None, "rs1", "A", "T"), ("0", None, "rs2", "A", "G"), ("0", None, "rs3", "A", "G"))
    counts = match_variants(train, _variants(("0", None, "rs1", "T", "A"), ("0", None, "rs2", "A", "C"))).counts
    assert (counts.matched, counts.palindromic_dropped, counts.other_alleles, counts.absent) == (0, 1, 1, 0)


def test_match_variants__ids_that_repeat_serve_in_order_only():
    train = _variants(*(("0", None, name, "", "") for name in ("a", "a", "b")))
    assert match_variants(train, train).places.tolist() == [0, 1, 2]
    assert match_variants(train, train.iloc[::-1].reset_index(drop=True)).places.tolist() == [-1, -1, 0]


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("12"),
            st.integers(1, 6),
            st.just(""),
            st.sampled_from(["A", "C", "G", "T", "AT", ""]),
            st.sampled_from(["A", "C", "G", "T", "AT", ""]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_match_variants__is_one_to_one_and_every_variant_is_counted_once(rows, random):
    other = _variants(*rows)
    train = _variants(*random.sample(rows, len(rows)))
    match = match_variants(train, other)
    found = match.places[match.places >= 0]
    assert len(np.unique(found)) == len(found)
    counts = match.counts
    assert counts.matched == len(found)
    left = counts.palindromic_dropped + counts.other_alleles + counts.same_place + counts.absent
    assert counts.matched + left == counts.variants == len(other)
    places = train[["chromosome", "position_bp"]].to_numpy()[match.places >= 0]
    assert (places == other[["chromosome", "position_bp"]].to_numpy()[found]).all()
