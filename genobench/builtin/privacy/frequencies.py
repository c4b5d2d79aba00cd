"""Privacy: what allele frequencies, and the mere presence of rare alleles, give away about who was in training.

Both attacks read nothing but counts of alleles in the synthetic samples, and compare them with the holdout, whom the attacker takes for a
sample of the same population. Both say beside their AUC what the same attack would find at most: with the counts of the training samples
themselves. Where that is near 0.5 too, an AUC near 0.5 says nothing about the generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Metric, Score, ScoreSpec
from genobench.builtin.estimates import all_missing
from genobench.builtin.privacy.attacks import attack_scores, attack_specs, families_of
from genobench.statgen import auc_with_interval, genotype_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import CallMatrix, Comparison, Genotypes

    Floats = NDArray[np.float64]

_BYTES_PER_BLOCK: Final = 1 << 22
_MISTAKEN_NO: Final = 1e-6
"""Chance that a beacon denies an allele that it holds, as Shringarpure and Bustamante take it."""

_LEAST: Final = 1e-300


_FREQUENCY_SPECS: Final = attack_specs("frequency_lr", "the synthetic samples' allele frequencies")
_BEACON_SPECS: Final = attack_specs("beacon", "the rare alleles that occur among the synthetic samples")


@dataclass(frozen=True)
class FrequencyLikelihoodRatio(Metric):
    """An attacker who calls those members whose alleles are likelier under the synthetic samples' frequencies than under the holdout's.

    The log likelihood ratio is summed over variants as if these were independent. With m independent variants, n training samples, s
    synthetic ones drawn from their exact frequencies and r in the reference, members lie sqrt(m / n) / sqrt(1 + n / s + n / r) standard
    deviations above nonmembers; linkage lowers it. Missing calls add nothing. Frequencies have half an allele of each kind added.

    References:
        Sankararaman S., Obozinski G., Jordan M.I., Halperin E. 2009. Genomic privacy and limits of individual detection in a pool. Nature
        Genetics 41: 965-967. https://doi.org/10.1038/ng.436 ; after Homer N. et al. 2008. PLoS Genetics 4: e1000167.
        https://doi.org/10.1371/journal.pgen.1000167
    """

    family = "privacy"
    scores: ClassVar = (
        *_FREQUENCY_SPECS,
        ScoreSpec(
            name="frequency_lr_power_auc",
            summary="the AUC that the exact frequencies of train would give: the most that this attack could find here",
            unit="AUC",
            direction="target",
            ideal=None,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The attack by the synthetic samples' frequencies, and by those of train."""
        names = tuple(spec.name for spec in self.scores)
        reason = _reason_for_none(comparison)
        if reason:
            return all_missing(names, reason)
        reference = _smoothed_frequency(comparison.holdout)
        observed, exact = (_frequency_ratios(_smoothed_frequency(pool), reference) for pool in (comparison.synthetic, comparison.train))
        return _attacks(self.scores, (observed, exact), comparison)


