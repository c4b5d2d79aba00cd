"""Each rule for datasets catches the dataset that breaks it, and passes the one that does not."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from genobench import Dataset, DatasetCard, Genotypes, Trait
from genobench.storage import content_sha256
from genobench.testing import EXAMPLE_TRAITS, RULES, check_plugin, example_genotypes, run_rule, statement
from genobench.testing.rules_dataset import DatasetSubject

if TYPE_CHECKING:
    from pathlib import Path

CARD = DatasetCard(
    title="An example",
    species="Bos taurus (cattle)",
    assembly="none",
    source="Simulated by genobench.testing.",
    licence="Apache-2.0",
    citation="genobench",
    sha256=content_sha256(example_genotypes()),
    traits=tuple(EXAMPLE_TRAITS.values()),
)


class Honest(Dataset):
    """Keeps every rule."""

    its_card: ClassVar[Any] = CARD

    @property
    def card(self) -> Any:
        return self.its_card

    def load(self, cache: Path) -> Genotypes:
        return example_genotypes()


class Undocumented(Honest):
    pass


@dataclass(frozen=True)
class NeedsArgument(Honest):
    """Breaks a rule."""

    path: str

    @property
    def card(self) -> DatasetCard:
        return CARD


class CardIsText(Honest):
    """Breaks a rule."""

    its_card = "cattle"


def _with_card(**changes: Any) -> Any:
    """The honest dataset with another card."""
    return type("OtherCard", (Honest,), {"__doc__": "Breaks a rule.", "its_card": replace(CARD, **changes)})


def _with_trait(**changes: Any) -> Any:
    """The honest dataset with another first trait."""
    return _with_card(traits=(replace(CARD.traits[0], **changes),))


class LoadsCalls(Honest):
    """Breaks a rule."""

    def load(self, cache: Path) -> Any:
        return example_genotypes().to_array()


class LoadsNobody(Honest):
    """Breaks a rule."""

    def load(self, cache: Path) -> Any:
        return example_genotypes().take_samples(np.arange(0))


class ReadsItsCacheWrongly(Honest):
    """Breaks a rule: the second load, from the cache, is another."""

    def load(self, cache: Path) -> Any:
        seed = 2 if (cache / "seen").exists() else 1
        (cache / "seen").touch()
        return example_genotypes(seed=seed)


class LoadsAgainDifferently(Honest):
    """Breaks a rule: each load from an empty cache is another."""

    def load(self, cache: Path) -> Any:
        return example_genotypes(seed=sum(cache.name.encode()))


class _Causal(Honest):
    """Breaks a rule in `causal`."""

    def causal(self) -> Any:
        return pd.DataFrame(self.table)

    table: ClassVar[dict[str, Any]] = {"id": ["variant0001", "variant0002"], "effect": [0.5, -1.0]}


class NamesCausalVariants(_Causal):
    """Keeps every rule."""


class CausalWithoutEffects(_Causal):
    """Breaks a rule."""

    table: ClassVar[dict[str, Any]] = {"id": ["variant0001"]}


class CausalElsewhere(_Causal):
    """Breaks a rule."""

    table: ClassVar[dict[str, Any]] = {"id": ["variant9999"], "effect": [0.5]}


class CausalTwice(_Causal):
    """Breaks a rule."""

    table: ClassVar[dict[str, Any]] = {"id": ["variant0001", "variant0001"], "effect": [0.5, 0.5]}


class CausalWithoutNumbers(_Causal):
    """Breaks a rule."""

    table: ClassVar[dict[str, Any]] = {"id": ["variant0001"], "effect": [np.nan]}


BROKEN = [
    ("is_documented", Undocumented, "no docstring"),
    ("is_made_without_arguments", NeedsArgument, "missing 1 required positional argument: 'path'"),
    ("card_is_complete", CardIsText, "card is str"),
    ("card_is_complete", _with_card(licence="", citation=" "), "leaves licence, citation empty"),
    ("card_is_complete", _with_card(sha256="0x12"), "sha256 is '0x12'"),
    ("traits_are_well_formed", _with_card(traits=()), r"lists the traits \[\]"),
    ("traits_are_well_formed", _with_card(traits=(CARD.traits[0], CARD.traits[0])), r"\['weight', 'weight'\]"),
    ("traits_are_well_formed", _with_trait(kind="binary"), "the kind 'binary'"),
    ("traits_are_well_formed", _with_trait(classes=("a",)), "quantitative trait weight lists classes"),
    ("traits_are_well_formed", _with_card(traits=(Trait("coat", "categorical", ("red",)),)), r"lists the classes \('red',\)"),
    ("load_gives_genotypes", LoadsCalls, "load returned ndarray"),
    ("load_gives_genotypes", LoadsNobody, "0 samples and 60 variants"),
    ("content_is_the_cards", _with_card(sha256="0" * 64), f"the content hash is {CARD.sha256}; the card says 0000"),
    ("loading_again_gives_the_same", ReadsItsCacheWrongly, "another from the same cache"),
    ("loading_again_gives_the_same", LoadsAgainDifferently, "another from an empty cache"),
    ("columns_of_the_card_exist", _with_trait(column="milk"), "names the column 'milk'"),
    ("columns_of_the_card_exist", _with_trait(covariates=("cage",)), "names the column 'cage'"),
    ("columns_of_the_card_exist", _with_trait(family="litter"), "names the column 'litter'"),
    ("columns_of_the_card_exist", _with_card(birth_column="year"), "names the column 'year'"),
    ("trait_values_fit_the_trait", _with_trait(column="coat"), "quantitative trait coat is a column of"),
    ("trait_values_fit_the_trait", _with_card(traits=(Trait("coat", "categorical", ("red", "black")),)), r"holds \['red', 'white'\]"),
    ("causal_variants_are_variants", CausalWithoutEffects, r"without the columns \['effect'\]"),
    ("causal_variants_are_variants", CausalElsewhere, r"variants that are not among the genotypes' \(\['variant9999'\]\)"),
    ("causal_variants_are_variants", CausalTwice, r"or twice \(\['variant0001'\]\)"),
    ("causal_variants_are_variants", CausalWithoutNumbers, "effects that are not finite"),
]


@pytest.mark.parametrize(("rule", "plugin", "message"), BROKEN)
def test_dataset_rules__catch_the_plugin_that_breaks_them(rule: str, plugin: Any, message: str, tmp_path: Path) -> None:
    (function,) = (function for function in RULES["dataset"] if function.__name__ == rule)
    check = run_rule(function, DatasetSubject(plugin=plugin, folder=tmp_path))
    assert not check.ok
    assert f":{plugin.__qualname__} breaks the rule {rule} ({statement(function)}) Found: " in check.message
    assert re.search(message, check.message)


def test_dataset_rules__pass_the_honest_dataset() -> None:
    for plugin in (Honest, NamesCausalVariants):
        assert [check.message for check in check_plugin("dataset", plugin) if not check.ok] == []


def test_dataset_rules__each_has_a_plugin_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.__name__ for rule in RULES["dataset"]}
