"""Privacy: what synthetic samples let an attacker infer of somebody of whom part is known, beyond what they say of everybody.

A good model of a population predicts hidden genotypes and traits of anyone, which is no leak. So each score is how much better the
inference is for training samples than for nonmembers of the same families.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Metric, Pairwise, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.statgen import hidden_variants, sample_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench import Comparison, Genotypes, Trait

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Bools = NDArray[np.bool_]

_N_GROUPS: Final = 20
_PAIRS_PER_BLOCK: Final = 1 << 22
_FEWEST: Final = 3


@dataclass(frozen=True)
class HiddenVariantInference(Metric):
    """An attacker who knows nine variants in ten of a target and reads the others off the nearest synthetic sample.

    The score is the share of hidden calls that are right for training samples, less the share for nonmembers. Every tenth variant is
    hidden, as `genobench.statgen.hidden_variants` says; of synthetic samples equally near one is chosen by a hash of its calls.
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="hidden_variant_inference",
            summary="share of hidden calls that the nearest synthetic sample has right, for training samples less for nonmembers",
            unit="share of calls",
            direction="lower",
            ideal=0.0,
            version=1,
            chance=0.0,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of members and nonmembers to the synthetic samples, over the variants that are shown."""
        return tuple(Pairwise(part, "synthetic", "manhattan-visible") for part in ("train", "nonmembers"))

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The difference between members and nonmembers."""
        name = self.scores[0].name
        if comparison.synthetic.n_samples == 0:
            return all_missing((name,), "There is no synthetic sample.")
        hidden = np.flatnonzero(hidden_variants(comparison.synthetic.n_variants))
        if len(hidden) == 0:
            return all_missing((name,), f"{comparison.synthetic.n_variants} variants are too few to hide every tenth of them.")
        guesses = comparison.synthetic.calls.columns(hidden)
        nearest = _nearest(comparison, self.needs(comparison.trait))
        n_right, n_known = [], []
        for part, chosen in zip((comparison.train, comparison.nonmembers), nearest, strict=True):
            truth, guess = part.calls.columns(hidden), guesses[chosen]
            is_known = (truth >= 0) & (guess >= 0)
            n_right.append(np.count_nonzero(is_known & (truth == guess), axis=1))
            n_known.append(np.count_nonzero(is_known, axis=1))
        right, known = (np.concatenate(counts).astype(np.float64) for counts in (n_right, n_known))

        def share(rows: Indices) -> float:
            return float(right[rows].sum() / known[rows].sum()) if known[rows].sum() else float("nan")

        return (_advantage(name, share, known > 0, comparison, seed=seed, reason="No target has a hidden variant with a call."),)


@dataclass(frozen=True)
class TraitValueInference(Metric):
    """An attacker who knows all calls of a target and reads its trait off the nearest synthetic sample.

    The score is the correlation of inferred and true values among training samples, less that among nonmembers.
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="trait_value_inference",
            summary="correlation of the trait with that of the nearest synthetic sample, for training samples less for nonmembers",
            unit="correlation",
            direction="lower",
            ideal=0.0,
            version=1,
            chance=0.0,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of members and nonmembers to the synthetic samples."""
        return tuple(Pairwise(part, "synthetic", "manhattan") for part in ("train", "nonmembers"))

    def applies_to(self, trait: Trait) -> bool:
        """Quantitative traits only."""
        return trait.kind == "quantitative"

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The difference between members and nonmembers."""
        name, trait = self.scores[0].name, comparison.trait
        reason = _reason_without_trait(comparison)
        if reason:
            return all_missing((name,), reason)
        parts = (comparison.train, comparison.nonmembers, comparison.synthetic)
        members, others, synthetic = (part.samples[trait.column].to_numpy(dtype=np.float64, na_value=np.nan) for part in parts)
        truth = np.concatenate([members, others])
        guess = synthetic[np.concatenate(_nearest(comparison, self.needs(trait)))]

        def correlation(rows: Indices) -> float:
            if len(rows) < _FEWEST:
                return float("nan")
            x, y = truth[rows] - truth[rows].mean(), guess[rows] - guess[rows].mean()
            spread = np.sqrt(np.sum(x**2) * np.sum(y**2))
            return float(np.sum(x * y) / spread) if spread > 0 else float("nan")

        is_known = np.isfinite(truth) & np.isfinite(guess)
        reason = f"Too few values of '{trait.column}' are known of members or nonmembers, or all are alike."
        return (_advantage(name, correlation, is_known, comparison, seed=seed, reason=reason),)


@dataclass(frozen=True)
class TraitClassInference(Metric):
    """An attacker who knows all calls of a target and reads its class off the nearest synthetic sample.

    The score is the share of training samples whose class is right, less that of nonmembers.
    """

    family = "privacy"
    scores: ClassVar = (
        ScoreSpec(
            name="trait_class_inference",
            summary="share whose class is that of the nearest synthetic sample, for training samples less for nonmembers",
            unit="share",
            direction="lower",
            ideal=0.0,
            version=1,
            chance=0.0,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Pairwise, ...]:  # noqa: ARG002 - the same for every trait
        """Distances of members and nonmembers to the synthetic samples."""
        return tuple(Pairwise(part, "synthetic", "manhattan") for part in ("train", "nonmembers"))

    def applies_to(self, trait: Trait) -> bool:
        """Traits with classes only."""
        return trait.kind != "quantitative"

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The difference between members and nonmembers."""
        name, trait = self.scores[0].name, comparison.trait
        reason = _reason_without_trait(comparison)
        if reason:
            return all_missing((name,), reason)
        columns = [part.samples[trait.column] for part in (comparison.train, comparison.nonmembers, comparison.synthetic)]
        members, others, synthetic = (column.astype(str).to_numpy(dtype=object) for column in columns)
        has_class = [column.notna().to_numpy() for column in columns]
        chosen = np.concatenate(_nearest(comparison, self.needs(trait)))
        is_right = np.concatenate([members, others]) == synthetic[chosen]
        is_known = np.concatenate(has_class[:2]) & has_class[2][chosen]

        def share(rows: Indices) -> float:
            return float(is_right[rows].mean()) if len(rows) else float("nan")

        reason = f"The class '{trait.column}' is known of no member, or of no nonmember."
        return (_advantage(name, share, is_known, comparison, seed=seed, reason=reason),)


