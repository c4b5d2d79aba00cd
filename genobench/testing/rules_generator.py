"""What every generator must do. Each rule is a function of a `GeneratorSubject`; see `genobench.testing.rules`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.calls import MISSING, PackedCalls
from genobench.conditions import draw_condition, first_departure
from genobench.contracts import Sampler
from genobench.genotypes import Genotypes
from genobench.storage import content_sha256
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes
from genobench.testing.generator_subject import FIT_SEED, GENERATE_SEED
from genobench.testing.random_states import disturbed_random_states, global_random_states
from genobench.testing.rules_saved_sampler import load_refuses_another_folder, load_refuses_damaged_files, saved_files_need_no_unpickling
from genobench.testing.rules_settings import (
    is_documented,
    settings_are_a_frozen_dataclass,
    settings_have_defaults,
    settings_survive_json,
    suggest_gives_valid_settings,
)

if TYPE_CHECKING:
    from genobench.testing.generator_subject import GeneratorSubject
    from genobench.testing.rules import Rule

_N_MORE_THAN_TRAIN: Final = 131


def fit_gives_a_sampler(subject: GeneratorSubject) -> str | None:
    """`fit` returns a genobench.Sampler."""
    if not isinstance(subject.sampler, Sampler):
        return f"fit returned {type(subject.sampler).__name__}."
    return None


def generate_gives_the_number_asked_for(subject: GeneratorSubject) -> str | None:
    """`generate(n)` returns Genotypes of n samples: one, or more than there were in training."""
    for n_samples in (1, _N_MORE_THAN_TRAIN):
        synthetic = subject.sampler.generate(n_samples, seed=GENERATE_SEED)
        if not isinstance(synthetic, Genotypes):
            return f"generate returned {type(synthetic).__name__}; it must return genobench.Genotypes."
        if synthetic.n_samples != n_samples:
            return f"generate({n_samples}) returned {synthetic.n_samples} samples."
    return None


def generate_keeps_the_training_variants(subject: GeneratorSubject) -> str | None:
    """Synthetic genotypes have the training variants, in their order."""
    return _different_variants(subject.synthetic, subject.train)


def calls_are_whole(subject: GeneratorSubject) -> str | None:
    """Every synthetic call is 0, 1 or 2; none is missing."""
    return _missing_calls(subject.synthetic)


def same_seed_gives_same_samples(subject: GeneratorSubject) -> str | None:
    """`generate` with one seed gives the same samples each time, whatever was generated between."""
    first = subject.sampler.generate(30, seed=GENERATE_SEED)
    subject.sampler.generate(7, seed=GENERATE_SEED + 1)
    with disturbed_random_states():
        second = subject.sampler.generate(30, seed=GENERATE_SEED)
    return _different_calls(first, second, f"two calls of generate(30, seed={GENERATE_SEED})")


def other_seed_gives_other_samples(subject: GeneratorSubject) -> str | None:
    """`generate` with another seed gives other samples."""
    first, second = (subject.sampler.generate(30, seed=seed) for seed in (GENERATE_SEED, GENERATE_SEED + 1))
    if np.array_equal(first.to_array(), second.to_array()):
        return f"the seeds {GENERATE_SEED} and {GENERATE_SEED + 1} gave the same 30 samples."
    return None


def same_fit_seed_gives_same_sampler(subject: GeneratorSubject) -> str | None:
    """Two fits with one seed give samplers that generate the same samples, whatever the global random state."""
    again, _, _ = subject.second_fit
    return _different_calls(subject.synthetic, again.generate(40, seed=GENERATE_SEED), f"two fits with seed {FIT_SEED}")


def global_random_state_is_left_alone(subject: GeneratorSubject) -> str | None:
    """Neither `fit` nor `generate` uses or seeds the global random state of random, numpy or torch."""
    sampler, before_fit, after_fit = subject.second_fit
    with disturbed_random_states():
        before_generate = global_random_states()
        sampler.generate(5, seed=GENERATE_SEED)
        after_generate = global_random_states()
    for step, earlier, later in (("fit", before_fit, after_fit), ("generate", before_generate, after_generate)):
        changed = [library for library, state in earlier.items() if later[library] != state]
        if changed:
            return f"{step} changed the global state of {', '.join(changed)}; make a generator from the seed, or fork torch's."
    return None


def train_is_not_changed(subject: GeneratorSubject) -> str | None:
    """`fit` leaves the training samples as they were."""
    _ = subject.sampler
    if content_sha256(subject.train) != content_sha256(example_genotypes(n_samples=72)):
        return "the content hash of the training samples differs before and after fit."
    return None


def every_kind_of_trait_is_accepted(subject: GeneratorSubject) -> str | None:
    """Quantitative, categorical and ordinal traits are accepted, and the condition stands in the sample table."""
    validation = example_genotypes(n_samples=96).take_samples(np.arange(72, 96))
    for kind, trait in EXAMPLE_TRAITS.items():
        sampler = subject.fit(subject.train, trait=trait, validation=validation)
        condition = draw_condition(subject.train.samples, trait, n_samples=25, seed=GENERATE_SEED)
        before = condition.copy()
        synthetic = sampler.generate(25, seed=GENERATE_SEED, condition=condition)
        if not condition.equals(before):
            return f"for the {kind} trait, generate changed the condition that it was given."
        # A generator that hands out training samples may leave them their trait.
        fault = first_departure(synthetic.samples, condition, subject.train.samples) or _missing_calls(synthetic)
        fault = fault or _different_variants(synthetic, subject.train)
        if fault:
            return f"for the {kind} trait, {fault}"
    return None


def missing_calls_are_accepted(subject: GeneratorSubject) -> str | None:
    """Training calls may be missing, at one variant all of them; synthetic ones are not."""
    train = example_genotypes(n_samples=72, missing_share=0.1)
    calls = train.to_array().copy()
    calls[:, 7] = MISSING
    train = Genotypes(calls=PackedCalls.from_calls(calls), samples=train.samples, variants=train.variants)
    return _missing_calls(subject.fit(train).generate(20, seed=GENERATE_SEED))


def constant_variants_are_accepted(subject: GeneratorSubject) -> str | None:
    """Training variants may be constant."""
    train = example_genotypes(n_samples=72, n_constant=6)
    synthetic = subject.fit(train).generate(20, seed=GENERATE_SEED)
    return _missing_calls(synthetic) or _different_variants(synthetic, train)


def few_samples_are_accepted(subject: GeneratorSubject) -> str | None:
    """Five training samples are enough to fit, however large a batch is."""
    train = example_genotypes(n_samples=72).take_samples(np.array([0, 1, 2, 3, 4]))
    return _missing_calls(subject.fit(train).generate(20, seed=GENERATE_SEED))


def one_variant_is_accepted(subject: GeneratorSubject) -> str | None:
    """One training variant is enough to fit."""
    train = example_genotypes(n_samples=72).take_variants(np.array([30]))
    synthetic = subject.fit(train).generate(20, seed=GENERATE_SEED)
    return _missing_calls(synthetic) or _different_variants(synthetic, train)


def saved_sampler_generates_the_same(subject: GeneratorSubject) -> str | None:
    """A sampler that is saved and loaded again generates the same samples."""
    folder = subject.new_folder()
    subject.sampler.save(folder)
    loaded = subject.plugin.load(folder)
    if not isinstance(loaded, Sampler):
        return f"load returned {type(loaded).__name__}; it must return a genobench.Sampler."
    synthetic = loaded.generate(40, seed=GENERATE_SEED)
    return _different_variants(synthetic, subject.train) or _different_calls(subject.synthetic, synthetic, "the sampler and its saved copy")


def reports_are_numbers(subject: GeneratorSubject) -> str | None:
    """What `fit` reports, if anything, is a whole step, never going back, with finite losses by name."""
    _ = subject.sampler
    last = -math.inf
    for step, losses in subject.reported:
        if isinstance(step, bool) or not isinstance(step, int) or step < last:
            return f"it reported the step {step!r} after {last}; steps are whole numbers that do not go back."
        wrong = {
            name: value
            for name, value in dict(losses).items()
            if not (isinstance(name, str) and isinstance(value, (int, float)) and math.isfinite(value))
        }
        if wrong:
            return f"at step {step} it reported {wrong}; losses are finite Python numbers by name."
        last = step
    return None


def _missing_calls(synthetic: Genotypes) -> str | None:
    calls = synthetic.to_array()
    is_missing = calls == MISSING
    if is_missing.any():
        row, column = (int(place) for place in np.argwhere(is_missing)[0])
        return f"{int(is_missing.sum())} synthetic calls are missing, the first at sample {row}, variant {column}."
    return None


def _different_variants(synthetic: Genotypes, train: Genotypes) -> str | None:
    if synthetic.n_variants != train.n_variants:
        return f"there are {synthetic.n_variants} synthetic variants; the training samples have {train.n_variants}."
    for column in train.variants.columns:
        if column not in synthetic.variants.columns:
            return f"the synthetic variant table lacks the column '{column}' of training."
        if not synthetic.variants[column].equals(train.variants[column]):
            return f"the column '{column}' of the synthetic variant table is not that of training."
    return None


def _different_calls(first: Genotypes, second: Genotypes, between: str) -> str | None:
    differ = first.to_array() != second.to_array()
    if differ.any():
        return f"between {between}, {int(differ.sum())} of {differ.size} calls differ."
    return None


GENERATOR_RULES: Final[tuple[Rule, ...]] = (
    is_documented,
    settings_are_a_frozen_dataclass,
    settings_have_defaults,
    settings_survive_json,
    suggest_gives_valid_settings,
    fit_gives_a_sampler,
    reports_are_numbers,
    generate_gives_the_number_asked_for,
    generate_keeps_the_training_variants,
    calls_are_whole,
    same_seed_gives_same_samples,
    other_seed_gives_other_samples,
    same_fit_seed_gives_same_sampler,
    global_random_state_is_left_alone,
    train_is_not_changed,
    every_kind_of_trait_is_accepted,
    missing_calls_are_accepted,
    constant_variants_are_accepted,
    few_samples_are_accepted,
    one_variant_is_accepted,
    saved_sampler_generates_the_same,
    saved_files_need_no_unpickling,
    load_refuses_another_folder,
    load_refuses_damaged_files,
)
"""The rules, cheap ones first."""
