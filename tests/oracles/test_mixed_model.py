"""Mixed models against GEMMA: variances of the null model, and tests of variants, on the shipped demo, made-up families and real mice."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

from genobench import MISSING
from genobench.statgen import MixedModel, RelationshipSpectrum, fit_gblup, mixed_association, mixed_association_loco, vanraden_1

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(shutil.which("gemma") is None, reason="gemma is not installed")]

NO_FILTER = ("-maf", "0", "-miss", "1", "-r2", "1")


class Gemma:
    """Runs GEMMA on calls and a trait in a folder; the ALT allele is the one it counts."""

    def __init__(self, folder: Path, calls: np.ndarray, trait: np.ndarray, covariates: np.ndarray | None = None) -> None:
        self.folder, self.covariates = folder, []
        self.write("data", calls, trait)
        if covariates is not None:
            np.savetxt(folder / "covariates.txt", np.column_stack([np.ones(len(trait)), covariates]), fmt="%.17g")
            self.covariates = ["-c", "covariates.txt"]

    def write(self, name: str, calls: np.ndarray, trait: np.ndarray) -> None:
        properties = {
            "pheno": [f"{value:.17g}" for value in trait],
            "sid": [f"v{column}" for column in range(calls.shape[1])],
            "allele_1": ["A"] * calls.shape[1],
            "allele_2": ["C"] * calls.shape[1],
        }
        to_bed(self.folder / f"{name}.bed", np.where(calls == MISSING, -127, calls).astype(np.int8), properties=properties)

    def run(self, *arguments: str) -> None:
        subprocess.run(["gemma", *arguments], check=True, capture_output=True, cwd=self.folder)

    def relationship(self, name: str = "data") -> np.ndarray:
        """Its centred relationships, `-gk 1`."""
        self.run("-bfile", name, "-gk", "1", "-o", name, *NO_FILTER)
        return np.loadtxt(self.folder / "output" / f"{name}.cXX.txt")

    def association(self, relationships: str = "data", name: str = "data") -> pd.DataFrame:
        """Its tests of each variant, `-lmm 4`, NaN for those that it leaves out."""
        kinship = f"output/{relationships}.cXX.txt"
        self.run("-bfile", name, "-k", kinship, "-lmm", "4", "-o", "found", *NO_FILTER, *self.covariates)
        n_variants = len((self.folder / f"{name}.bim").read_text().splitlines())
        found = pd.read_csv(self.folder / "output" / "found.assoc.txt", sep="\t").set_index("rs")
        return found.reindex([f"v{column}" for column in range(n_variants)])

    def null_model(self) -> dict[str, np.ndarray]:
        """The numbers of its log, which it prints with six digits."""
        lines = re.findall(r"^## (.+?)\s*=\s+(.+)$", (self.folder / "output" / "found.log.txt").read_text(), re.MULTILINE)
        return {name: np.array(numbers.split(), dtype=float) for name, numbers in lines if "null model" in name or name == "se(beta)"}


def half_sibs(*, heritability: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls of 15 sires' 20 offspring each at 400 variants, one in 50 missing; a trait of all and, largely, of the tenth; covariates."""
    random = np.random.default_rng(3)
    frequency = random.uniform(0.1, 0.9, 400)
    sires = random.binomial(2, frequency, (15, 400))
    calls = (random.binomial(1, np.repeat(sires, 20, axis=0) / 2) + random.binomial(1, frequency, (300, 400))).astype(np.int8)
    value, noise, covariates = calls @ random.normal(size=400), random.normal(size=300), random.normal(size=(300, 2))
    trait = heritability**0.5 * (value - value.mean()) / value.std() + (1 - heritability) ** 0.5 * noise
    trait = 5 + 3 * trait + 2 * calls[:, 9] + covariates[:, 0]
    calls[random.random(calls.shape) < 0.02] = MISSING
    return calls, trait, covariates


def assert_null_model_agrees(gemma: Gemma, relationship: np.ndarray, trait: np.ndarray, covariates: np.ndarray | None) -> MixedModel:
    ours, theirs = MixedModel.fit(relationship, trait, covariates), gemma.null_model()
    assert ours.heritability == pytest.approx(theirs["pve estimate in the null model"][0], abs=1e-3)
    assert ours.heritability_error == pytest.approx(theirs["se(pve) in the null model"][0], rel=1e-3)
    assert ours.genetic_variance == pytest.approx(theirs["vg estimate in the null model"][0], rel=1e-3)
    assert ours.residual_variance == pytest.approx(theirs["ve estimate in the null model"][0], rel=1e-3)
    assert ours.restricted_log_likelihood == pytest.approx(theirs["REMLE log-likelihood in the null model"][0], abs=1e-2)
    assert ours.log_likelihood == pytest.approx(theirs["MLE log-likelihood in the null model"][0], abs=1e-2)
    effects = theirs["beta estimate in the null model"]
    np.testing.assert_allclose(ours.effects, effects, rtol=1e-3, atol=1e-3 * ours.effect_errors.min())
    np.testing.assert_allclose(ours.effect_errors, theirs["se(beta)"], rtol=1e-3)
    return ours