def _reason_without_trait(comparison: Comparison) -> str | None:
    column = comparison.trait.column
    if not column:
        return "It needs a phenotype, and none was given."
    parts = {"train": comparison.train, "nonmembers": comparison.nonmembers, "synthetic": comparison.synthetic}
    for part, genotypes in parts.items():
        if genotypes.n_samples == 0:
            return f"There is no {part} sample."
        if column not in genotypes.samples:
            return f"The {part} samples carry no '{column}'."
    return None


def _nearest(comparison: Comparison, requests: tuple[Pairwise, ...]) -> list[Indices]:
    """Place of the nearest synthetic sample, for each member and for each nonmember."""
    ranks = _ranks(comparison.synthetic)
    return [_nearest_places(comparison.results[request], ranks) for request in requests]


def _ranks(genotypes: Genotypes) -> Indices:
    """Which of two samples goes first where both are equally near: an order that depends on the samples, not on their places."""
    packed = np.asarray(genotypes.calls.packed)
    keys = [(blake2b(row.tobytes(), digest_size=16).digest(), str(name)) for row, name in zip(packed, genotypes.sample_ids, strict=True)]
    ranks = np.empty(len(keys), dtype=np.intp)
    ranks[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
    return ranks


def _nearest_places(distances: NDArray[np.integer], ranks: Indices) -> Indices:
    """Place of the least distance in each row; of equal ones that with the least rank."""
    places = np.empty(len(distances), dtype=np.intp)
    rows_per_block = max(1, _PAIRS_PER_BLOCK // len(ranks))
    for start in range(0, len(distances), rows_per_block):
        block = distances[start : start + rows_per_block]
        is_least = block == block.min(axis=1, keepdims=True)
        places[start : start + len(block)] = np.where(is_least, ranks, len(ranks)).argmin(axis=1)
    return places


def _advantage(
    name: str, estimate: Callable[[Indices], float], is_known: Bools, comparison: Comparison, *, seed: int, reason: str
) -> Score:
    """The estimate over members less that over nonmembers, its noise by leaving out groups of both.

    Args:
        name: Of the score.
        estimate: Of some rows; members stand first, nonmembers after them.
        is_known: Which rows count, shape (n_members + n_nonmembers,).
        comparison: Where the groups come from.
        seed: Which families come together.
        reason: Why the score is missing, where it is.
    """
    n_members = comparison.train.n_samples
    families = None
    if "train" in comparison.groups and "nonmembers" in comparison.groups:
        families = np.concatenate([comparison.groups["train"], comparison.groups["nonmembers"]])
    groups = sample_groups(families, len(is_known), seed=seed, n_groups=_N_GROUPS)
    is_member = np.arange(len(is_known)) < n_members

    def difference(is_kept: Bools) -> float:
        return estimate(np.flatnonzero(is_kept & is_member)) - estimate(np.flatnonzero(is_kept & ~is_member))

    deleted = [difference(is_known & (groups != group)) for group in range(int(groups.max(initial=-1)) + 1)]
    return jackknifed(name, difference(is_known), deleted, np.bincount(groups), reason=reason)
