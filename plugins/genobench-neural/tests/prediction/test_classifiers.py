"""The three neural classifiers: the rules, what each must find, what must not leak, and a kill."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from torch import nn

from genobench import DatasetError, GenobenchError, SettingsError, Target, Trait
from genobench.testing import ClassifierSuite
from genobench_neural.cnn import Cnn
from genobench_neural.image_cnn import ImageCnn
from genobench_neural.mlp import Mlp
from genobench_neural.prediction.classifier import NetworkClassifier
from genobench_neural.prediction.inputs import Inputs, Samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from genobench import FitContext, Genotypes

    ContextOf = Callable[..., FitContext]
    WithColumns = Callable[..., Genotypes]

MILK = Trait(column="milk", kind="quantitative")
COAT = Trait(column="coat", kind="categorical", classes=("black", "white"))
QUICK = MappingProxyType({"n_members": 2, "max_epochs": 2, "n_hidden": 8})
ALL = pytest.mark.parametrize("plugin", [Mlp, Cnn, ImageCnn])


class TestMlp(ClassifierSuite):
    """Every rule for classifiers."""

    plugin = Mlp
    settings = QUICK


class TestCnn(ClassifierSuite):
    """Every rule for classifiers."""

    plugin = Cnn
    settings = MappingProxyType({**QUICK, "linear_part": "covariates"})


class TestImageCnn(ClassifierSuite):
    """Every rule for classifiers."""

    plugin = ImageCnn
    settings = QUICK


def correlation(plugin: NetworkClassifier, whole: Genotypes, values: Any, *, n_train: int, context: FitContext) -> float:
    """Of predictions and values beyond the first samples, on which it is trained."""
    train, holdout = whole.take_samples(np.arange(n_train)), whole.take_samples(np.arange(n_train, whole.n_samples))
    return float(np.corrcoef(plugin.fit(train, context).predict(holdout), values[n_train:])[0, 1])


def additive(n_samples: int, with_columns: WithColumns) -> Genotypes:
    """Ten of 60 variants act additively on milk."""
    calls = np.random.default_rng(6).binomial(2, 0.4, (n_samples, 60)).astype(np.int8)
    return with_columns(calls, milk=calls[:, :10].sum(axis=1) + 0.5 * np.random.default_rng(7).normal(size=n_samples))


def ridge_correlation(columns: Any, values: Any, *, n_train: int) -> float:
    ridge = RidgeCV(alphas=np.geomspace(1, 1e4, 9)).fit(columns[:n_train], values[:n_train])
    return float(np.corrcoef(ridge.predict(columns[n_train:]), values[n_train:])[0, 1])


@pytest.mark.parametrize("linear_part", ["calls", "covariates"])
@ALL
def test_classifier__finds_effects_that_add_up(
    plugin: type[NetworkClassifier], linear_part: Any, random_calls: Any, with_columns: WithColumns, context_of: ContextOf
) -> None:
    """Twelve variants of 60 act additively: with a linear part as ridge regression finds them, and by the network alone."""
    calls = random_calls(800, 60, seed=1)
    genetic = calls[:, :12] @ np.random.default_rng(2).normal(size=12)
    values = genetic + 0.5 * genetic.std() * np.random.default_rng(3).normal(size=800)
    whole = with_columns(calls, milk=values)
    settings = plugin(linear_part=linear_part, max_epochs=15, learning_rate=0.003)
    found = correlation(settings, whole, values, n_train=400, context=context_of(MILK))
    # A correlation over 400 samples has a standard error of 1 / sqrt(400) = .05 at most.
    assert found > ridge_correlation(calls, values, n_train=400) - (0.05 if linear_part == "calls" else 4 * 0.05)
    assert found > 4 * 0.05


def test_mlp__finds_two_variants_that_act_only_together(with_columns: WithColumns, context_of: ContextOf) -> None:
    """A class that is the exclusive or of two carriers has no marginal effect, so that a linear model is left at chance."""
    calls = np.random.default_rng(3).binomial(2, 1 - np.sqrt(0.5), (1200, 10)).astype(np.int8)
    is_white = (calls[:, 2] > 0) ^ (calls[:, 7] > 0)
    whole = with_columns(calls, coat=np.where(is_white, "white", "black").astype(object))
    train, holdout = whole.take_samples(np.arange(800)), whole.take_samples(np.arange(800, 1200))
    predictor = Mlp(dropout=0.1, input_dropout=0.0, learning_rate=0.01).fit(train, context_of(COAT))
    found = (predictor.predict(holdout)[:, 1] > 0.5) == is_white[800:]
    linear = LogisticRegression().fit(calls[:800], is_white[:800]).predict(calls[800:]) == is_white[800:]
    # Chance has a standard error of .5 / sqrt(400) = .025.
    assert abs(linear.mean() - 0.5) < 4 * 0.025
    assert found.mean() > 0.9


def test_cnn__finds_a_pattern_of_neighbours_wherever_it_stands(random_calls: Any, with_columns: WithColumns, context_of: ContextOf) -> None:
    """The trait counts pairs of neighbours that are alike, all along the genome: no variant has an effect of its own."""
    calls = random_calls(1000, 100, seed=4)
    centred = calls - calls.mean(axis=0)
    alike = (centred[:, :-1] * centred[:, 1:]).sum(axis=1)
    values = alike + 0.5 * alike.std() * np.random.default_rng(5).normal(size=1000)
    whole = with_columns(calls, milk=values)
    settings = Cnn(linear_part="covariates", stride_variants=1, kernel_variants=2, learning_rate=0.003, max_epochs=20, n_members=2)
    found = correlation(settings, whole, values, n_train=600, context=context_of(MILK))
    # A correlation over 400 samples has a standard error of .05 at most.
    assert abs(ridge_correlation(calls, values, n_train=600)) < 4 * 0.05
    assert found > 0.5


@ALL
def test_classifier__random_classes_stay_at_chance(
    plugin: type[NetworkClassifier], random_calls: Any, with_columns: WithColumns, context_of: ContextOf
) -> None:
    is_white = np.random.default_rng(9).permutation(np.arange(560) % 2 == 1)
    whole = with_columns(random_calls(560, 400, seed=10), coat=np.where(is_white, "white", "black").astype(object))
    predictor = plugin(max_epochs=5, learning_rate=0.003).fit(whole.take_samples(np.arange(160)), context_of(COAT))
    said_white = predictor.predict(whole.take_samples(np.arange(160, 560)))[:, 1] > 0.5
    truth = is_white[160:]
    balanced_accuracy = (said_white[truth].mean() + (~said_white[~truth]).mean()) / 2
    # Each of both shares is over about 200 samples: a standard error of at most .5 / sqrt(400).
    assert abs(balanced_accuracy - 0.5) < 4 * 0.025


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize("kind", ["folds", "validation"])
@ALL
def test_classifier__a_killed_fit_goes_on_to_the_same_predictions(
    plugin: type[NetworkClassifier],
    kind: str,
    with_columns: WithColumns,
    context_of: ContextOf,
    killed_at: Any,
) -> None:
    whole = additive(120, with_columns)
    train, others = whole.take_samples(np.arange(90)), whole.take_samples(np.arange(90, 120))
    settings = plugin(n_members=2, max_epochs=4, batch_size=16, linear_part="covariates", learning_rate=0.01)
    context = context_of(MILK, validation=others if kind == "validation" else None)
    whole_fit = settings.fit(train, replace(context, folder=context.folder / "whole"))
    assert whole_fit.committee.share > 0
    # Each network takes 24 steps where others judge, else 12: the kill falls into the training of the second.
    with killed_at(30 if kind == "validation" else 16) as at_step:
        settings.fit(train, replace(context, folder=context.folder / "killed", report=at_step))
    resumed = settings.fit(train, replace(context, folder=context.folder / "killed"))
    np.testing.assert_array_equal(resumed.predict(others), whole_fit.predict(others))


@dataclass(frozen=True)
class Recorder(NetworkClassifier):
    """Networks that say nothing, and remember which samples they learn from and are judged by."""

    networks: list[_Silent] = field(default_factory=list)

    def network(self, inputs: Inputs, *, n_out: int, random: torch.Generator) -> nn.Module:
        del inputs, random
        self.networks.append(_Silent(n_out))
        return self.networks[-1]


class _Silent(nn.Module):
    """Says 0, and remembers the first call of each sample that it saw while it was trained (True) and not (False)."""

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.seen: dict[bool, list[int]] = {True: [], False: []}

    def forward(self, samples: Samples) -> torch.Tensor:
        self.seen[self.training].extend(samples.calls[:, 0].tolist())
        return self.bias.expand(len(samples.calls), -1)


def test_fit__families_that_judge_are_not_learned_from(random_calls: Any, with_columns: WithColumns, context_of: ContextOf) -> None:
    """The first variant's call is made the number of the fold that a sample's family is in."""
    family = np.arange(180) // 6
    calls = random_calls(180, 6, seed=1)
    train = with_columns(calls, milk=np.random.default_rng(2).normal(size=180), family=[f"f{number}" for number in family])
    trait = replace(MILK, family="family")
    folds = Target.fit(train, trait).folds(train, n_folds=3, seed=context_of(trait).seed)
    calls[:, 0] = 0
    for number, fold in enumerate(folds):
        assert not set(family[fold]) & set(np.delete(family, fold))
        calls[fold, 0] = number
    coded = with_columns(calls, **{name: train.samples[name] for name in ("milk", "family")})
    recorder = Recorder(n_members=3, max_epochs=1)
    recorder.fit(coded, context_of(trait))
    for number, network in enumerate(recorder.networks):
        assert set(network.seen[True]) == {0, 1, 2} - {number}
        assert set(network.seen[False]) == {number}


@ALL
def test_classifier__leaves_out_samples_without_a_phenotype(
    plugin: type[NetworkClassifier], random_calls: Any, with_columns: WithColumns, context_of: ContextOf
) -> None:
    calls = random_calls(120, 30, seed=2)
    values = calls[:, 0] + np.random.default_rng(3).normal(size=120)
    has_value = np.arange(120) % 3 > 0
    gaps, known = with_columns(calls, milk=np.where(has_value, values, np.nan)), with_columns(calls[has_value], milk=values[has_value])
    settings, context = plugin(n_members=2, max_epochs=2, n_hidden=8), context_of(MILK)
    predictions = [
        settings.fit(train, replace(context, folder=context.folder / name)).predict(gaps) for name, train in (("a", gaps), ("b", known))
    ]
    np.testing.assert_array_equal(predictions[0], predictions[1])


@ALL
def test_classifier__without_a_variant_that_varies_sees_covariates_alone(
    plugin: type[NetworkClassifier], with_columns: WithColumns, context_of: ContextOf
) -> None:
    vendor = np.array(["A", "B"], dtype=object)[np.arange(120) % 2]
    train = with_columns(np.ones((120, 6), dtype=np.int8), vendor=vendor, milk=np.where(vendor == "A", 1.0, 5.0))
    predictor = plugin().fit(train, context_of(replace(MILK, covariates=("vendor",))))
    np.testing.assert_allclose(predictor.predict(train), train.samples["milk"], atol=0.01)
    with pytest.raises(DatasetError, match="None of the 6 variants varies among the 120 training samples with a known 'milk', and no cov"):
        plugin().fit(train, context_of(MILK))


@ALL
def test_network__says_nothing_before_it_is_trained(plugin: type[NetworkClassifier], random_calls: Any, with_columns: WithColumns) -> None:
    train = with_columns(random_calls(20, 50, seed=1), milk=np.arange(20.0))
    inputs = Inputs.fit(train, MILK, n_components=0)
    network = plugin().network(inputs, n_out=2, random=torch.Generator().manual_seed(1)).eval()
    assert network(inputs.samples(train, torch.device("cpu"))).eq(0).all()


def test_cnn__no_unit_of_the_maps_sees_two_chromosomes(random_calls: Any, with_columns: WithColumns) -> None:
    train = with_columns(random_calls(40, 128, seed=1), milk=np.arange(40.0))
    variants = train.variants.assign(chromosome=np.repeat(["1", "2"], 64), position_bp=np.tile(np.arange(1, 65), 2))
    inputs = Inputs.fit(type(train)(train.calls, train.samples, variants), MILK, n_components=0)
    network: Any = Cnn().network(inputs, n_out=1, random=torch.Generator().manual_seed(1)).eval()
    seen: list[torch.Tensor] = []
    network.head.register_forward_hook(lambda _module, given, _out: seen.append(given[0]))
    samples = inputs.samples(train, torch.device("cpu"))
    for chromosome in (slice(0, 64), slice(64, 128), slice(0, 0)):
        calls = samples.calls.clone()
        calls[:, chromosome] = 2 - calls[:, chromosome]
        network(Samples(calls=calls, covariates=samples.covariates))
    *changed, same = seen
    moved = [(maps != same).any(dim=0).any(dim=0) for maps in changed]
    assert moved[0].any()
    assert moved[1].any()
    assert not (moved[0] & moved[1]).any()


def test_settings__that_mean_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="n_members is 1; it must be at least 2"):
        Mlp(n_members=1)
    with pytest.raises(SettingsError, match=r"dropout is 1.0; it must be below 1"):
        ImageCnn(dropout=1.0)
    with pytest.raises(SettingsError, match="kernel_variants is 0; it must be at least 1"):
        Cnn(kernel_variants=0)


def test_fit__a_device_that_is_not_there_is_refused(random_calls: Any, with_columns: WithColumns, context_of: ContextOf) -> None:
    train = with_columns(random_calls(20, 10, seed=1), milk=np.arange(20.0))
    with pytest.raises(GenobenchError, match="'nowhere' is no device"):
        Mlp().fit(train, replace(context_of(MILK), device="nowhere"))
