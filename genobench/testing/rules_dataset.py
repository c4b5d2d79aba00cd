"""What every dataset must do. Each rule is a function of a `DatasetSubject`; see `genobench.testing.rules`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from genobench.contracts import DatasetCard, TraitKind
from genobench.genotypes import Genotypes
from genobench.storage import content_sha256
from genobench.testing.rules import Subject
from genobench.testing.rules_settings import is_documented

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.contracts import Dataset, Trait
    from genobench.testing.rules import Rule

_TEXT_FIELDS: Final = ("title", "species", "assembly", "source", "licence", "citation")
_MOST_CLASSES: Final = 50


@dataclass(frozen=True, eq=False)
class DatasetSubject(Subject):
    """A dataset on trial, with its genotypes once loaded."""

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset, made without arguments, or with the subject's settings."""
        made: Dataset = self.plugin(**self.settings)
        return made

    @cached_property
    def cache(self) -> Path:
        """The folder that the dataset may keep things in."""
        return self.new_folder()

    @cached_property
    def genotypes(self) -> Any:
        """What it loads: Genotypes, if the plugin keeps the rules."""
        return self.dataset.load(self.cache)


def is_made_without_arguments(subject: DatasetSubject) -> str | None:
    """The class can be made without arguments."""
    subject.plugin()
    return None


def card_is_complete(subject: DatasetSubject) -> str | None:
    """The card says title, species, assembly, source, licence and citation; its sha256 is 64 hexadecimal digits, or empty."""
    card: Any = subject.dataset.card
    if not isinstance(card, DatasetCard):
        return f"card is {type(card).__name__}; it must be a genobench.DatasetCard."
    empty = [name for name in _TEXT_FIELDS if not str(getattr(card, name)).strip()]
    if empty:
        return f"the card leaves {', '.join(empty)} empty."
    if card.sha256 and (len(card.sha256) != 64 or set(card.sha256) - set("0123456789abcdef")):
        return f"the card's sha256 is {card.sha256!r}."
    return None


def traits_are_well_formed(subject: DatasetSubject) -> str | None:
    """The card lists at least one trait, each once; categorical and ordinal traits list two classes or more, each once."""
    traits = subject.dataset.card.traits
    columns = [trait.column for trait in traits]
    if not columns or len(set(columns)) != len(columns):
        return f"the card lists the traits {columns}."
    for trait in traits:
        if trait.kind not in get_args(TraitKind):
            return f"the trait {trait.column} has the kind {trait.kind!r}; the kinds are {', '.join(get_args(TraitKind))}."
        n_classes = len(trait.classes)
        if trait.kind == "quantitative" and n_classes:
            return f"the quantitative trait {trait.column} lists classes {trait.classes}."
        if trait.kind != "quantitative" and (len(set(trait.classes)) != n_classes or not 2 <= n_classes <= _MOST_CLASSES):
            return f"the {trait.kind} trait {trait.column} lists the classes {trait.classes}."
    return None


def load_gives_genotypes(subject: DatasetSubject) -> str | None:
    """`load` returns genobench.Genotypes with samples and variants."""
    genotypes = subject.genotypes
    if not isinstance(genotypes, Genotypes):
        return f"load returned {type(genotypes).__name__}."
    if not genotypes.n_samples or not genotypes.n_variants:
        return f"load returned {genotypes.n_samples} samples and {genotypes.n_variants} variants."
    return None


def content_is_the_cards(subject: DatasetSubject) -> str | None:
    """The content hash of what is loaded is the card's sha256, where the card gives one."""
    expected, found = subject.dataset.card.sha256, content_sha256(subject.genotypes)
    if expected and expected != found:
        return f"the content hash is {found}; the card says {expected}."
    return None


def loading_again_gives_the_same(subject: DatasetSubject) -> str | None:
    """Loading again, from the same cache and from an empty one, gives the same content."""
    first = content_sha256(subject.genotypes)
    for cache, description in ((subject.cache, "the same cache"), (subject.new_folder(), "an empty cache")):
        again = content_sha256(subject.plugin(**subject.settings).load(cache))
        if again != first:
            return f"the first load has the content hash {first}, another from {description} {again}."
    return None


def columns_of_the_card_exist(subject: DatasetSubject) -> str | None:
    """Traits, covariates, families and the birth column of the card are columns of the sample table, and not empty."""
    table = subject.genotypes.samples
    card = subject.dataset.card
    wanted = [column for trait in card.traits for column in (trait.column, *trait.covariates, trait.family)]
    for column in [*wanted, card.birth_column]:
        if column is None:
            continue
        if column not in table.columns:
            return f"the card names the column '{column}'; the sample table has {list(table.columns)}."
        if table[column].isna().all():
            return f"the column '{column}' holds no value."
    return None


def trait_values_fit_the_trait(subject: DatasetSubject) -> str | None:
    """A quantitative trait holds numbers that differ; another trait holds its classes only, and each of them."""
    for trait in subject.dataset.card.traits:
        fault = _values_fault(subject, trait)
        if fault:
            return fault
    return None


def causal_variants_are_variants(subject: DatasetSubject) -> str | None:
    """`causal` returns None, or a table of `id` and `effect`: variants of the genotypes, each once, with effects that are numbers."""
    table: Any = subject.dataset.causal()
    if table is None:
        return None
    absent = {"id", "effect"} - set(getattr(table, "columns", ()))
    if absent:
        return f"causal returned {type(table).__name__} without the columns {sorted(absent)}."
    known = set(subject.genotypes.variants["id"].astype(str))
    named = table["id"].astype(str).tolist()
    unknown = sorted(set(named) - known)
    if unknown or len(set(named)) < len(named):
        twice = sorted({name for name in named if named.count(name) > 1})
        return f"causal names variants that are not among the genotypes' ({unknown[:3]}), or twice ({twice[:3]})."
    if not np.isfinite(table["effect"].to_numpy(dtype=float)).all():
        return "causal gives effects that are not finite."
    return None


def _values_fault(subject: DatasetSubject, trait: Trait) -> str | None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    values = subject.genotypes.samples[trait.column].dropna()
    if trait.kind == "quantitative":
        if not is_numeric_dtype(values) or is_bool_dtype(values):
            return f"the quantitative trait {trait.column} is a column of {values.dtype}; it must be numbers."
        if values.nunique() < 2:
            return f"the quantitative trait {trait.column} is {values.iloc[0]} in all samples."
        return None
    found = {str(value) for value in values}
    if found != set(trait.classes):
        return f"the {trait.kind} trait {trait.column} holds {sorted(found)}; the card lists the classes {sorted(trait.classes)}."
    return None


DATASET_RULES: Final[tuple[Rule, ...]] = (
    is_documented,
    is_made_without_arguments,
    card_is_complete,
    traits_are_well_formed,
    load_gives_genotypes,
    content_is_the_cards,
    loading_again_gives_the_same,
    columns_of_the_card_exist,
    trait_values_fit_the_trait,
    causal_variants_are_variants,
)
"""The rules, cheap ones first."""
