"""Each rule for generators catches the generator that breaks it, and passes the one that does not."""

from __future__ import annotations

import pickle
import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import FitContext, Generator, GenobenchError, Genotypes, PackedCalls, Sampler, whole_sampler
from genobench.statgen import Imputer
from genobench.testing import RULES, check_plugin, run_rule, statement
from genobench.testing.generator_subject import GeneratorSubject

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class RowSampler(Sampler):
    """Hands out training rows, drawn from the seed."""

    calls: PackedCalls
    variants: pd.DataFrame

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        rows = np.random.default_rng(seed).integers(len(self.calls.packed), size=n_samples)
        return self.named(PackedCalls(self.calls.packed[rows], self.calls.n_variants), condition)

    def named(self, calls: PackedCalls, condition: pd.DataFrame | None) -> Genotypes:
        samples = pd.DataFrame({"id": [str(number) for number in range(calls.shape[0])]})
        if condition is not None:
            samples = samples.join(condition.reset_index(drop=True))
        return Genotypes(calls=calls, samples=samples, variants=self.variants)

    def save(self, folder: Path) -> None:
        np.save(folder / "calls.npy", self.calls.packed)
        self.variants.to_parquet(folder / "variants.parquet", index=False)


@dataclass(frozen=True)
class Honest(Generator):
    """Keeps every rule."""

    steps: int = 3
    sampler = RowSampler

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        for step in range(self.steps):
            context.report(step, {"loss": 1.0 / (1 + step), "total_steps": float(self.steps)})
        calls = train.to_array()
        return self.sampler(PackedCalls.from_calls(Imputer.fit(calls).complete(calls)), train.variants)

    @classmethod
    def load(cls, folder: Path) -> Any:
        with whole_sampler(folder):
            variants = pd.read_parquet(folder / "variants.parquet")
            return cls.sampler(PackedCalls(np.load(folder / "calls.npy"), len(variants)), variants)


@dataclass(frozen=True)
class Undocumented(Honest):
    pass


Undocumented.__doc__ = None


@dataclass
class ChangeableSettings(Generator):
    """Breaks a rule: its settings can be changed."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Any:
        raise NotImplementedError


class NoDataclass(Honest):
    """Breaks a rule: no dataclass of its own."""


@dataclass(frozen=True)
class NoDefault(Generator):
    """Breaks a rule."""

    steps: int

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class InfiniteSetting(Honest):
    """Breaks a rule: JSON has no infinity."""

    limit: float = float("inf")


@dataclass(frozen=True)
class ForgetfulSetting(Honest):
    """Breaks a rule: the setting that comes back is another."""

    stamp: float = field(default=0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamp", self.stamp + 1.0)


@dataclass(frozen=True)
class SuggestsItsParent(Honest):
    """Breaks a rule."""

    @classmethod
    def suggest(cls, trial: Any) -> Any:
        return Honest(steps=trial.suggest_int("steps", 1, 5))


@dataclass(frozen=True)
class SuggestsTwice(Honest):
    """Breaks a rule: one name, two questions."""

    @classmethod
    def suggest(cls, trial: Any) -> Any:
        return cls(steps=trial.suggest_int("steps", 1, 5) + trial.suggest_int("steps", 1, 2))


@dataclass(frozen=True)
class SuggestsFromZero(Honest):
    """Breaks a rule: zero has no logarithm."""

    @classmethod
    def suggest(cls, trial: Any) -> Any:
        trial.suggest_float("rate", 0.0, 1.0, log=True)
        return cls()


@dataclass(frozen=True)
class SuggestsLists(Honest):
    """Breaks a rule: a study cannot keep a list."""

    @classmethod
    def suggest(cls, trial: Any) -> Any:
        trial.suggest_categorical("widths", [[1, 2], [3]])
        return cls()


@dataclass(frozen=True)
class SuggestsText(Honest):
    """Breaks a rule: its own settings refuse what it suggests."""

    @classmethod
    def suggest(cls, trial: Any) -> Any:
        return cls(steps=trial.suggest_categorical("steps", ["many", "few"]))


@dataclass(frozen=True)
class FitsNothing(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        return None


@dataclass(frozen=True)
class FitRaises(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        raise ZeroDivisionError("no data today")


@dataclass(frozen=True)
class ReportsNan(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        context.report(1, {"loss": float("nan")})
        return super().fit(train, context)


@dataclass(frozen=True)
class ReportsBackwards(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        context.report(5, {"loss": 1.0})
        return super().fit(train, context)


class OneTooMany(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        return super().generate(n_samples + 1, seed=seed)


class AtMostTraining(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        return super().generate(min(n_samples, len(self.calls.packed)), seed=seed, condition=condition)


class ReturnsArray(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Any:
        return super().generate(n_samples, seed=seed, condition=condition).to_array()


class DropsVariants(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        whole = super().generate(n_samples, seed=seed, condition=condition)
        return whole.take_variants(np.arange(whole.n_variants - 1))


class MovesVariants(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        whole = super().generate(n_samples, seed=seed, condition=condition)
        return Genotypes(calls=whole.calls, samples=whole.samples, variants=whole.variants.assign(position_bp=1))


class LeavesHoles(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        whole = super().generate(n_samples, seed=seed, condition=condition)
        calls = np.array(whole.to_array())
        calls[-1, -1] = -1
        return Genotypes(calls=PackedCalls.from_calls(calls), samples=whole.samples, variants=whole.variants)


class IgnoresSeed(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        return super().generate(n_samples, seed=0, condition=condition)


class UsesGlobalNumpy(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        drawn = np.random.randint(1 << 30)  # noqa: NPY002 - the fault on trial
        return super().generate(n_samples, seed=seed + int(drawn), condition=condition)


class RemembersCalls(RowSampler):
    """Its samples depend on how often it was asked."""

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        n_calls = vars(self).get("n_calls", 0)
        vars(self)["n_calls"] = n_calls + 1
        return super().generate(n_samples, seed=seed + 1000 * n_calls, condition=condition)


class SeedsTorch(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        torch.manual_seed(seed)
        return super().generate(n_samples, seed=seed, condition=condition)


@dataclass(frozen=True)
class FitsAtRandom(Honest):
    """Breaks a rule: shuffles with the global random state."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        rows = list(range(train.n_samples))
        random.shuffle(rows)
        return super().fit(train.take_samples(np.array(rows)), context)


