"""Traits with known causal variants."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

_FACILITY_SHARE: Final = 0.03
_SEX_SHARE: Final = 0.02
_BISECTIONS: Final = 50


def additive_trait(
    calls: npt.NDArray[np.int8],
    variants: pd.DataFrame,
    *,
    large_shares: Mapping[str, float],
    n_polygenic: int,
    heritability: float,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """A standardised trait of a few large and many small additive effects.

    Args:
        calls: Shape (n_samples, n_variants), none missing.
        variants: The variant table.
        large_shares: Share of the phenotypic variance that a variant takes alone, by its id; ALT raises the trait.
        n_polygenic: Number of small effects, on variants of minor allele frequency .01 or more; the effect of an allele is normal.
        heritability: Variance of the additive genetic values over that of the trait; the small effects make up what the large ones lack.
        rng: The source of chance.

    Returns:
        Trait values, mean 0 and variance 1, shape (n_samples,); and the causal variants: id, effect of one ALT allele in phenotypic
        standard deviations, share of the phenotypic variance taken alone.

    Raises:
        SettingsError: If the large variants leave nothing to the small ones, or there are too few variants.

    What the small effects add up to is made uncorrelated with the large variants (by the least change of the small effects), and the
    normal residual with both, so that heritability and shares hold among these very samples and not only on average.
    """
    large = np.flatnonzero(variants["id"].isin(list(large_shares)))
    shares = np.array([large_shares[variant] for variant in variants["id"].iloc[large]])
    if shares.sum() >= heritability:
        raise SettingsError(
            f"The heritability is {heritability}; it must be more than the {shares.sum():.3f} of the large causal variants."
        )
    deviation = calls.std(axis=0)
    large_effects = np.sqrt(shares) / deviation[large]
    frequency = calls.mean(axis=0) / 2
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= 0.01)
    possible = np.setdiff1d(common, large)
    if n_polygenic > len(possible):
        raise SettingsError(
            f"n_polygenic is {n_polygenic}, but only {len(possible)} variants can be causal; ask for fewer or more variants."
        )
    small = np.sort(rng.choice(possible, size=n_polygenic, replace=False))
    large_calls, small_calls = calls[:, large] - calls[:, large].mean(axis=0), calls[:, small] - calls[:, small].mean(axis=0)
    small_effects = rng.normal(size=n_polygenic)
    overlap = large_calls.T @ small_calls
    small_effects -= np.linalg.lstsq(overlap, overlap @ small_effects)[0]
    by_large, by_small = large_calls @ large_effects, small_calls @ small_effects
    small_effects *= np.sqrt((heritability - by_large.var()) / by_small.var())
    index, effect = np.concatenate([large, small]), np.concatenate([large_effects, small_effects])
    noise = rng.normal(size=len(calls))
    known = np.column_stack([np.ones(len(calls)), large_calls, small_calls @ small_effects])
    noise -= known @ np.linalg.lstsq(known, noise)[0]
    values = by_large + small_calls @ small_effects + noise * np.sqrt((1 - heritability) / noise.var())
    order = np.argsort(index)
    alone = (effect * deviation[index]) ** 2
    causal = pd.DataFrame({"id": variants["id"].to_numpy()[index], "effect": _rounded(effect), "share": _rounded(alone)})
    return values, causal.iloc[order].reset_index(drop=True)


def conditioning_index(
    calls: npt.NDArray[np.int8],
    variants: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    class_shares: Mapping[str, tuple[float, float, float]],
    n_causal: int,
    heritability: float,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """A bounded index whose distribution differs between vendors and that is equally heritable within each.

    A liability is the sum of additive effects, a facility effect (.03 of its variance within a vendor), a sex effect (.02) and a normal
    residual. Within each vendor its normal scores z become the index tanh(m + s z), m and s chosen so that the three classes take their
    shares. Effects are the same in both vendors; those of variants that only the genetically less variable vendor carries are enlarged
    until the genetic variances agree.

    Args:
        calls: Shape (n_samples, n_variants), none missing.
        variants: The variant table.
        samples: The sample table: `vendor`, `facility`, `sex`.
        class_shares: For each vendor the shares of index <= -.5, between, and >= .5.
        n_causal: Number of causal variants.
        heritability: Squared correlation of index and additive genetic value within each vendor; it holds among these very samples.
        rng: The source of chance.

    Returns:
        The index in [-1, 1], shape (n_samples,); and the causal variants: id, effect of one ALT allele on the liability.

    Raises:
        SettingsError: If there are fewer variants than causal ones are asked for.
    """
    if n_causal > calls.shape[1]:
        raise SettingsError(f"n_causal is {n_causal}, but there are {calls.shape[1]} variants; ask for fewer or simulate more.")
    index = np.sort(rng.choice(calls.shape[1], size=n_causal, replace=False))
    causal_calls = calls[:, index].astype(np.float64)
    members = [(samples["vendor"] == vendor).to_numpy() for vendor in class_shares]
    effect = _balanced_effects(causal_calls, members, rng.normal(size=n_causal))
    values = np.empty(len(calls))
    for mine, shares in zip(members, class_shares.values(), strict=True):
        genetic = _standardised(causal_calls[mine] @ effect)
        facility = _standardised(samples["facility"][mine].map(_drawn_by_value(samples["facility"][mine], rng)).to_numpy(dtype=float))
        sex = _standardised((samples["sex"][mine] == "male").to_numpy(dtype=float))
        known = np.column_stack([np.ones(mine.sum()), genetic, facility, sex])
        noise = rng.normal(size=int(mine.sum()))
        noise = _standardised(noise - known @ np.linalg.lstsq(known, noise)[0])
        environment = np.sqrt(_FACILITY_SHARE) * facility + np.sqrt(_SEX_SHARE) * sex + np.sqrt(1 - _FACILITY_SHARE - _SEX_SHARE) * noise
        values[mine] = _index_of_heritability(genetic, environment, shares, heritability)
    return values, pd.DataFrame({"id": variants["id"].to_numpy()[index], "effect": _rounded(effect)})


def _balanced_effects(
    calls: npt.NDArray[np.float64], members: Sequence[npt.NDArray[np.bool_]], effect: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    varies = [calls[mine].std(axis=0) > 0 for mine in members]
    variances = [float((calls[mine] @ effect).var()) for mine in members]
    wanted, poorer = max(variances), int(np.argmin(variances))
    private = varies[poorer] & ~varies[1 - poorer]
    if not private.any():
        return effect
    shared_part = calls[members[poorer]][:, ~private] @ effect[~private]
    private_part = calls[members[poorer]][:, private] @ effect[private]
    a, b = private_part.var(), 2 * float(np.cov(shared_part, private_part, bias=True)[0, 1])
    factor = (-b + np.sqrt(b * b - 4 * a * (shared_part.var() - wanted))) / (2 * a)
    return np.where(private, effect * factor, effect)


def _index_of_heritability(
    genetic: npt.NDArray[np.float64],
    environment: npt.NDArray[np.float64],
    shares: tuple[float, float, float],
    heritability: float,
) -> npt.NDArray[np.float64]:
    """The index whose squared correlation with `genetic` is `heritability`, by bisection on the liability's."""
    low, high = 0.0, 1.0
    values = environment
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        values = _tanh_scores(np.sqrt(middle) * genetic + np.sqrt(1 - middle) * environment, shares)
        if np.corrcoef(values, genetic)[0, 1] ** 2 < heritability:
            low = middle
        else:
            high = middle
    return values


def _tanh_scores(liability: npt.NDArray[np.float64], shares: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    normal = NormalDist()
    threshold = float(np.arctanh(0.5))
    low, high = normal.inv_cdf(shares[0]), normal.inv_cdf(1 - shares[2])
    spread = 2 * threshold / (high - low)
    n = len(liability)
    scores = np.array([normal.inv_cdf((rank + 0.5) / n) for rank in range(n)])
    place = np.argsort(np.argsort(liability, kind="stable"), kind="stable")
    return np.tanh(-threshold + spread * (scores[place] - low))


def _drawn_by_value(values: pd.Series[str], rng: np.random.Generator) -> dict[str, float]:
    levels = sorted(set(values))
    return dict(zip(levels, rng.normal(size=len(levels)).tolist(), strict=True))


def _standardised(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    scores: npt.NDArray[np.float64] = (values - values.mean()) / values.std()
    return scores


def _rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Six significant digits: the last bits of a product differ from machine to machine.
    return np.array([float(f"{value:.6g}") for value in values])
