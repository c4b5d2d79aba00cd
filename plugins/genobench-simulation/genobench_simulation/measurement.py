"""Facts about simulated data that a card states."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from genobench_simulation.simulated import Simulated


def mean_r2(calls: npt.NDArray[np.int8], variants: pd.DataFrame, distance_bp: int) -> float:
    """Mean r2 between calls at about a distance, over all chromosomes.

    Args:
        calls: Shape (n_samples, n_variants), none missing.
        variants: The variant table.
        distance_bp: Pairs from .75 to 1.25 times this distance apart count.

    Returns:
        Mean squared correlation of calls, not corrected for sample size, over pairs of variants with a minor allele frequency of .05 or
        more each.
    """
    total, n_pairs = 0.0, 0
    frequency = calls.mean(axis=0) / 2
    is_common = np.minimum(frequency, 1 - frequency) >= 0.05
    for _, rows in variants[is_common].groupby("chromosome"):
        position = rows["position_bp"].to_numpy(dtype=np.int64)
        if len(position) < 2:
            continue
        apart = np.triu(np.abs(position[:, None] - position))
        wanted = (apart >= 0.75 * distance_bp) & (apart < 1.25 * distance_bp)
        correlation = np.atleast_2d(np.corrcoef(calls[:, rows.index].T.astype(np.float64)))
        total += float((correlation[wanted] ** 2).sum())
        n_pairs += int(wanted.sum())
    return total / n_pairs


def hudson_fst(first: npt.NDArray[np.int8], second: npt.NDArray[np.int8]) -> float:
    """Hudson's Fst of two groups, as a ratio of averages.

    Args:
        first: Calls of one group, shape (n_first, n_variants), none missing.
        second: Calls of the other, shape (n_second, n_variants).

    References:
        Bhatia et al. 2013, Estimating and interpreting FST, doi:10.1101/gr.154831.113, equation 10.
    """
    p, q = first.mean(axis=0) / 2, second.mean(axis=0) / 2
    within = p * (1 - p) / (2 * len(first) - 1) + q * (1 - q) / (2 * len(second) - 1)
    return float(((p - q) ** 2 - within).sum() / (p * (1 - q) + q * (1 - p)).sum())


def cattle_facts(simulated: Simulated) -> dict[str, object]:
    """Size, linkage, families, heritability and the three largest causal variants."""
    calls, variants = simulated.calls, simulated.variants
    families = simulated.samples["sire"].value_counts()
    trait = simulated.samples["fat_content"].to_numpy()
    by_id = dict(zip(variants["id"], range(len(variants)), strict=True))
    largest = simulated.causal.nlargest(3, "share")
    return {
        "n_samples": calls.shape[0],
        "n_variants": calls.shape[1],
        "mean_r2_100_kb": _rounded(mean_r2(calls, variants, 100_000)),
        "mean_r2_1_mb": _rounded(mean_r2(calls, variants, 1_000_000)),
        "n_families": len(families),
        "largest_family": int(families.max()),
        "heritability": _rounded(_squared_correlation(trait, _genetic_values(simulated))),
        "largest_causal": [
            {
                "id": variant,
                "alt_frequency": _rounded(calls[:, by_id[variant]].mean() / 2),
                "share": _rounded(share),
                "squared_correlation_alone": _rounded(_squared_correlation(trait, calls[:, by_id[variant]])),
            }
            for variant, share in zip(largest["id"], largest["share"].to_numpy(dtype=np.float64), strict=True)
        ],
    }


def rat_facts(simulated: Simulated) -> dict[str, object]:
    """Size, structure, linkage, heritability, class shares and what vendor alone predicts."""
    calls, samples = simulated.calls, simulated.samples
    genetic = _genetic_values(simulated)
    vendors = sorted(samples["vendor"].unique())
    members = {vendor: (samples["vendor"] == vendor).to_numpy() for vendor in vendors}
    return {
        "n_samples": calls.shape[0],
        "n_variants": calls.shape[1],
        "hudson_fst_vendors": _rounded(hudson_fst(calls[members[vendors[0]]], calls[members[vendors[1]]])),
        "hudson_fst_facilities": {vendor: _facility_fst(calls[mine], samples["facility"][mine]) for vendor, mine in members.items()},
        "polymorphic": {vendor: _rounded(np.ptp(calls[mine], axis=0).astype(bool).mean()) for vendor, mine in members.items()},
        "mean_r2_100_kb": {vendor: _rounded(mean_r2(calls[mine], simulated.variants, 100_000)) for vendor, mine in members.items()},
        "mean_r2_1_mb": {vendor: _rounded(mean_r2(calls[mine], simulated.variants, 1_000_000)) for vendor, mine in members.items()},
        "heritability": {
            vendor: _rounded(_squared_correlation(samples["pavca_index"][mine].to_numpy(), genetic[mine]))
            for vendor, mine in members.items()
        },
        "class_shares": {
            vendor: {
                name: _rounded(share) for name, share in samples["pavca_class"][mine].value_counts(normalize=True).sort_index().items()
            }
            for vendor, mine in members.items()
        },
        "balanced_accuracy_of_vendor_alone": _vendor_accuracies(samples),
    }


def _genetic_values(simulated: Simulated) -> npt.NDArray[np.float64]:
    by_id: Mapping[str, int] = dict(zip(simulated.variants["id"], range(simulated.calls.shape[1]), strict=True))
    columns = [by_id[variant] for variant in simulated.causal["id"]]
    values: npt.NDArray[np.float64] = simulated.calls[:, columns] @ simulated.causal["effect"].to_numpy(dtype=np.float64)
    return values


def _facility_fst(calls: npt.NDArray[np.int8], facility: pd.Series[str]) -> float:
    names = sorted(facility.unique())
    groups = [calls[(facility == name).to_numpy()] for name in names]
    pairs = [hudson_fst(groups[i], groups[j]) for i in range(len(groups)) for j in range(i)]
    return _rounded(float(np.mean(pairs)))


def _vendor_accuracies(samples: pd.DataFrame) -> dict[str, float]:
    """Balanced accuracy of one class a vendor: each vendor's most common one, and the pair that does best."""
    counts = pd.crosstab(samples["pavca_class"], samples["vendor"]).to_numpy()
    recalls = counts / counts.sum(axis=1, keepdims=True) / len(counts)
    pairs = itertools.product(range(len(counts)), repeat=counts.shape[1])
    best = max(float(recalls[pair, range(counts.shape[1])].sum()) for pair in pairs)
    majority = recalls[counts.argmax(axis=0), range(counts.shape[1])].sum()
    return {"most_common_class": _rounded(majority), "best_pair": _rounded(best)}


def _squared_correlation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64] | npt.NDArray[np.int8]) -> float:
    return float(np.corrcoef(first, second)[0, 1] ** 2)


def _rounded(value: float) -> float:
    return round(float(value), 4)
