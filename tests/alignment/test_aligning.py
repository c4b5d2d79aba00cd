"""Genotypes of several files over one list of variants."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genobench.alignment import align
from genobench.errors import GenotypesError
from genobench.genotypes import Genotypes
from genobench.testing.examples import example_genotypes

if TYPE_CHECKING:
    from genobench.contracts import Part

_NAMES: dict[Part, str] = {"train": "the train file t.bed", "holdout": "the holdout file h.vcf", "synthetic": "the synthetic file s.csv"}


def _with(genotypes: Genotypes, **columns) -> Genotypes:
    return replace(genotypes, variants=genotypes.variants.assign(**columns))


@pytest.fixture(scope="module")
def train() -> Genotypes:
    """Missing calls, A/G everywhere but for one A/T."""
    genotypes = example_genotypes(n_samples=30, n_variants=20, missing_share=0.1)
    return _with(genotypes, ref="A", alt=["T", *["G"] * 19])


def test_align__order_and_alleles_of_train_rule(train):
    """A file with other order and half of its alleles exchanged becomes the same calls again; missing ones stay missing."""
    is_turned = np.arange(20) % 2 == 1
    calls = train.to_array()
    calls = np.where(is_turned & (calls >= 0), 2 - calls, calls).astype(np.int8)
    alleles = {"ref": np.where(is_turned, train.variants["alt"], "A"), "alt": np.where(is_turned, "A", train.variants["alt"])}
    other = replace(_with(train, **alleles), calls=calls).take_variants(np.random.default_rng(0).permutation(20))
    aligned = align(train, {"synthetic": other}, _NAMES)
    assert np.array_equal(aligned.parts["synthetic"].to_array(), train.to_array())
    pd.testing.assert_frame_equal(aligned.parts["synthetic"].variants, train.variants)
    assert (aligned.n_flipped, aligned.n_dropped) == (10, 0)


def test_align__phase_is_turned_with_the_calls(train):
    calls = train.to_array()
    first = np.random.default_rng(1).random(calls.shape) < 0.5
    phase = np.packbits(first & (calls == 1), axis=1, bitorder="little")
    turned = np.packbits(~first & (calls == 1), axis=1, bitorder="little")
    flipped = np.where(calls >= 0, 2 - calls, calls).astype(np.int8)
    phased = _with(train, alt="G")
    other = Genotypes(calls=flipped, samples=train.samples, variants=phased.variants.assign(ref="G", alt="A"), phase=turned)
    aligned = align(replace(phased, phase=phase), {"synthetic": other}, _NAMES).parts
    assert aligned["synthetic"].phase is not None
    assert np.array_equal(aligned["synthetic"].phase, phase)
    assert aligned["train"].phase is phase


def test_align__what_one_file_lacks_is_dropped_from_all(train):
    parts: dict[Part, Genotypes] = {"holdout": train.take_variants(np.arange(5, 20)), "synthetic": train.take_variants(np.arange(12))}
    aligned = align(train, parts, _NAMES)
    assert [part.n_variants for part in aligned.parts.values()] == [7, 7, 7]
    assert aligned.n_dropped == 13
    assert np.array_equal(aligned.parts["holdout"].to_array(), train.to_array()[:, 5:12])


def test_align__no_variant_in_all_files_is_an_error(train):
    parts: dict[Part, Genotypes] = {"holdout": train.take_variants(np.arange(10)), "synthetic": train.take_variants(np.arange(10, 20))}
    with pytest.raises(GenotypesError, match=r"No variant is in all files: the holdout file h\.vcf shares 10 with train"):
        align(train, parts, _NAMES)


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (
            lambda table: {"position_bp": table["position_bp"] - 1},
            r"the first: 1:\d+:A:T.*With \+1 added.*20 would be: .* counts positions from 0",
        ),
        (lambda table: {"position_bp": table["position_bp"] + 777_777}, "20 ids are in both, at other positions: .* two builds"),
        (lambda table: {"chromosome": "contig" + table["chromosome"]}, "no chromosome alike"),
        (lambda _: {"ref": "C", "alt": "AAA"}, "20 places are in both, with other alleles"),
        (lambda table: {"position_bp": table["position_bp"] + 777_777, "id": ""}, "two builds of the genome, or of two chips"),
        (lambda _: {"chromosome": "0", "position_bp": pd.NA, "id": ""}, "as many variants, but nothing says that they are the same"),
    ],
)
def test_align__nothing_in_common_says_what_may_be_the_matter(train, columns, hint):
    other = _with(train, **columns(train.variants))
    with pytest.raises(GenotypesError, match=f"No variant is in both the train file .*{hint}"):
        align(train, {"synthetic": other}, _NAMES)


def test_align__a_chance_match_does_not_hide_another_build():
    """Of 60 variants 50 kb apart two lie where others did; the shifted file is refused all the same."""
    train = _with(example_genotypes(n_samples=10, n_variants=60), ref="A", alt="G")
    positions = train.variants["position_bp"].to_numpy().copy()
    shifted = positions - 1
    shifted[:2] = positions[:2]
    with pytest.raises(GenotypesError, match="Only 2 of 60 variants are in both"):
        align(train, {"synthetic": _with(train, position_bp=shifted)}, _NAMES)
