"""Utility: does a genome-wide association study of synthetic samples find what one of as many unseen samples finds?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import DatasetError, GenotypesError, Metric, Score, ScoreSpec, check_below, check_lowest, check_positive, check_share
from genobench.builtin.association.agreement import Agreement
from genobench.builtin.association.cohorts import paired_cohorts
from genobench.builtin.association.loci import Genome
from genobench.builtin.association.scans import Scan
from genobench.builtin.estimates import all_missing
from genobench.statgen import alt_frequency

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Comparison, Part, Trait
    from genobench.builtin.association.cohorts import Cohort

_VERSION: Final = 2


def _specs(prefix: str, model: str) -> tuple[ScoreSpec, ...]:
    return (
        ScoreSpec(
            name=f"{prefix}_effect_correlation",
            summary=f"correlation of effects of common variants in synthetic and holdout samples, {model}",
            unit="correlation",
            direction="higher",
            ideal=None,
            version=_VERSION,
        ),
        ScoreSpec(
            name=f"{prefix}_sign_agreement",
            summary=f"share of the holdout's loci with an effect of the same sign in synthetic samples, {model}",
            unit="share of loci",
            direction="higher",
            ideal=1.0,
            version=_VERSION,
        ),
        ScoreSpec(
            name=f"{prefix}_locus_overlap",
            summary=f"share of the loci found in synthetic or holdout samples that both found, {model}",
            unit="share of loci",
            direction="higher",
            ideal=None,
            version=_VERSION,
        ),
        ScoreSpec(
            name=f"{prefix}_lambda_difference",
            summary=f"genomic inflation in synthetic samples less that in the holdout, {model}",
            unit="lambda",
            direction="target",
            ideal=0.0,
            version=_VERSION,
        ),
        ScoreSpec(
            name=f"{prefix}_power",
            summary=f"share of the large causal variants that have a locus in synthetic samples, {model}",
            unit="share of causal variants",
            direction="higher",
            ideal=None,
            version=_VERSION,
        ),
        ScoreSpec(
            name=f"{prefix}_false_discovery",
            summary=f"share of the loci found in synthetic samples that no causal variant stands for, {model}",
            unit="share of loci",
            direction="lower",
            ideal=0.0,
            version=_VERSION,
        ),
    )


@dataclass(frozen=True)
class _Study(Metric):
    """What the two metrics have in common: all but the test of a variant."""

    n_components: int = 10
    component_spacing_bp: float = 1_000_000.0
    level: float = 0.05
    least_frequency: float = 0.05
    least_share: float = 0.01

    family = "utility"

    def __post_init__(self) -> None:
        check_lowest(self, {"n_components": 0, "least_frequency": 0})
        check_positive(self, ["level", "component_spacing_bp"])
        check_share(self, ["level", "least_share"])
        check_below(self, {"least_frequency": 0.5})

    @property
    def parts(self) -> tuple[Part, ...]:
        """Samples that no fit has seen, for train shares its noise with copies of it."""
        return ("holdout", "synthetic")

    @abstractmethod
    def scan(self, cohort: Cohort, trait: Trait, component_variants: NDArray[np.intp]) -> Scan:
        """The association of every variant with the trait, beside components of some variants."""

    def agreement(self, comparison: Comparison, *, seed: int) -> Agreement:
        """The two studies that are scored.

        Args:
            comparison: Its holdout and synthetic samples are used.
            seed: Of the draw of samples from the part that has more.

        Raises:
            DatasetError: If `paired_cohorts` refuses the samples, or no study can be made of one of the two.
        """
        holdout, synthetic = paired_cohorts(comparison, seed=seed)
        genome = Genome.of(comparison.holdout)
        frequency = np.nan_to_num(alt_frequency(holdout.genotypes.calls))
        component_variants = genome.thinned(frequency * (1 - frequency), self.component_spacing_bp)
        scans = []
        for side, cohort in (("holdout", holdout), ("synthetic", synthetic)):
            try:
                scans.append(self.scan(cohort, comparison.trait, component_variants))
            except (DatasetError, GenotypesError) as error:
                raise DatasetError(f"No association in {cohort.genotypes.n_samples} {side} samples: {error}") from error
        return Agreement(holdout=scans[0], synthetic=scans[1], genome=genome, level=self.level)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """All six scores, or why there is none."""
        names = [spec.name for spec in self.scores]
        try:
            agreement = self.agreement(comparison, seed=seed)
        except DatasetError as error:
            return all_missing(names, str(error))
        return (
            agreement.effect_correlation(names[0], least_frequency=self.least_frequency),
            agreement.sign_agreement(names[1]),
            agreement.locus_overlap(names[2]),
            agreement.lambda_difference(names[3]),
            agreement.power(names[4], comparison.causal, least_share=self.least_share),
            agreement.false_discovery(names[5], comparison.causal),
        )


@dataclass(frozen=True)
class AssociationStudy(_Study):
    """Agreement of association studies in synthetic and in holdout samples, by least squares beside covariates.

    Both studies have the same number of samples; of the part that has more so many are drawn. Each variant is tested beside the trait's
    covariates and principal components, both learned from the samples that are tested; components of variants that lie apart, as those of
    all would stand for the longest stretch of linked variants and take its effect away (Price et al. 2008). Two or ordered classes are
    tested as 0, 1, 2, ..., other classes each against the rest; correlation and inflation are then over all of these tests, and a
    variant's p-value is the lowest.

    Effects are noisy: with n samples the correlation of two real studies is about 1 - 1 / (mean chi-squared), far from 1, so it is read
    against its band. A locus is a clump of significant variants (r2 of at most .1 between the most significant ones of two, or 5 Mb); it
    stands for a locus of the other study, or for a causal variant, within 5 Mb and with an r2 of at least .2 among holdout samples.

    Correlation and inflation have their noise from leaving out blocks of the genome: errors of estimates far apart on the genome are
    independent of one another, as the studies have no samples in common. Shares of loci have Wilson's interval, because loci are
    unlinked.

    Args:
        n_components: Principal components beside the covariates.
        component_spacing_bp: Components are made of one variant in each stretch of this length, the most common in the holdout.
        level: A variant is significant whose p-value is at most this over the number of tests in the holdout (Bonferroni).
        least_frequency: Minor allele frequency in the holdout from which effects are compared.
        least_share: Of the genetic variance, beside covariates and components: causal variants that explain as much should be found.

    References:
        Inflation: Devlin B., Roeder K. 1999. Biometrics 55: 997-1004. https://doi.org/10.1111/j.0006-341X.1999.00997.x.
        Components: Price A.L. et al. 2006. Nature Genetics 38: 904-909. https://doi.org/10.1038/ng1847.
        Long-range linkage: Price A.L. et al. 2008. American Journal of Human Genetics 83: 132-135.
        https://doi.org/10.1016/j.ajhg.2008.06.005.
        Overlap: Jaccard P. 1912. New Phytologist 11: 37-50. https://doi.org/10.1111/j.1469-8137.1912.tb05611.x
    """

    scores: ClassVar = _specs("gwas", "linear model")
    most_samples: ClassVar = 1_000

    def scan(self, cohort: Cohort, trait: Trait, component_variants: NDArray[np.intp]) -> Scan:
        """By least squares."""
        return Scan.linear(cohort, trait, n_components=self.n_components, component_variants=component_variants)


@dataclass(frozen=True)
class MixedAssociationStudy(_Study):
    """Agreement of association studies in synthetic and in holdout samples, by a linear mixed model.

    As `AssociationStudy`, but relatives are allowed for by the relationships that all autosomes but the variant's own give, and no
    principal component is taken unless asked for. Variances are those of the model without the variant.

    Args:
        n_components: Principal components beside the covariates.
        component_spacing_bp: Components are made of one variant in each stretch of this length, the most common in the holdout.
        level: A variant is significant whose p-value is at most this over the number of tests in the holdout (Bonferroni).
        least_frequency: Minor allele frequency in the holdout from which effects are compared.
        least_share: Of the genetic variance, beside covariates and components: causal variants that explain as much should be found.

    References:
        Yang J. et al. 2014. Nature Genetics 46: 100-106. https://doi.org/10.1038/ng.2876
    """

    n_components: int = 0

    scores: ClassVar = _specs("gwas_mixed", "mixed model")
    is_on_request: ClassVar = True
    most_samples: ClassVar = 500

    def scan(self, cohort: Cohort, trait: Trait, component_variants: NDArray[np.intp]) -> Scan:
        """By the mixed model."""
        return Scan.mixed(cohort, trait, n_components=self.n_components, component_variants=component_variants)
