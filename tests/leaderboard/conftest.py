"""A board's worth of outcomes, made up, with something of everything that a page must show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from genobench.outcomes import Band, Outcome, ScoreRecord

MakeScore = Callable[..., ScoreRecord]
MakeOutcome = Callable[..., Outcome]

_TEMPLATES: dict[str, dict[str, Any]] = {
    "allele_frequency_error": {
        "family": "fidelity",
        "unit": "allele frequency",
        "direction": "lower",
        "ideal": 0.0,
        "band": Band(mean=0.0182, standard_deviation=0.001, low=0.0164, high=0.0203, n_draws=100),
        "summary": "Root mean squared difference of allele frequencies between synthetic and holdout samples.",
    },
    "ld_decay_error": {
        "family": "fidelity",
        "unit": "r2",
        "direction": "lower",
        "ideal": 0.0,
        "band": Band(mean=0.006, standard_deviation=0.001, low=0.004, high=0.009, n_draws=100),
        "summary": "Mean difference of the LD decay curves.",
    },
    "membership_auc": {
        "family": "privacy",
        "unit": "AUC",
        "direction": "lower",
        "ideal": 0.5,
        "band": Band(mean=0.5, standard_deviation=0.02, low=0.46, high=0.54, n_draws=100),
        "summary": "How well the distance to the nearest synthetic sample tells training samples from nonmembers.",
    },
    "ridge_r2": {
        "family": "utility",
        "unit": "r2",
        "direction": "higher",
        "ideal": None,
        "band": Band(mean=0.24, standard_deviation=0.03, low=0.18, high=0.30, n_draws=100),
        "ceiling": 0.31,
        "summary": "Trait of the holdout predicted by a ridge regression trained on synthetic samples.",
    },
}


def _score(metric: str, value: float, *, error: float | None = None, **changes: Any) -> ScoreRecord:
    template: dict[str, Any] = {"plugin": "genobench/made-up", "version": 1, "is_primary": True, **_TEMPLATES.get(metric, {})}
    return ScoreRecord(**{**template, "metric": metric, "value": value, "standard_error": error, **changes})


def _outcome(generator: str = "wgan", seed: int = 0, *, scores: tuple[ScoreRecord, ...] = (), **changes: Any) -> Outcome:
    outcome = Outcome(
        cell_id=f"{generator}-{seed}-{sorted(changes.get('settings', {}).items())}",
        status="ok",
        phase="done",
        dataset="cattle-demo",
        dataset_sha256="d" * 64,
        split={
            "scheme": "family",
            "seed": 0,
            "sha256": "e" * 64,
            "n": {"train": 1072, "validation": 195, "holdout": 390, "nonmembers": 293},
            "largest_kinship": 0.081,
        },
        trait="fat",
        generator=generator,
        distribution="genobench-neural",
        plugin_version="0.1.0",
        code_sha256="f" * 64,
        settings={},
        seed=seed,
        n_generated=1072,
        scores=scores,
        timings={"fit": 60.0},
        created_at="2026-01-02T03:04:05+00:00",
    )
    if "n" in changes.get("split", {}):
        changes = {"n_generated": changes["split"]["n"]["train"], **changes}
    return replace(outcome, **changes)


@pytest.fixture(scope="session")
def make_score() -> MakeScore:
    """Makes a score record: (metric, value, error=None, **changes)."""
    return _score


@pytest.fixture(scope="session")
def make_outcome() -> MakeOutcome:
    """Makes an outcome: (generator, seed, scores=(), **changes)."""
    return _outcome


@pytest.fixture(scope="session")
def board_outcomes() -> list[Outcome]:
    """Two good generators, one that leaks, one that always fails, controls, a missing score, a secondary score."""
    outcomes = []

    def add(generator: str, values: tuple[float, float, float, float], n_seeds: int = 3, **changes: Any) -> None:
        errors = (0.0008, 0.0012, 0.014, 0.025)
        for seed in range(n_seeds):
            scores = [
                _score(metric, value + (seed - 1) * error * 0.7, error=error)
                if math.isfinite(value)
                else _score(metric, value, reason="the classifier was given one class only")
                for metric, value, error in zip(_TEMPLATES, values, errors, strict=True)
            ]
            extra = _score(
                "recall", min(1.0, 0.5 + values[2] / 2), error=0.02, family="fidelity", unit="share", direction="higher", is_primary=False
            )
            outcomes.append(_outcome(generator, seed, scores=(*scores, extra), **changes))

    add("wgan", (0.041, 0.022, 0.515, 0.17))
    add("vae", (0.052, 0.061, 0.508, 0.12))
    add("diffusion", (0.019, 0.0085, 0.66, 0.26))
    add("haplotype-mosaic", (0.0195, 0.012, 0.522, math.nan), n_seeds=1)
    control: dict[str, Any] = {"is_control": True, "distribution": "genobench"}
    add("independent", (0.026, 0.121, 0.503, 0.11), **control)
    add("copy", (0.0178, 0.0061, 0.999, 0.31), n_seeds=1, **control)
    for share, auc in ((0.01, 0.51), (0.1, 0.60)):
        add("leaky", (0.025, 0.11, auc, 0.11), n_seeds=1, settings={"share": share}, **control)
    outcomes.append(replace(_outcome("vae", 3), status="timeout", phase="fit", n_generated=0, message="the fit took longer than 600 s."))
    outcomes.extend(
        replace(
            _outcome("ctgan", seed), status="out-of-memory", phase="fit", n_generated=0, message="the worker asked for more than 8 GiB."
        )
        for seed in range(3)
    )
    return outcomes