def assert_tests_agree(ours: object, theirs: pd.DataFrame) -> None:
    """To a thousandth; an effect near 0, to a thousandth of its standard error."""
    is_tested = theirs["beta"].notna().to_numpy()
    columns = {name: getattr(ours, name)[is_tested] for name in ("effect", "standard_error", "log10_p", "log10_p_ratio")}
    kept = theirs[is_tested]
    assert len(kept) > 100
    np.testing.assert_allclose(columns["standard_error"], kept["se"], rtol=1e-3)
    np.testing.assert_array_less(np.abs(columns["effect"] - kept["beta"]), 1e-3 * np.maximum(np.abs(kept["beta"]), kept["se"]))
    np.testing.assert_allclose(10 ** columns["log10_p"], kept["p_wald"], rtol=1e-3)
    np.testing.assert_allclose(10 ** columns["log10_p_ratio"], kept["p_lrt"], rtol=1e-3)


@pytest.mark.parametrize("heritability", [0.2, 0.8])
@pytest.mark.parametrize("n_covariates", [0, 2])
def test_mixed_model__agrees_with_gemma(heritability, n_covariates, tmp_path):
    calls, trait, both = half_sibs(heritability=heritability)
    covariates = both[:, :n_covariates] if n_covariates else None
    gemma = Gemma(tmp_path, calls, trait, covariates)
    relationship = gemma.relationship()
    # Centred calls over the number of variants: VanRaden's relationships on another scale.
    np.testing.assert_allclose(relationship / np.trace(relationship), vanraden_1(calls) / np.trace(vanraden_1(calls)), atol=1e-6)
    theirs = gemma.association()
    assert_tests_agree(mixed_association(calls, trait, relationship, covariates), theirs)
    ours = assert_null_model_agrees(gemma, relationship, trait, covariates)
    # The large effect is told: with the variances of the null model its test would be weaker.
    assert theirs["p_wald"].idxmin() == "v9"
    by_calls = fit_gblup(calls, trait, covariates)
    assert by_calls.heritability == pytest.approx(ours.heritability, abs=1e-3)
    assert by_calls.heritability_error == pytest.approx(ours.heritability_error, rel=1e-3)


def test_mixed_association_loco__agrees_with_gemma_on_the_other_chromosomes(tmp_path):
    calls, trait, covariates = half_sibs(heritability=0.5)
    chromosomes = np.repeat(["1", "2", "X"], [200, 100, 100])
    ours = mixed_association_loco(calls, trait, chromosomes, covariates)
    gemma = Gemma(tmp_path, calls, trait, covariates)
    for chromosome in ("1", "X"):
        is_here = chromosomes == chromosome
        gemma.write("others", calls[:, ~is_here], trait)
        gemma.relationship("others")
        theirs = gemma.association("others")
        theirs.loc[~is_here, "beta"] = np.nan
        if chromosome == "1":
            assert_tests_agree(ours, theirs)
        else:
            np.testing.assert_allclose(10 ** ours.log10_p[is_here], theirs.loc[is_here, "p_wald"], rtol=1e-3)


def test_mixed_association__agrees_with_gemma_on_the_demo(tmp_path):
    """Every fifth cow and eighth variant."""
    from genobench.builtin.demos import CattleDemo

    cattle = CattleDemo().load(tmp_path)
    calls, trait = cattle.to_array()[::5, ::8], cattle.samples["fat_content"].to_numpy()[::5]
    gemma = Gemma(tmp_path, calls, trait)
    relationship = gemma.relationship()
    theirs = gemma.association()
    assert_tests_agree(mixed_association(calls, trait, relationship), theirs)
    assert_null_model_agrees(gemma, relationship, trait, None)


def test_mixed_association__agrees_with_gemma_on_mice(shared_data, tmp_path):
    """CD8 of 400 outbred mice with their sex, at every 25th variant; relationships by these variants."""
    folder = shared_data / "mouse_hs_1940"
    samples = pd.read_csv(folder / "samples.csv")
    is_chosen = np.flatnonzero(samples["gemma_CD8_qn"].notna())[:400]
    with np.load(folder / "genotypes.npz") as source:
        calls = np.ascontiguousarray(source["dosage"][is_chosen, ::25])
    trait = samples["gemma_CD8_qn"].to_numpy()[is_chosen]
    covariates = (samples["sex"].to_numpy()[is_chosen] == samples["sex"].iloc[0]).astype(float)[:, None]
    gemma = Gemma(tmp_path, calls, trait, covariates)
    spectrum = RelationshipSpectrum.decompose(gemma.relationship())
    theirs = gemma.association()
    assert_tests_agree(mixed_association(calls, trait, spectrum, covariates), theirs)
    ours = MixedModel.fit(spectrum, trait, covariates)
    assert ours.heritability == pytest.approx(gemma.null_model()["pve estimate in the null model"][0], abs=1e-3)
