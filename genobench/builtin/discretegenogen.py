"""The metrics of DiscreteGenoGen by its own definitions, exact, so that anybody can check genobench against the published code.

Source: https://github.com/SihanXXX/DiscreteGenoGen, folder `metric`, commit 89e1b74. As there, the reference is the training set: these
scores do not punish copies. Neither set is cut to the size of the other, and the numbers depend on both sizes. The published code has no
standard errors; those given here leave out a group of samples, or a block of the genome, at a time. There is no band: no other real samples
are as many.

Missing calls: the published code counts them as the reference allele in frequencies, and knows none elsewhere. Here frequencies are over
the calls that are there, distances have missing calls imputed from train, and in correlations they take the mean of their variant. For
complete data all is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from genobench import Comparison, Metric, Pairwise, Score, ScoreSpec, Trait
from genobench.builtin.estimates import jackknifed, missing
from genobench.builtin.fidelity.neighbourhoods import Distance, TwoSets, neighbour_requests, score_at
from genobench.statgen import aggregate_fst, alt_frequency, correlation_score, genome_blocks, genotype_counts, genotype_frequencies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _AgainstTrain(Metric):
    """Of synthetic samples, against the training set."""

    family = "fidelity"
    is_on_request = True

    @property
    def parts(self) -> tuple[Literal["train", "synthetic"], ...]:
        """Train takes the place of the holdout."""
        return ("train", "synthetic")


@dataclass(frozen=True)
class _Manifold(_AgainstTrain):
    """Shares of samples inside the neighbourhoods of the other set, by `precision_recall.py`.

    After Kynkäänniemi T. et al. 2019, https://doi.org/10.48550/arXiv.1904.06991. A neighbourhood holds what lies on its surface; with
    Euclidean distances the published code compares float32 roots, this the whole numbers under them. The published k are 50 (the default
    of the function), 60 (of the evaluator) and 100 (cattle). Known weaknesses: at such k and thousands of variants two real sets score
    1.000, and one sample far from all others covers everything.

    Args:
        k: A sample's ball reaches to its k-th nearest other sample of its own set.
        distance: `squared-euclidean`, which ranks as Euclidean distance does, or `manhattan`.
    """

    k: int = 50
    distance: Distance = "squared-euclidean"

    place: ClassVar[int]

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances within and between the two sets."""
        return neighbour_requests("train", self.distance)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The share; NaN where a set has no k other samples (the published code raises "kth out of bounds")."""
        sets = TwoSets.of(comparison, "train", self.distance, seed=seed)
        name = self.scores[0].name
        if not 1 <= self.k < sets.smallest:
            return (missing(name, f"k is {self.k}, but the smaller set has {sets.smallest} samples; k must be from 1 to one less."),)
        return (score_at(sets.manifold_estimates(self.k), self.place, name),)


@dataclass(frozen=True)
class Precision(_Manifold):
    """`dgg_precision`; see the module and `_Manifold` for the definition.

    Args:
        k: A sample's ball reaches to its k-th nearest other sample of its own set.
        distance: `squared-euclidean`, which ranks as Euclidean distance does, or `manhattan`.
    """

    place = 0
    scores: ClassVar = (
        ScoreSpec(
            name="dgg_precision",
            summary="DiscreteGenoGen: share of synthetic samples inside the neighbourhood of a training sample (k = 50 unless set)",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
    )


@dataclass(frozen=True)
class Recall(_Manifold):
    """`dgg_recall`; see the module and `_Manifold` for the definition.

    Args:
        k: A sample's ball reaches to its k-th nearest other sample of its own set.
        distance: `squared-euclidean`, which ranks as Euclidean distance does, or `manhattan`.
    """

    place = 1
    scores: ClassVar = (
        ScoreSpec(
            name="dgg_recall",
            summary="DiscreteGenoGen: share of training samples inside the neighbourhood of a synthetic sample (k = 50 unless set)",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
    )


@dataclass(frozen=True)
class _AdversarialAccuracy(_AgainstTrain):
    """Nearest-neighbour adversarial accuracy by `aats.py`, after Yale A. et al. 2020, https://doi.org/10.1016/j.neucom.2019.12.136.

    Ties count as "not nearer", which biases discrete calls of few variants downwards; a half also depends on the sizes of the sets, about
    (n - 1) / (n + n' - 1) for n of its own samples and n' of the other. The published ideal is 0.5; two real sets of cattle scored 0.42
    there, so none is stated here.

    Args:
        distance: `manhattan` or `squared-euclidean`, which ranks as Euclidean distance does.
    """

    distance: Distance = "manhattan"

    place: ClassVar[int]

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances within and between the two sets."""
        return neighbour_requests("train", self.distance)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The share; NaN where a set has fewer than two samples."""
        sets = TwoSets.of(comparison, "train", self.distance, seed=seed)
        name = self.scores[0].name
        if sets.smallest < 2:
            return (missing(name, f"Each set needs two samples at least; the smaller one has {sets.smallest}."),)
        return (score_at(sets.adversarial_estimates(tie=0.0), self.place, name),)


@dataclass(frozen=True)
class AdversarialAccuracy(_AdversarialAccuracy):
    """`dgg_aats`, the mean of the two halves; see the module and `_AdversarialAccuracy` for the definition.

    Args:
        distance: `manhattan` or `squared-euclidean`, which ranks as Euclidean distance does.
    """

    place = 0
    scores: ClassVar = (
        ScoreSpec(
            name="dgg_aats",
            summary="DiscreteGenoGen: mean of dgg_aats_real and dgg_aats_synthetic; two halves far apart can cancel",
            unit="share",
            direction="target",
            ideal=None,
            version=1,
        ),
    )


@dataclass(frozen=True)
class AdversarialAccuracyReal(_AdversarialAccuracy):
    """`dgg_aats_real`; see the module and `_AdversarialAccuracy` for the definition.

    Args:
        distance: `manhattan` or `squared-euclidean`, which ranks as Euclidean distance does.
    """

    place = 1
    scores: ClassVar = (
        ScoreSpec(
            name="dgg_aats_real",
            summary="DiscreteGenoGen: share of training samples strictly nearer to another training sample than to any synthetic one",
            unit="share",
            direction="target",
            ideal=None,
            version=1,
        ),
    )


@dataclass(frozen=True)
class AdversarialAccuracySynthetic(_AdversarialAccuracy):
    """`dgg_aats_synthetic`; see the module and `_AdversarialAccuracy` for the definition.

    Args:
        distance: `manhattan` or `squared-euclidean`, which ranks as Euclidean distance does.
    """

    place = 2
    scores: ClassVar = (
        ScoreSpec(
            name="dgg_aats_synthetic",
            summary="DiscreteGenoGen: share of synthetic samples strictly nearer to another synthetic sample than to any training one",
            unit="share",
            direction="target",
            ideal=None,
            version=1,
        ),
    )


@dataclass(frozen=True)
class FixationIndex(_AgainstTrain):
    """`dgg_fst` by `fst.py`: expected heterozygosity within against over both sets, aggregated over variants.

    With p the ALT frequencies of the two sets and q their plain mean, sum (p - p')^2 / 2 over sum 2 q (1 - q). There is no correction for
    the number of samples: two draws of n from one population score about 1 / (4 n). It is neither Hudson's nor Weir and Cockerham's
    estimator, and blind to linkage and to departures from Hardy-Weinberg proportions.
    """

    scores: ClassVar = (
        ScoreSpec(
            name="dgg_fst",
            summary="DiscreteGenoGen: aggregated fixation index of ALT frequencies in train and synthetic, without correction for n",
            unit="fst",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The index; NaN where no variant varies (as published)."""
        terms = aggregate_fst(genotype_counts(comparison.train.calls), genotype_counts(comparison.synthetic.calls))
        blocks = _blocks(comparison)
        reason = "No variant with calls in both train and synthetic samples varies over the two."
        return (jackknifed("dgg_fst", terms.fst, terms.without(blocks), np.bincount(blocks), limits=(0.0, 1.0), reason=reason),)


@dataclass(frozen=True)
class CorrelationScore(_AgainstTrain):
    """`dgg_corr` by `correlation_score.py`: do variants correlate in synthetic samples as they do in training samples?

    Pearson's r over all pairs of variants of one less their correlation, after Viñas R. et al. 2022,
    https://doi.org/10.1093/bioinformatics/btab035; a variant that does not vary has correlation 0 with all others, and a set without any
    correlation scores 0. Pairs far apart, which have none, are counted too, so that sampling alone lowers it where there are few samples.
    It comes without a standard error: leaving out each of twenty blocks would take twenty times as long.
    """

    scores: ClassVar = (
        ScoreSpec(
            name="dgg_corr",
            summary="DiscreteGenoGen: Pearson's r over all pairs of variants of their correlations in train and synthetic",
            unit="r",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The correlation of correlations; 0 where they do not vary in one of the sets."""
        return (Score("dgg_corr", correlation_score(comparison.train.calls, comparison.synthetic.calls)),)


@dataclass(frozen=True)
class AlleleFrequencyCorrelation(_AgainstTrain):
    """`dgg_allele_frequency_r` by `allele_freq.py`: Pearson's r over variants, printed there on a scatter plot.

    Dominated by how far frequencies spread: values such as 0.97 are poor agreement.
    """

    scores: ClassVar = (
        ScoreSpec(
            name="dgg_allele_frequency_r",
            summary="DiscreteGenoGen: Pearson's r over variants of ALT frequencies in train and synthetic",
            unit="r",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The correlation; NaN where the frequencies of a set do not differ between variants."""
        train, synthetic, blocks = _known_frequencies(comparison)
        return (_correlation("dgg_allele_frequency_r", train, synthetic, blocks),)


@dataclass(frozen=True)
class GenotypeFrequencyCorrelation(_AgainstTrain):
    """`dgg_genotype_frequency_r` by `geno_freq.py`: Pearson's r over variants and genotypes.

    The frequencies of heterozygotes, ALT homozygotes and REF homozygotes stand one after the other. Dominated by how far frequencies
    spread: values of 0.95 to 0.97 are poor agreement.
    """

    scores: ClassVar = (
        ScoreSpec(
            name="dgg_genotype_frequency_r",
            summary="DiscreteGenoGen: Pearson's r over variants and genotypes of genotype frequencies in train and synthetic",
            unit="r",
            direction="higher",
            ideal=1.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The correlation; NaN where the frequencies of a set do not differ."""
        train, synthetic = (genotype_frequencies(part.calls) for part in (comparison.train, comparison.synthetic))
        is_known = np.isfinite(train[0]) & np.isfinite(synthetic[0])
        blocks = _blocks(comparison)[is_known]
        return (_correlation("dgg_genotype_frequency_r", train[:, is_known].ravel(), synthetic[:, is_known].ravel(), np.tile(blocks, 3)),)


def _blocks(comparison: Comparison) -> NDArray[np.intp]:
    return genome_blocks(comparison.train.variants["chromosome"].to_numpy(dtype=object))


def _known_frequencies(comparison: Comparison) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """ALT frequencies in train and synthetic, and the genome block, of the variants with calls in both."""
    train, synthetic = alt_frequency(comparison.train.calls), alt_frequency(comparison.synthetic.calls)
    is_known = np.isfinite(train) & np.isfinite(synthetic)
    return train[is_known], synthetic[is_known], _blocks(comparison)[is_known]


def _correlation(name: str, first: Floats, second: Floats, blocks: NDArray[np.intp]) -> Score:
    """Pearson's r of two rows of numbers, a block left out at a time for its noise."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return missing(name, f"The frequencies of {len(first)} variants with calls in both sets are all alike in one of them.")
    x, y = first - first.mean(), second - second.mean()
    terms = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    sums = np.column_stack([np.bincount(blocks, weights=column) for column in terms.T])
    whole = terms.sum(axis=0)
    return jackknifed(name, _pearson(whole), [_pearson(whole - part) for part in sums], np.bincount(blocks), limits=(-1.0, 1.0))


def _pearson(sums: Floats) -> float:
    """Pearson's r from the number of pairs and the sums of x, y, x^2, y^2, xy; NaN where one does not vary."""
    n, x, y, xx, yy, xy = sums.tolist()
    if n == 0:
        return float("nan")
    spread = (xx - x * x / n) * (yy - y * y / n)
    return float(np.clip((xy - x * y / n) / np.sqrt(spread), -1, 1)) if spread > 0 else float("nan")