@dataclass(frozen=True)
class Beacon(Metric):
    """An attacker who may only ask whether an allele occurs among the synthetic samples, and calls those members whose rare ones do.

    At each variant it is the allele that is rarer in the holdout, with frequency f there. Given the target's genotype the answer's log
    likelihood ratio between "the target is one of the n training samples" and "it is not" is summed over variants: n samples lack the
    allele with chance (1 - f)^2n, and are said to lack a copy that they have with chance 1e-6. Only variants that are rare against 1 / n
    can tell, as the power shows. A generator that misses more of the rare alleles of training is found a little worse than by the best
    ratio for it (AUC .968 against .972 for exact frequencies of 200 members at 5,000 variants rarer than 1 %).

    References:
        Shringarpure S.S., Bustamante C.D. 2015. Privacy risks from genomic data-sharing beacons. American Journal of Human Genetics 97:
        631-646. https://doi.org/10.1016/j.ajhg.2015.09.010 ; with known frequencies Raisaro J.L. et al. 2017. Journal of the American
        Medical Informatics Association 24: 799-805. https://doi.org/10.1093/jamia/ocw167
    """

    family = "privacy"
    scores: ClassVar = (
        *_BEACON_SPECS,
        ScoreSpec(
            name="beacon_power_auc",
            summary="the AUC that the alleles of train themselves would give: the most that this attack could find here",
            unit="AUC",
            direction="target",
            ideal=None,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The attack on the synthetic samples, and on train."""
        names = tuple(spec.name for spec in self.scores)
        reason = _reason_for_none(comparison)
        if reason:
            return all_missing(names, reason)
        n_members, reference = comparison.train.n_samples, _smoothed_frequency(comparison.holdout)
        observed, exact = (
            _beacon_ratios(_allele_counts(pool), reference, n_members=n_members) for pool in (comparison.synthetic, comparison.train)
        )
        return _attacks(self.scores, (observed, exact), comparison)


def _reason_for_none(comparison: Comparison) -> str | None:
    if comparison.holdout.n_samples == 0:
        return "The attack takes the frequencies of the population from the holdout, and there is no holdout sample."
    if comparison.synthetic.n_samples == 0:
        return "There is no synthetic sample."
    sizes = (comparison.train.n_samples, comparison.nonmembers.n_samples)
    if min(sizes) < 2:
        return f"The attack needs two members and two nonmembers; there are {sizes[0]} and {sizes[1]}."
    return None


def _allele_counts(genotypes: Genotypes) -> Floats:
    """Number of REF and of ALT alleles at each variant, shape (2, n_variants)."""
    counts = genotype_counts(genotypes.calls).astype(np.float64)
    return np.stack([2 * counts[0] + counts[1], 2 * counts[2] + counts[1]])


def _smoothed_frequency(genotypes: Genotypes) -> Floats:
    """ALT frequency with half an allele of each kind added, so that none is 0 or 1, shape (n_variants,)."""
    ref, alt = _allele_counts(genotypes)
    smoothed: Floats = (alt + 0.5) / (ref + alt + 1)
    return smoothed


def _frequency_ratios(pool: Floats, reference: Floats) -> Floats:
    """Log likelihood ratio, pool to reference, of 0, 1 and 2 ALT alleles, shape (3, n_variants)."""
    of_alt, of_ref = np.log(pool / reference), np.log((1 - pool) / (1 - reference))
    return np.stack([2 * of_ref, of_ref + of_alt, 2 * of_alt])


def _beacon_ratios(alleles: Floats, reference: Floats, *, n_members: int) -> Floats:
    """Log likelihood ratio, member to nonmember, of the pool's answer given a target with 0, 1 or 2 ALT alleles, shape (3, n_variants).

    Args:
        alleles: REF and ALT alleles in the pool, shape (2, n_variants).
        reference: ALT frequencies in the population, shape (n_variants,).
        n_members: Training samples.
    """
    is_alt_rarer = reference <= 0.5
    is_answer_yes = np.where(is_alt_rarer, alleles[1], alleles[0]) > 0
    log_lacks = np.log1p(-np.where(is_alt_rarer, reference, 1 - reference))
    copies = np.where(is_alt_rarer, np.array([[0], [1], [2]]), np.array([[2], [1], [0]]))
    log_no_member = (2 * n_members - 2) * log_lacks + np.log(_MISTAKEN_NO) * copies
    log_no_other = 2 * n_members * log_lacks
    yes = np.log(np.maximum(-np.expm1(log_no_member), _LEAST)) - np.log(np.maximum(-np.expm1(log_no_other), _LEAST))
    ratios: Floats = np.where(is_answer_yes, yes, log_no_member - log_no_other)
    return ratios


def _attacks(specs: tuple[ScoreSpec, ...], ratios: tuple[Floats, Floats], comparison: Comparison) -> tuple[Score, ...]:
    """The attack's scores by the first table of log likelihood ratios, and what the second, made from train itself, would find."""
    (members, others), exact = (
        tuple(_sums_over_calls(part.calls, table) for part in (comparison.train, comparison.nonmembers)) for table in ratios
    )
    auc, interval = auc_with_interval(*exact, families=families_of(comparison))
    return (*attack_scores(specs[:-1], members, others, comparison), Score(specs[-1].name, auc, interval=interval))


def _sums_over_calls(calls: CallMatrix, table: Floats) -> Floats:
    """For each sample the sum over variants of what the table has for its call; a missing call adds nothing.

    Four calls are looked up at a time, as they stand in a byte.

    Args:
        calls: Shape (n_samples, n_variants).
        table: Shape (3, n_variants).

    Returns:
        Shape (n_samples,).
    """
    packed = calls.packed
    by_code = np.zeros((4, 4 * packed.shape[1]))
    by_code[:3, : table.shape[1]] = table
    codes = (np.arange(256)[:, None] >> np.array([0, 2, 4, 6])) & 3
    places = by_code.reshape(4, -1, 4)
    by_byte = np.sum([places[codes[:, place], :, place] for place in range(4)], axis=0).ravel()
    columns = np.arange(packed.shape[1])
    sums = np.zeros(len(packed))
    rows_per_block = max(1, _BYTES_PER_BLOCK // max(1, packed.shape[1]))
    for start in range(0, len(packed), rows_per_block):
        block = np.asarray(packed[start : start + rows_per_block]).astype(np.intp)
        sums[start : start + len(block)] = by_byte[block * len(columns) + columns].sum(axis=1)
    return sums