@dataclass(frozen=True)
class OverwritesTrain(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        train.samples["weight"] = 0.0
        return super().fit(train, context)


class DropsCondition(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        return super().generate(n_samples, seed=seed)


class ReversesCondition(RowSampler):
    """Labels and genotypes misaligned: the fault that was made twice before us."""

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        return super().generate(n_samples, seed=seed, condition=None if condition is None else condition[::-1])


class ChangesCondition(RowSampler):
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        if condition is not None:
            condition["note"] = "seen"
        return super().generate(n_samples, seed=seed, condition=condition)


@dataclass(frozen=True)
class OnlyValues(Honest):
    """Breaks a rule: refuses classes."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        train.samples[context.trait.column].astype(float)
        return super().fit(train, context)


@dataclass(frozen=True)
class KeepsHoles(Honest):
    """Breaks a rule: hands on missing calls."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        return self.sampler(PackedCalls.from_calls(train.to_array()), train.variants)


@dataclass(frozen=True)
class DividesByVariance(Honest):
    """Breaks a rule: a constant variant has no variance."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        if (train.to_array().std(axis=0) == 0).any():
            raise FloatingPointError("division by zero")
        return super().fit(train, context)


@dataclass(frozen=True)
class NeedsABatch(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        if train.n_samples < 32:
            raise ValueError("batch_size > n")
        return super().fit(train, context)


@dataclass(frozen=True)
class NeedsTwoVariants(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        train.to_array()[:, 1]
        return super().fit(train, context)


@dataclass(frozen=True)
class LoadsAnother(Honest):
    """Breaks a rule: what is loaded has lost the order of its rows."""

    @classmethod
    def load(cls, folder: Path) -> Any:
        whole = super().load(folder)
        return cls.sampler(PackedCalls(whole.calls.packed[::-1], whole.calls.n_variants), whole.variants)


@dataclass(frozen=True)
class LoadsNothing(Honest):
    """Breaks a rule."""

    @classmethod
    def load(cls, folder: Path) -> Any:
        return folder


@dataclass(frozen=True)
class LoadsAnything(Honest):
    """Breaks a rule: what is not there is made up."""

    @classmethod
    def load(cls, folder: Path) -> Any:
        return cls.sampler(PackedCalls.from_calls(np.zeros((1, 1), dtype=np.int8)), pd.read_parquet(folder / "variants.parquet"))


@dataclass(frozen=True)
class LoadsUnguarded(Honest):
    """Breaks a rule: an error of numpy's comes through."""

    @classmethod
    def load(cls, folder: Path) -> Any:
        if not (folder / "calls.npy").exists():
            raise GenobenchError(f"The folder {folder} has no calls.npy.")
        variants = pd.read_parquet(folder / "variants.parquet")
        return cls.sampler(PackedCalls(np.load(folder / "calls.npy"), len(variants)), variants)


class SavesPickle(RowSampler):
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "model.pkl").write_bytes(pickle.dumps(self.calls.packed))


class SavesHiddenPickle(RowSampler):
    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


class SavesPickleAsJson(RowSampler):
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "model.json").write_bytes(pickle.dumps([1]))


class SavesNothing(RowSampler):
    def save(self, folder: Path) -> None:
        pass


def _with_sampler(broken: type[RowSampler]) -> type[Honest]:
    """The honest generator with a broken sampler."""
    return dataclass(frozen=True)(type(f"With{broken.__name__}", (Honest,), {"sampler": broken, "__doc__": "Breaks a rule."}))


