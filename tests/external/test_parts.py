"""From files to parts that can be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from genobench.calls import PackedCalls
from genobench.errors import DatasetError, GenotypesError
from genobench.external.parts import FileRequest, _group_warnings, read_parts
from genobench.formats import write_genotypes
from genobench.genotypes import Genotypes
from genobench.testing.examples import example_genotypes

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.contracts import Part

_WHOLE = example_genotypes(n_samples=96, n_variants=40, missing_share=0.02)
_FAMILIES = np.arange(96) // 6
_PARTS: dict[Part, Any] = {
    "holdout": np.flatnonzero(_FAMILIES >= 12),
    "nonmembers": np.flatnonzero((_FAMILIES < 12) & (np.arange(96) % 6 == 0)),
    "train": np.flatnonzero((_FAMILIES < 12) & (np.arange(96) % 6 > 0)),
}


def _synthetic(n_samples: int = 20, *, prefix: str = "made") -> Genotypes:
    calls = np.random.default_rng(3).integers(0, 3, (n_samples, 40)).astype(np.int8)
    return Genotypes(
        calls=PackedCalls.from_calls(calls),
        samples=pd.DataFrame({"id": [f"{prefix}{row}" for row in range(n_samples)]}),
        variants=_WHOLE.variants,
    )


@pytest.fixture
def files(tmp_path: Path) -> FileRequest:
    """The four parts, each in another format; only the .npz files say more of samples than their ids."""
    train, holdout, nonmembers = (_WHOLE.take_samples(_PARTS[part]) for part in ("train", "holdout", "nonmembers"))
    write_genotypes(train.with_samples(train.samples[["id"]]), tmp_path / "train.bed")
    write_genotypes(holdout, tmp_path / "holdout.vcf.gz")
    write_genotypes(nonmembers.with_samples(nonmembers.samples[["id"]]), tmp_path / "nonmembers.npz")
    write_genotypes(_synthetic(), tmp_path / "synthetic.csv")
    _WHOLE.samples.to_csv(tmp_path / "phenotypes.csv", index=False)
    return FileRequest(
        train=tmp_path / "train.bed",
        holdout=tmp_path / "holdout.vcf.gz",
        nonmembers=tmp_path / "nonmembers.npz",
        synthetic=tmp_path / "synthetic.csv",
    )


def test_read_parts__four_formats_hold_the_calls_that_were_written(files):
    parts = read_parts(files)
    for part in ("train", "holdout", "nonmembers"):
        assert np.array_equal(parts.genotypes[part].to_array(), _WHOLE.to_array()[_PARTS[part]])
    assert np.array_equal(parts.genotypes["synthetic"].to_array(), _synthetic().to_array())
    assert (parts.variants["matched"], parts.variants["flipped"], parts.variants["dropped"]) == (40, 0, 0)
    assert parts.trait.column == "", "nobody gave one"
    assert not any("No synthetic sample" in warning for warning in parts.warnings)
    assert parts.files["holdout"]["format"] == "VCF"


def test_read_parts__phenotypes_are_joined_by_id_and_families_found_across_parts(files, tmp_path):
    parts = read_parts(replace(files, phenotypes=(tmp_path / "phenotypes.csv",), trait="weight"))
    weights = parts.genotypes["nonmembers"].samples["weight"].to_numpy(dtype=float)
    assert np.allclose(weights, _WHOLE.samples["weight"].to_numpy(dtype=float)[_PARTS["nonmembers"]])
    assert parts.trait.kind == "quantitative"
    assert "weight" not in parts.genotypes["synthetic"].samples
    assert any("No synthetic sample has a 'weight'" in warning for warning in parts.warnings)
    assert parts.has_families, "holdout and train have no family in common"
    for part, positions in _PARTS.items():
        same = parts.groups[part][:, None] == parts.groups["train"][None, :]
        assert np.array_equal(same, _FAMILIES[positions][:, None] == _FAMILIES[_PARTS["train"]][None, :])


def test_read_parts__without_families_relatives_are_grouped_by_kinship(files):
    parts = read_parts(files)
    assert "by kinship" in " ".join(parts.notes)
    assert {part: len(groups) for part, groups in parts.groups.items()} == {part: len(where) for part, where in _PARTS.items()}


def test_read_parts__row_of_a_real_sample_is_not_a_synthetic_one_of_the_same_id(files, tmp_path):
    """Synthetic samples numbered as real ones must not be given the real ones' traits."""
    write_genotypes(_synthetic(prefix="sample000"), tmp_path / "synthetic.csv")
    asked = replace(files, phenotypes=(tmp_path / "phenotypes.csv",), trait="coat")
    assert set(_synthetic(prefix="sample000").sample_ids) & set(_WHOLE.sample_ids)
    assert "coat" not in read_parts(asked).genotypes["synthetic"].samples
    table = pd.DataFrame({"id": [f"made{row}" for row in range(20)], "coat": ["red", "white"] * 10})
    table.to_csv(tmp_path / "made.csv", index=False)
    write_genotypes(_synthetic(), tmp_path / "synthetic.csv")
    both = replace(asked, phenotypes=(*asked.phenotypes, tmp_path / "made.csv"))
    given = read_parts(both)
    assert given.genotypes["synthetic"].samples["coat"].tolist() == ["red", "white"] * 10
    assert not any("No synthetic sample" in warning for warning in given.warnings)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"nonmembers": "train.bed"},
            GenotypesError,
            "60 of the 60 nonmembers have the id of a training sample; the first is 'sample0001'",
        ),
        ({"holdout": "train.bed"}, GenotypesError, "holdout samples have the id of a training sample"),
        ({"trait": "colour"}, DatasetError, "There is no column 'colour' of the real samples"),
        ({"family": "herd"}, DatasetError, "There is no column 'herd' to group relatives by"),
        ({"phenotypes": "phenotypes.csv"}, DatasetError, "Which column of the phenotype table is the trait.*weight, coat, grade"),
    ],
)
def test_read_parts__what_cannot_be_compared_is_refused(files, tmp_path, changes, error, message):
    paths = {name: tmp_path / value for name, value in changes.items() if "." in value}
    asked = replace(files, **{**changes, **paths, **({"phenotypes": (paths["phenotypes"],)} if "phenotypes" in paths else {})})
    with pytest.raises(error, match=message):
        read_parts(asked)


