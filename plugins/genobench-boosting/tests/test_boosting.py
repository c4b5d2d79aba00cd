"""Both classifiers: the rules, the libraries called directly, what trees find, and what must not leak."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from genobench import DatasetError, FitContext, SettingsError, Trait
from genobench.testing import ClassifierSuite, genotypes_of
from genobench_boosting.boosting import BoostedTrees, n_threads
from genobench_boosting.design import Part
from genobench_boosting.lightgbm_trees import LightGbm, LightGbmGrowth
from genobench_boosting.xgboost_trees import XgBoost, usable_device

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench import Genotypes

MILK = Trait(column="milk", kind="quantitative")
COAT = Trait(column="coat", kind="categorical", classes=("black", "white"))
GRADE = Trait(column="grade", kind="ordinal", classes=("low", "medium", "high"))
BOTH = pytest.mark.parametrize("plugin", [LightGbm, XgBoost])


class TestLightGbm(ClassifierSuite):
    """Every rule for classifiers."""

    plugin = LightGbm
    settings = MappingProxyType({"n_rounds": 30})


class TestXgBoost(ClassifierSuite):
    """Every rule for classifiers."""

    plugin = XgBoost
    settings = MappingProxyType({"n_rounds": 30})


def random_calls(n_samples: int, n_variants: int, *, seed: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    return np.random.default_rng(seed).binomial(2, 0.4, (n_samples, n_variants)).astype(np.int8)


def with_columns(calls: np.ndarray[Any, np.dtype[np.int8]], **columns: Any) -> Genotypes:
    genotypes = genotypes_of(calls)
    return genotypes.with_samples(genotypes.samples[["id"]].assign(**columns))


def context_of(folder: Path, trait: Trait, **fields: Any) -> FitContext:
    return FitContext(trait=trait, seed=4, device="cpu", folder=folder, **fields)


def example(trait: Trait, *, n_samples: int = 300, seed: int = 1) -> Genotypes:
    """Five variants of 40 act additively; classes are cut at uneven quantiles."""
    calls = random_calls(n_samples, 40, seed=seed)
    values = calls[:, :5].sum(axis=1) + np.random.default_rng(seed + 100).normal(size=n_samples)
    if trait.kind == "quantitative":
        return with_columns(calls, milk=500 + 100 * values)
    edges = np.linspace(3, 5, len(trait.classes) + 1)[1:-1] + 1
    return with_columns(calls, **{trait.column: np.array(trait.classes, dtype=object)[np.searchsorted(edges, values)]})


def library_target(trait: Trait, train: Genotypes, others: Genotypes) -> tuple[Any, Any, Any, Any]:
    """Labels and weights of both, by scikit-learn's weights."""
    columns = [genotypes.samples[trait.column].to_numpy() for genotypes in (train, others)]
    if trait.kind == "quantitative":
        mean, spread = columns[0].mean(), columns[0].std()
        return *((values - mean) / spread for values in columns), None, None
    places = [np.array([trait.classes.index(name) for name in column]) for column in columns]
    return *places, *(compute_sample_weight("balanced", column) for column in columns)


def library_predictions(trait: Trait, train: Genotypes, raw: Any) -> Any:
    if trait.kind == "quantitative":
        values = train.samples[trait.column].to_numpy()
        return values.mean() + values.std() * raw
    return np.column_stack([1 - raw, raw]) if len(trait.classes) == 2 else raw


