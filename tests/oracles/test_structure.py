"""Relationships, principal components, kinship within a set and Fst on real genotypes: PLINK 2 and GEMMA on the same files."""

from __future__ import annotations

import shutil
import subprocess
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

from genobench import MISSING
from genobench.statgen import (
    PrincipalComponents,
    alt_frequency,
    genotype_counts,
    hudson_fst,
    king_between,
    vanraden_1,
    vanraden_2,
    weir_cockerham_fst,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Calls = NDArray[np.int8]

pytestmark = pytest.mark.oracle

plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
gemma = pytest.mark.skipif(shutil.which("gemma") is None, reason="gemma is not installed")


@pytest.fixture(scope="module")
def bulls(shared_data, tmp_path_factory) -> tuple[Path, Calls]:
    """300 dairy bulls x 3,625 variants of all autosomes, half-sib families, 0.3 % of calls missing."""
    calls = np.load(shared_data / "cattle_bulls_500" / "genotypes.npz")["dosage"][:300, ::2]
    variants = pd.read_csv(shared_data / "cattle_bulls_500" / "variants.csv").iloc[::2]
    return _written(tmp_path_factory.mktemp("bulls"), calls, variants), calls


@pytest.fixture(scope="module")
def people(shared_data, tmp_path_factory) -> tuple[Path, Calls, NDArray[np.str_]]:
    """313 people of five super-populations x 805 variants; one call in fifty is hidden."""
    calls = np.load(shared_data / "human_1kg_805" / "genotypes.npz")["dosage"][::8].copy()
    calls[np.random.default_rng(1).random(calls.shape) < 0.02] = MISSING
    table = pd.read_csv(shared_data / "human_1kg_805" / "samples.csv").iloc[::8]
    bed = _written(tmp_path_factory.mktemp("people"), calls, pd.read_csv(shared_data / "human_1kg_805" / "variants.csv"))
    labels = table["super_population"].to_numpy(dtype=str)
    rows = "".join(f"s{row}\ts{row}\t{label}\n" for row, label in enumerate(labels))
    (bed.parent / "labels.txt").write_text("#FID\tIID\tLABEL\n" + rows)
    return bed, calls, labels


def _written(folder: Path, calls: Calls, variants: pd.DataFrame) -> Path:
    n_samples, n_variants = calls.shape
    ids = np.array([f"s{row}" for row in range(n_samples)])
    properties = {
        "fid": ids,
        "iid": ids,
        "pheno": np.ones(n_samples),
        "chromosome": variants["chrom"].to_numpy(dtype=str),
        "bp_position": variants["pos"].to_numpy(),
        "sid": [f"v{column}" for column in range(n_variants)],
        "allele_1": np.full(n_variants, "C"),
        "allele_2": np.full(n_variants, "A"),
    }
    values = calls.astype(np.float32)
    values[calls == MISSING] = np.nan
    to_bed(folder / "data.bed", values, properties=properties, count_A1=True)
    return folder / "data.bed"


def _plink(bed: Path, folder: Path, *options: str) -> Path:
    command = ["plink2", "--bfile", str(bed.with_suffix("")), "--chr-set", "29", "--threads", "1", "--out", str(folder / "out"), *options]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "out"


def _scale(calls: Calls) -> float:
    """From a covariance per variant to VanRaden's first method."""
    frequency = alt_frequency(calls)
    return float(calls.shape[1] / (2 * frequency * (1 - frequency)).sum())


@plink2
def test_vanraden_1__agrees_with_plink2(bulls, tmp_path):
    bed, calls = bulls
    out = _plink(bed, tmp_path, "--make-rel", "cov", "meanimpute", "bin", "square")
    covariance = np.fromfile(f"{out}.rel.bin").reshape(300, 300)
    np.testing.assert_allclose(vanraden_1(calls), covariance * _scale(calls), atol=1e-6)


@plink2
def test_vanraden_2__agrees_with_plink2(bulls, tmp_path):
    bed, calls = bulls
    out = _plink(bed, tmp_path, "--make-rel", "meanimpute", "bin", "square")
    np.testing.assert_allclose(vanraden_2(calls), np.fromfile(f"{out}.rel.bin").reshape(300, 300), atol=2e-6)


@gemma
def test_vanraden_1__agrees_with_gemma(bulls, tmp_path):
    """GEMMA's centred relatedness, which is a covariance per variant too; no variant is filtered out."""
    bed, calls = bulls
    command = ["gemma", "-bfile", str(bed.with_suffix("")), "-gk", "1", "-miss", "1", "-maf", "0", "-r2", "1", "-o", "out"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    centred = np.loadtxt(tmp_path / "output" / "out.cXX.txt")
    np.testing.assert_allclose(vanraden_1(calls), centred * _scale(calls), atol=1e-6)


@plink2
def test_principal_components__agree_with_plink2(bulls, tmp_path):
    """Without missing calls, which PLINK leaves out pair by pair; up to sign, where an eigenvalue stands clear of the next."""
    _, calls = bulls
    whole = calls[:, (calls != MISSING).all(axis=0)]
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(1, whole.shape[1] + 1)})
    out = _plink(_written(tmp_path, whole, variants), tmp_path, "--pca", "10")
    fitted = PrincipalComponents.fit(whole, 10, seed=1)
    np.testing.assert_allclose(fitted.eigenvalues / 2, np.loadtxt(f"{out}.eigenval"), rtol=2e-4)
    theirs, ours = pd.read_csv(f"{out}.eigenvec", sep="\t"), fitted.project(whole)
    for place in range(3):
        assert abs(np.corrcoef(ours[:, place], theirs[f"PC{place + 1}"])[0, 1]) > 0.9999


@plink2
def test_king_between__agrees_with_plink2(bulls, tmp_path):
    bed, calls = bulls
    table = pd.read_csv(f"{_plink(bed, tmp_path, '--make-king-table')}.kin0", sep="\t")
    one, other = (table[column].str[1:].astype(int) for column in ("IID1", "IID2"))
    is_between = (np.minimum(one, other) < 120) & (np.maximum(one, other) >= 120)
    between = king_between(calls[:120], calls[120:])
    ours = between[np.minimum(one, other)[is_between], np.maximum(one, other)[is_between] - 120]
    np.testing.assert_allclose(ours, table["KINSHIP"][is_between], atol=2e-6)


@plink2
@pytest.mark.parametrize("method", ["hudson", "wc"])
def test_fst__agrees_with_plink2(people, method, tmp_path):
    bed, calls, labels = people
    out = _plink(bed, tmp_path, "--pheno", str(bed.parent / "labels.txt"), "--fst", "LABEL", f"method={method}")
    table = pd.read_csv(f"{out}.fst.summary", sep="\t")
    theirs = dict(zip(zip(table["#POP1"], table["POP2"], strict=True), table[f"{method.upper()}_FST"], strict=True))
    counts = {name: genotype_counts(calls[labels == name]) for name in np.unique(labels)}
    assert len(theirs) == 10
    for one, other in combinations(sorted(counts), 2):
        pair = (counts[one], counts[other])
        terms = hudson_fst(*pair) if method == "hudson" else weir_cockerham_fst(pair)
        assert terms.fst == pytest.approx(theirs[one, other], rel=1e-4)