BROKEN = [
    ("is_documented", Undocumented, "no docstring"),
    ("settings_are_a_frozen_dataclass", ChangeableSettings, "can be changed"),
    ("settings_are_a_frozen_dataclass", NoDataclass, "no dataclass"),
    ("settings_have_defaults", NoDefault, "the setting steps has no default"),
    ("settings_survive_json", InfiniteSetting, "cannot be written as JSON"),
    ("settings_survive_json", ForgetfulSetting, r"stamp=1.0\) became .*stamp=2.0"),
    ("suggest_gives_valid_settings", SuggestsItsParent, "must return an instance of SuggestsItsParent"),
    ("suggest_gives_valid_settings", SuggestsTwice, "asks for 'steps' twice"),
    ("suggest_gives_valid_settings", SuggestsFromZero, "logarithmic"),
    ("suggest_gives_valid_settings", SuggestsLists, r"\[1, 2\]"),
    ("suggest_gives_valid_settings", SuggestsText, "does not take steps = 'many'"),
    ("fit_gives_a_sampler", FitsNothing, "NoneType"),
    ("fit_gives_a_sampler", FitRaises, r"ZeroDivisionError: no data today \(test_rules_generator.py, line \d+\)"),
    ("reports_are_numbers", ReportsNan, "'loss': nan"),
    ("reports_are_numbers", ReportsBackwards, "the step 0 after 5"),
    ("generate_gives_the_number_asked_for", _with_sampler(OneTooMany), r"generate\(1\) returned 2 samples"),
    ("generate_gives_the_number_asked_for", _with_sampler(AtMostTraining), r"generate\(131\) returned 72 samples"),
    ("generate_gives_the_number_asked_for", _with_sampler(ReturnsArray), "returned ndarray"),
    ("generate_keeps_the_training_variants", _with_sampler(DropsVariants), "59 synthetic variants; the training samples have 60"),
    ("generate_keeps_the_training_variants", _with_sampler(MovesVariants), "position_bp"),
    ("calls_are_whole", _with_sampler(LeavesHoles), "1 synthetic calls are missing, the first at sample 39, variant 59"),
    ("same_seed_gives_same_samples", _with_sampler(UsesGlobalNumpy), "calls differ"),
    ("same_seed_gives_same_samples", _with_sampler(RemembersCalls), "calls differ"),
    ("other_seed_gives_other_samples", _with_sampler(IgnoresSeed), "the seeds 21 and 22 gave the same"),
    ("same_fit_seed_gives_same_sampler", FitsAtRandom, "two fits with seed 11"),
    ("global_random_state_is_left_alone", FitsAtRandom, "fit changed the global state of random;"),
    ("global_random_state_is_left_alone", _with_sampler(SeedsTorch), "generate changed the global state of torch;"),
    ("global_random_state_is_left_alone", _with_sampler(UsesGlobalNumpy), r"generate changed the global state of numpy\.random;"),
    ("train_is_not_changed", OverwritesTrain, "content hash"),
    ("every_kind_of_trait_is_accepted", OnlyValues, "could not convert string to float"),
    ("every_kind_of_trait_is_accepted", _with_sampler(DropsCondition), "lacks the condition's column 'weight'"),
    ("every_kind_of_trait_is_accepted", _with_sampler(ReversesCondition), "row 0 of the sample table has"),
    ("every_kind_of_trait_is_accepted", _with_sampler(ChangesCondition), "changed the condition"),
    ("missing_calls_are_accepted", KeepsHoles, "synthetic calls are missing"),
    ("constant_variants_are_accepted", DividesByVariance, "division by zero"),
    ("few_samples_are_accepted", NeedsABatch, "batch_size > n"),
    ("one_variant_is_accepted", NeedsTwoVariants, "IndexError"),
    ("saved_sampler_generates_the_same", LoadsAnother, "the sampler and its saved copy"),
    ("saved_sampler_generates_the_same", LoadsNothing, "load returned PosixPath"),
    ("saved_files_need_no_unpickling", _with_sampler(SavesPickle), r"model\.pkl"),
    ("saved_files_need_no_unpickling", _with_sampler(SavesHiddenPickle), r"objects\.npy"),
    ("saved_files_need_no_unpickling", _with_sampler(SavesPickleAsJson), r"model\.json"),
    ("saved_files_need_no_unpickling", _with_sampler(SavesNothing), "save wrote no file"),
    ("load_refuses_another_folder", LoadsNothing, "for an empty folder, load gave a PosixPath"),
    ("load_refuses_another_folder", LoadsAnything, "for an empty folder, load gave FileNotFoundError"),
    ("load_refuses_damaged_files", LoadsUnguarded, "with calls.npy cut in half, load gave ValueError"),
]


@pytest.mark.parametrize(("rule", "plugin", "message"), BROKEN)
def test_generator_rules__catch_the_plugin_that_breaks_them(rule: str, plugin: Any, message: str, tmp_path: Path) -> None:
    (function,) = (function for function in RULES["generator"] if function.__name__ == rule)
    check = run_rule(function, GeneratorSubject(plugin=plugin, folder=tmp_path))
    assert not check.ok
    assert f":{plugin.__qualname__} breaks the rule {rule} ({statement(function)}) Found: " in check.message
    assert re.search(message, check.message)


def test_generator_rules__pass_the_honest_generator() -> None:
    assert [check.message for check in check_plugin("generator", Honest) if not check.ok] == []


def test_generator_rules__each_has_a_plugin_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.__name__ for rule in RULES["generator"]}