@pytest.mark.parametrize(
    ("trait", "objective"), [(MILK, "regression"), (COAT, "binary"), (GRADE, "multiclass")], ids=["values", "two classes", "three classes"]
)
def test_lightgbm__is_what_the_library_gives_on_the_same_data(trait: Trait, objective: str, tmp_path: Path) -> None:
    train, validation = example(trait, seed=1), example(trait, n_samples=120, seed=2)
    predictor = LightGbm(n_rounds=120, patience=10).fit(train, context_of(tmp_path, trait, validation=validation))
    y, judge_y, weight, judge_weight = library_target(trait, train, validation)
    settings = {
        "objective": objective,
        **({"num_class": 3} if objective == "multiclass" else {}),
        "max_bin": 3,
        "min_data_in_bin": 1,
        "use_missing": False,
        "num_leaves": 8,
        "max_depth": 3,
        "learning_rate": 0.05,
        "min_data_in_leaf": 10,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.2,
        "lambda_l2": 1.0,
        "seed": 4,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    table = lightgbm.Dataset(train.to_array().astype(float), y, weight=weight)
    judge = table.create_valid(validation.to_array().astype(float), judge_y, weight=judge_weight)
    booster = lightgbm.train(settings, table, 120, valid_sets=[judge], callbacks=[lightgbm.early_stopping(10, verbose=False)])
    assert predictor.n_rounds == booster.best_iteration
    raw = booster.predict(validation.to_array().astype(float), num_iteration=booster.best_iteration)
    np.testing.assert_allclose(predictor.predict(validation), library_predictions(trait, train, raw), rtol=1e-6)


@pytest.mark.parametrize(
    ("trait", "objective", "curvature"),
    [(MILK, "reg:squarederror", 1.0), (COAT, "binary:logistic", 0.25), (GRADE, "multi:softprob", 4 / 9)],
    ids=["values", "two classes", "three classes"],
)
def test_xgboost__is_what_the_library_gives_on_the_same_data(trait: Trait, objective: str, curvature: float, tmp_path: Path) -> None:
    train, validation = example(trait, seed=1), example(trait, n_samples=120, seed=2)
    predictor = XgBoost(n_rounds=120, patience=10).fit(train, context_of(tmp_path, trait, validation=validation))
    y, judge_y, weight, judge_weight = library_target(trait, train, validation)
    settings: dict[str, Any] = {
        "objective": objective,
        **({"num_class": 3} if trait is GRADE else {}),
        "tree_method": "hist",
        "max_depth": 3,
        "learning_rate": 0.05,
        "min_child_weight": 10 * curvature,
        "subsample": 0.8,
        "colsample_bytree": 0.2,
        "lambda": 1.0,
        "seed": 4,
        "nthread": 1,
    }
    table = xgboost.DMatrix(train.to_array().astype(float), y, weight=weight)
    judge = xgboost.DMatrix(validation.to_array().astype(float), judge_y, weight=judge_weight)
    booster = xgboost.train(settings, table, 120, evals=[(judge, "judge")], early_stopping_rounds=10, verbose_eval=False)
    assert predictor.n_rounds == booster.best_iteration + 1
    raw = booster.predict(judge, iteration_range=(0, booster.best_iteration + 1)).astype(float)
    np.testing.assert_allclose(predictor.predict(validation), library_predictions(trait, train, raw), rtol=1e-5)


@BOTH
def test_classifier__finds_two_variants_that_act_only_together(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    """A class that is the exclusive or of two carriers has no marginal effect, so that a linear model is left at chance."""
    calls = np.random.default_rng(3).binomial(2, 1 - np.sqrt(0.5), (1200, 10)).astype(np.int8)
    is_white = (calls[:, 2] > 0) ^ (calls[:, 7] > 0)
    whole = with_columns(calls, coat=np.where(is_white, "white", "black").astype(object))
    train, holdout = whole.take_samples(np.arange(800)), whole.take_samples(np.arange(800, 1200))
    predictor = plugin(column_share=1.0, n_rounds=150).fit(train, context_of(tmp_path, COAT))
    found = (predictor.predict(holdout)[:, 1] > 0.5) == is_white[800:]
    linear = LogisticRegression().fit(calls[:800], is_white[:800]).predict(calls[800:]) == is_white[800:]
    # Chance has a standard error of .5 / sqrt(400) = .025.
    assert abs(linear.mean() - 0.5) < 4 * 0.025
    assert found.mean() > 0.95


@BOTH
def test_classifier__chooses_variants_within_each_fold(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    """A planted leak: 3,000 variants of noise, of which the 30 most associated are kept; chosen on all samples they predict the folds."""
    values = np.random.default_rng(5).normal(size=120)
    train = with_columns(random_calls(120, 3000, seed=6), milk=values)
    holdout = with_columns(random_calls(400, 3000, seed=7))

    def least_loss(samples: Genotypes) -> tuple[float, Any]:
        losses: list[float] = []

        def report(_step: int, values: Mapping[str, float], /) -> None:
            losses.append(values["validation_loss"])

        predictor = plugin(most_variants=30, n_rounds=100, column_share=1.0).fit(samples, context_of(tmp_path, MILK, report=report))
        return min(losses), predictor

    honest, predictor = least_loss(train)
    leaky, _ = least_loss(train.take_variants(predictor.design.variants))
    # A correlation of predictions with noise has a standard error of 1 / sqrt(120), so that by chance a share of at most (4 / sqrt(120))^2
    # of the variance is explained in the folds; in the holdout one of 1 / sqrt(400).
    limit = 1 - 16 / 120
    assert honest > limit
    assert leaky < limit
    predicted = predictor.predict(holdout)
    if predicted.std() > 0:
        truth = np.random.default_rng(8).normal(size=400)
        assert abs(np.corrcoef(predicted, truth)[0, 1]) < 4 / np.sqrt(400)


@BOTH
def test_classifier__random_classes_stay_at_chance(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    is_white = np.random.default_rng(9).permutation(np.arange(560) % 2 == 1)
    whole = with_columns(random_calls(560, 1000, seed=10), coat=np.where(is_white, "white", "black").astype(object))
    predictor = plugin(most_variants=40, n_rounds=100).fit(whole.take_samples(np.arange(160)), context_of(tmp_path, COAT))
    said_white = predictor.predict(whole.take_samples(np.arange(160, 560)))[:, 1] > 0.5
    truth = is_white[160:]
    balanced_accuracy = (said_white[truth].mean() + (~said_white[~truth]).mean()) / 2
    # Each of both shares is over about 200 samples: a standard error of at most .5 / sqrt(400).
    assert abs(balanced_accuracy - 0.5) < 4 * 0.025


@dataclass(frozen=True)
class Recorder(BoostedTrees):
    """Grows nothing, and remembers what it was handed."""

    started: list[tuple[Part, Part | None]] = field(default_factory=list)

    def start(self, train: Part, judge: Part | None, *, n_classes: int, context: FitContext) -> Any:
        del n_classes, context
        self.started.append((train, judge))
        return self

    def grow(self) -> None:
        pass

    def loss(self) -> float:
        return 1.0

    def forest(self, n_rounds: int) -> Any:
        return n_rounds


def test_fit__keeps_families_on_one_side_of_each_fold(tmp_path: Path) -> None:
    family = np.arange(180) // 6
    train = with_columns(random_calls(180, 20, seed=11), milk=family.astype(float), family=[f"f{number}" for number in family])
    recorder = Recorder()
    recorder.fit(train, context_of(tmp_path, replace(MILK, family="family")))
    *folds, (whole, nobody) = recorder.started
    assert len(folds) == 3
    for rest, judge in folds:
        assert judge is not None
        assert not set(rest.numbers) & set(judge.numbers)
        assert len(rest.numbers) + len(judge.numbers) == 180
    assert nobody is None
    assert len(whole.numbers) == 180


def test_fit__validation_judges_where_it_is_given(tmp_path: Path) -> None:
    train, validation = example(MILK), example(MILK, n_samples=50, seed=2)
    recorder = Recorder()
    recorder.fit(train, context_of(tmp_path, MILK, validation=validation))
    [(whole, judge)] = recorder.started
    assert len(whole.numbers) == 300
    assert judge is not None
    assert len(judge.numbers) == 50


def test_fit__folds_judge_where_validation_samples_are_few(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.fit(example(MILK), context_of(tmp_path, MILK, validation=example(MILK, n_samples=9, seed=2)))
    assert len(recorder.started) == 4


def test_fit__a_handful_of_samples_that_cannot_judge_grow_patience_rounds(tmp_path: Path) -> None:
    train = with_columns(random_calls(4, 30, seed=3), coat=["white", "black", "black", "black"])
    recorder = Recorder(patience=7, n_folds=4)
    assert recorder.fit(train, context_of(tmp_path, COAT)).n_rounds == 7


@BOTH
def test_classifier__leaves_out_samples_without_a_phenotype(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    train, holdout = example(GRADE), example(GRADE, n_samples=20, seed=2)
    labels = train.samples["grade"].where(np.arange(300) % 3 > 0, None)
    known = train.take_samples(np.flatnonzero(labels.notna()))
    fits = [
        plugin(n_rounds=5).fit(part, context_of(tmp_path, GRADE))
        for part in (train.with_samples(train.samples.assign(grade=labels)), known)
    ]
    np.testing.assert_array_equal(fits[0].predict(holdout), fits[1].predict(holdout))


@BOTH
def test_classifier__without_a_variant_that_varies_sees_covariates_alone(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    vendor = np.array(["A", "B"], dtype=object)[np.arange(120) % 2]
    constant = np.ones((120, 6), dtype=np.int8)
    train = with_columns(constant, vendor=vendor, milk=np.where(vendor == "A", 1.0, 5.0))
    predictor = plugin(column_share=1.0).fit(train, context_of(tmp_path, replace(MILK, covariates=("vendor",))))
    np.testing.assert_allclose(predictor.predict(train), train.samples["milk"], atol=0.1)
    with pytest.raises(DatasetError, match="None of the 6 variants varies among the 120 training samples with a known 'milk', and no cov"):
        plugin().fit(train, context_of(tmp_path, MILK))


@BOTH
def test_classifier__principal_components_are_columns_too(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    predictor: Any = plugin(n_rounds=5, most_variants=10).fit(example(MILK), context_of(tmp_path, MILK, n_components=3))
    assert predictor.design.columns(example(MILK, n_samples=9, seed=2)).shape == (9, 13)


@BOTH
def test_classifier__a_class_that_training_lacks_gets_probability_zero(plugin: type[BoostedTrees], tmp_path: Path) -> None:
    train = example(GRADE)
    train = train.take_samples(np.flatnonzero(train.samples["grade"] != "medium"))
    predicted = plugin(n_rounds=5).fit(train, context_of(tmp_path, GRADE)).predict(train)
    assert (predicted[:, 1] == 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1)


def test_lightgbm__calls_have_three_bins_and_covariates_more() -> None:
    rng = np.random.default_rng(2)
    columns = np.column_stack([random_calls(200, 4, seed=1), rng.normal(size=200)]).astype(np.float32)
    part = Part(columns=columns, n_covariates=1, numbers=rng.normal(size=200), weights=np.ones(200))
    context: Any = FitContext(trait=MILK, seed=1, device="cpu", folder=None)  # type: ignore[arg-type]  # nothing is written
    growth = LightGbm().start(part, None, n_classes=0, context=context)
    assert isinstance(growth, LightGbmGrowth)
    table = growth._booster.train_set
    assert [table.feature_num_bin(place) for place in range(4)] == [3, 3, 3, 3]
    assert table.feature_num_bin(4) > 3


def test_lightgbm__is_the_same_with_any_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = []
    for n in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", n)
        predicted.append(LightGbm(n_rounds=5).fit(example(MILK), context_of(tmp_path, MILK)).predict(example(MILK, seed=2)))
    np.testing.assert_array_equal(predicted[0], predicted[1])


def test_n_threads__are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert n_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert n_threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert n_threads() >= 1


def test_usable_device__is_the_processor_where_xgboost_knows_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": False})
    with pytest.warns(UserWarning, match="The fit's device is cuda:0, but this xgboost was built without CUDA"):
        assert usable_device("cuda:0") == "cpu"
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert usable_device("cuda:0") == "cuda:0"


def test_settings__that_mean_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="most_variants is 0; it must be at least 1"):
        LightGbm(most_variants=0)
    with pytest.raises(SettingsError, match="n_folds is 1; it must be at least 2"):
        XgBoost(n_folds=1)
    with pytest.raises(SettingsError, match=r"column_share is 1.5; it must lie in \[0, 1\]"):
        XgBoost(column_share=1.5)
