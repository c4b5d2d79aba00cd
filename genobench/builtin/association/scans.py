"""A scan of the genome: the association of every variant with a trait among the samples of one cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from genobench import Covariates
from genobench.statgen import alt_frequency, is_autosome, linear_association, mixed_association_loco

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from genobench import Trait
    from genobench.builtin.association.cohorts import Cohort
    from genobench.statgen import Association, MixedAssociation

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Scan:
    """Tests of all variants in one cohort.

    Args:
        cohort: The samples.
        covariates: Columns beside which variants were tested, shape (n_samples, n_covariates).
        effect: Change of the response by one ALT allele, 0 where a variant could not be tested, shape (n_contrasts, n_variants).
        log10_p: NaN where a variant could not be tested, shape (n_contrasts, n_variants).
        alt_frequency: Among these samples, shape (n_variants,).
    """

    cohort: Cohort
    covariates: Floats
    effect: Floats
    log10_p: Floats
    alt_frequency: Floats

    @classmethod
    def linear(cls, cohort: Cohort, trait: Trait, *, n_components: int, component_variants: Places) -> Self:
        """By least squares, beside the trait's covariates and principal components of these very samples.

        Args:
            cohort: The samples.
            trait: Its covariates are taken.
            n_components: How many components.
            component_variants: The variants that these are made of, shape (n_chosen,).

        Raises:
            DatasetError: If there are too few samples, or the trait does not vary beside its covariates.
            GenotypesError: If no variant varies.
        """
        columns = _columns(cohort, trait, n_components, component_variants)
        tests = [linear_association(cohort.genotypes.calls, response, columns) for response in cohort.responses]
        return cls._of(cohort, columns, tests)

    @classmethod
    def mixed(cls, cohort: Cohort, trait: Trait, *, n_components: int, component_variants: Places) -> Self:
        """By a mixed model with the relationships that all autosomes but the variant's own give, and the variances of that without it.

        Args:
            cohort: The samples.
            trait: Its covariates are taken.
            n_components: How many principal components.
            component_variants: The variants that these are made of, shape (n_chosen,).

        Raises:
            DatasetError: As for `linear`, and if fewer than two chromosomes have variants that vary.
            GenotypesError: If no variant varies.
        """
        columns = _columns(cohort, trait, n_components, component_variants)
        chromosomes = cohort.genotypes.variants["chromosome"].to_numpy(dtype=object)
        is_used = is_autosome(chromosomes)
        tests = [
            mixed_association_loco(
                cohort.genotypes.calls,
                response,
                chromosomes,
                columns,
                is_used=is_used if is_used.any() else None,
                variances="null",
            )
            for response in cohort.responses
        ]
        return cls._of(cohort, columns, tests)

    @classmethod
    def _of(cls, cohort: Cohort, covariates: Floats, tests: Sequence[Association | MixedAssociation]) -> Self:
        return cls(
            cohort=cohort,
            covariates=covariates,
            effect=np.nan_to_num(np.stack([test.effect for test in tests])),
            log10_p=np.stack([test.log10_p for test in tests]),
            alt_frequency=alt_frequency(cohort.genotypes.calls),
        )

    @property
    def is_tested(self) -> NDArray[np.bool_]:
        """Which variants were tested in each contrast, shape (n_contrasts, n_variants)."""
        return ~np.isnan(self.log10_p)

    @property
    def lowest_log10_p(self) -> Floats:
        """Over contrasts, shape (n_variants,); NaN where a variant was tested in none."""
        lowest: Floats = np.fmin.reduce(self.log10_p, axis=0)
        return lowest


def _columns(cohort: Cohort, trait: Trait, n_components: int, component_variants: Places) -> Floats:
    chosen = cohort.genotypes.take_variants(component_variants) if n_components else cohort.genotypes
    return Covariates.fit(chosen, trait, n_components=n_components).matrix(chosen)
