"""Hold any plugin to the rules of its kind, without a test runner: what `genobench plugins check` calls."""

from __future__ import annotations

import tempfile
from dataclasses import is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from genobench.settings import with_settings
from genobench.testing.classifier_subject import ClassifierSubject
from genobench.testing.generator_subject import GeneratorSubject
from genobench.testing.rules import run_rule
from genobench.testing.rules_classifier import CLASSIFIER_RULES
from genobench.testing.rules_dataset import DATASET_RULES, DatasetSubject
from genobench.testing.rules_generator import GENERATOR_RULES
from genobench.testing.rules_metric import METRIC_RULES, MetricSubject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genobench.registry import Kind
    from genobench.testing.rules import Check, Rule, Subject

RULES: Final[Mapping[Kind, tuple[Rule, ...]]] = MappingProxyType(
    {"generator": GENERATOR_RULES, "classifier": CLASSIFIER_RULES, "metric": METRIC_RULES, "dataset": DATASET_RULES}
)
"""The rules by kind of plugin."""

SUBJECTS: Final[Mapping[Kind, type[Subject]]] = MappingProxyType(
    {"generator": GeneratorSubject, "classifier": ClassifierSubject, "metric": MetricSubject, "dataset": DatasetSubject}
)
"""What the rules of a kind are called with."""


def iterate_checks(kind: Kind, plugin: type[Any], settings: Mapping[str, Any] | None = None, *, device: str = "cpu") -> Iterator[Check]:
    """Hold a plugin to the rules of its kind, one at a time.

    Args:
        kind: `generator`, `classifier`, `metric` or `dataset`.
        plugin: The class.
        settings: Settings that make it quick (a generator is fitted ten times); None for the defaults.
        device: What generators and classifiers are fitted on.

    Yields:
        A check for each rule, as soon as it is done.

    Raises:
        SettingsError: If the plugin does not take the settings: that is the caller's fault, no broken rule.
    """
    if settings and is_dataclass(plugin):
        with_settings(plugin, settings)
    with tempfile.TemporaryDirectory() as folder:
        subject = SUBJECTS[kind](plugin=plugin, folder=Path(folder), settings=settings or {}, device=device)
        for rule in RULES[kind]:
            yield run_rule(rule, subject)


def check_plugin(kind: Kind, plugin: type[Any], settings: Mapping[str, Any] | None = None, *, device: str = "cpu") -> list[Check]:
    """Hold a plugin to all rules of its kind; see `iterate_checks`.

    Returns:
        A check for each rule, in the order of `RULES`.
    """
    return list(iterate_checks(kind, plugin, settings, device=device))