@pytest.mark.parametrize(
    ("calls", "warning"),
    [
        (np.full((20, 40), -1), "100% of the calls of synthetic.csv are missing"),
        (np.zeros((20, 40)), "All 40 variants of synthetic.csv have one genotype only"),
        (2 - _WHOLE.to_array()[:20].clip(0), "synthetic.csv seems to count the other allele"),
    ],
)
def test_read_parts__a_file_that_says_little_is_warned_of(files, tmp_path, calls, warning):
    write_genotypes(replace(_synthetic(), calls=calls.astype(np.int8)), tmp_path / "synthetic.csv")
    assert warning in " ".join(read_parts(files).warnings)


def test_read_parts__training_samples_under_other_names_are_warned_of(files, tmp_path):
    train = _WHOLE.take_samples(_PARTS["train"][:7])
    write_genotypes(train.with_samples(pd.DataFrame({"id": [f"new{row}" for row in range(7)]})), tmp_path / "nonmembers.npz")
    assert "7 nonmembers have exactly the calls of a training sample" in " ".join(read_parts(files).warnings)


def test_read_parts__files_that_share_few_variants_are_warned_of(files, tmp_path):
    write_genotypes(replace(_synthetic().take_variants(np.arange(15))), tmp_path / "synthetic.csv")
    train = example_genotypes(n_samples=96, n_variants=40).take_samples(_PARTS["train"])
    moved = train.variants.assign(position_bp=train.variants["position_bp"].where(np.arange(40) < 5, train.variants["position_bp"] + 7))
    write_genotypes(replace(train, variants=moved).with_samples(train.samples[["id"]]), tmp_path / "train.bed")
    parts = read_parts(replace(files, holdout=None, nonmembers=None))
    assert parts.variants["matched"] == 5
    assert "Of 15 variants of synthetic.csv and 40 of train.bed only 5 are the same." in parts.warnings


@pytest.mark.parametrize(
    ("train", "nonmembers", "expected"),
    [
        ([0, 0, 1, 1], [2, 3], 1),
        ([0, 0, 1, 1], [1, 3], 0),
        ([0, 1, 2, 3], [4, 5], 0),
        ([0, 0, 1, 1], [], 0),
    ],
)
def test_group_warnings__say_when_nonmembers_are_of_other_families(train, nonmembers, expected):
    """Attacks would find the family, and the self-check cannot see it: its stand-ins are strangers to both sides."""
    groups: dict[Part, Any] = {"train": np.array(train), "nonmembers": np.array(nonmembers, dtype=np.intp)}
    assert len(_group_warnings(groups)) == expected
