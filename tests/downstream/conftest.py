"""Classifiers that tell what they were given, installed as plugins for this process and its workers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.downstream.records import PredictionRecord

_DIST_INFO = "witness_plugin-1.0.dist-info"
_LABELS = ("low", "medium", "high")


@pytest.fixture(scope="package")
def witnesses(tmp_path_factory):
    """Installs tests/downstream/witness_plugin.py as a distribution."""
    site = tmp_path_factory.mktemp("site")
    (site / _DIST_INFO).mkdir()
    (site / _DIST_INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: witness-plugin\nVersion: 1.0\n")
    (site / _DIST_INFO / "entry_points.txt").write_text("[genobench]\nwitness = witness_plugin\n")
    (site / "witness_plugin.py").write_text((Path(__file__).parent / "witness_plugin.py").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        patch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        yield site
        sys.modules.pop("witness_plugin", None)


@pytest.fixture(scope="session")
def make_record():
    """Makes a prediction record: 120 holdout samples in 30 families, predicted from truth times `quality` and from noise."""
    return _made_record


@pytest.fixture(scope="session")
def make_board():
    """Makes the records of three splits: covariates, and `ridge` and `prs` on real samples and on those of two generators."""

    def made(kind="quantitative", *, scheme="family", n_splits=3):
        records = []
        for seed in range(n_splits):
            counts = {"train": 480, "holdout": 120}
            split = {"scheme": scheme, "seed": seed, "sha256": f"{seed}" * 64, "n": counts}
            same: dict[str, Any] = {"kind": kind, "split_seed": seed, "split": split}
            records.append(_made_record(**same, arm="covariates", classifier="genobench/covariates", quality=0.1))
            for classifier, less in (("genobench/ridge", 0.0), ("genobench/prs", 0.1)):
                records.append(_made_record(**same, classifier=classifier, quality=1.0 - less))
                for generator, good in (("genobench/good", 1.0), ("genobench/bad", 0.3)):
                    for arm, quality in (("synthetic", 0.8 * good), ("real+1x", 1.3 * good), ("real+10x", 1.5 * good)):
                        asked = {"classifier": classifier, "generator": generator, "arm": arm, "quality": quality - less / 2}
                        records.append(_made_record(**same, **asked, n_synthetic=480))
        return records

    return made


def _made_record(kind="quantitative", **changes: Any) -> PredictionRecord:
    """A record of 120 holdout samples in 30 families; `quality` is what the truth counts among the predictions."""
    split, quality = changes.pop("split_seed", 0), changes.pop("quality", 1.0)
    noise = np.random.default_rng([split, changes.get("seed", 0), len(changes.get("arm", "real")), round(100 * quality)])
    truth, told = _values_of(split, quality, noise)
    labels: tuple[Any, ...] = tuple(truth.tolist())
    classes: tuple[str, ...] = ()
    predicted: tuple[Any, ...] = tuple(told.tolist())
    if kind != "quantitative":
        classes = _LABELS
        labels = tuple(_LABELS[place] for place in np.digitize(truth, (-0.4, 0.8)))
        scores = np.exp(-((told[:, None] - np.array([-1.0, 0.2, 1.5])) ** 2))
        predicted = tuple(map(tuple, (scores / scores.sum(axis=1, keepdims=True)).tolist()))
    made: dict[str, Any] = {
        "dataset": "made",
        "dataset_sha256": "d" * 64,
        "split": {"scheme": "family", "seed": split, "sha256": f"{split}" * 64, "n": {"train": 480, "holdout": 120}},
        "trait": "weight",
        "kind": kind,
        "generator": "",
        "generator_settings": {},
        "seed": split,
        "classifier": "genobench/ridge",
        "classifier_settings": {},
        "code_sha256": "c" * 64,
        "arm": "real",
        "n_real": 480,
        "n_synthetic": 0,
        "n_components": 0,
        "truth": labels,
        "predicted": predicted,
        "classes": classes,
        "groups": tuple((np.arange(120) // 4).tolist()),
        "seconds": 1.0,
    }
    return PredictionRecord(**(made | changes))


def _values_of(split: int, quality: float, noise: np.random.Generator) -> tuple[Any, Any]:
    """True values of a split's holdout, and predictions of them."""
    rng = np.random.default_rng([99, split])
    truth = np.repeat(rng.normal(size=30), 4) * 0.7 + 0.7 * rng.normal(size=120)
    return truth, 0.5 * quality * truth + 0.5 * rng.normal(size=120) + 0.05 * noise.normal(size=120)
