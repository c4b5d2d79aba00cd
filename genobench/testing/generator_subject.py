"""A generator on trial: what it is fitted on, and what it makes of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from genobench.contracts import FitContext
from genobench.settings import with_settings
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes
from genobench.testing.random_states import disturbed_random_states, global_random_states
from genobench.testing.rules import Subject

if TYPE_CHECKING:
    from genobench.contracts import Generator, Sampler, Trait
    from genobench.genotypes import Genotypes

FIT_SEED: Final = 11
GENERATE_SEED: Final = 21
_LIMIT_SECONDS: Final = 600.0


@dataclass(frozen=True, eq=False)
class GeneratorSubject(Subject):
    """A generator on trial, with training samples and what it makes of them.

    Args:
        reported: What its first fit reported, as (step, losses).
    """

    reported: list[tuple[Any, Any]] = field(default_factory=list)

    @cached_property
    def train(self) -> Genotypes:
        """72 samples of 12 families, 60 variants, no call missing."""
        return example_genotypes(n_samples=72)

    @cached_property
    def sampler(self) -> Any:
        """What `fit` made of `train`: a Sampler, if the plugin keeps the rules."""
        return self.fit(self.train, seed=FIT_SEED, report=lambda step, losses: self.reported.append((step, losses)))

    @cached_property
    def second_fit(self) -> tuple[Any, dict[str, bytes], dict[str, bytes]]:
        """A second fit with the first one's seed under another global random state, and that state before and after it."""
        with disturbed_random_states():
            before = global_random_states()
            sampler = self.fit(self.train)
            return sampler, before, global_random_states()

    @cached_property
    def synthetic(self) -> Genotypes:
        """40 samples from `sampler`."""
        generated: Genotypes = self.sampler.generate(40, seed=GENERATE_SEED)
        return generated

    def fit(self, train: Genotypes, *, seed: int = FIT_SEED, trait: Trait | None = None, **context: Any) -> Sampler:
        """Fit the generator on `train`."""
        generator: Generator = with_settings(self.plugin, self.settings)
        return generator.fit(
            train,
            FitContext(
                trait=trait or EXAMPLE_TRAITS["quantitative"],
                seed=seed,
                device=self.device,
                folder=self.new_folder(),
                time_limit_seconds=_LIMIT_SECONDS,
                **context,
            ),
        )
