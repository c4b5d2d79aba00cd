"""Conformance suites to subclass: say which class, inherit a test for every rule.

    from genobench.testing import GeneratorSuite
    from my_plugin import MyGenerator

    class TestMyGenerator(GeneratorSuite):
        plugin = MyGenerator
        settings = {"steps": 20}

pytest collects one test a rule. With GENOBENCH_TEST_DEVICE=cuda in the environment, fits run on that device. The suites do not import
pytest, so a plugin that ships them needs it only to run its tests.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from genobench.testing.checks import RULES, SUBJECTS
from genobench.testing.rules import assert_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.registry import Kind
    from genobench.testing.rules import Rule, Subject


class PluginSuite:
    """One test for each rule of a kind of plugin.

    Args:
        plugin: The class to hold to the rules.
        settings: Settings that make it quick; empty for the defaults.
    """

    kind: ClassVar[Kind]
    plugin: ClassVar[type[Any]]
    settings: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    _folder: ClassVar[tempfile.TemporaryDirectory[str]]
    _subject: ClassVar[Subject]

    @classmethod
    def setup_class(cls) -> None:
        """Make the subject that the tests of this class share."""
        cls._folder = tempfile.TemporaryDirectory()
        device = os.environ.get("GENOBENCH_TEST_DEVICE", "cpu")
        cls._subject = SUBJECTS[cls.kind](plugin=cls.plugin, folder=Path(cls._folder.name), settings=cls.settings, device=device)

    @classmethod
    def teardown_class(cls) -> None:
        """Remove what the plugin wrote."""
        cls._folder.cleanup()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test a rule."""
        if "rule" in metafunc.fixturenames:
            rules = RULES[self.kind]
            metafunc.parametrize("rule", rules, ids=[rule.__name__ for rule in rules])

    def test_rule(self, rule: Rule) -> None:
        """The plugin keeps the rule."""
        assert_rule(rule, self._subject)


class GeneratorSuite(PluginSuite):
    """The rules for generators."""

    kind = "generator"


class ClassifierSuite(PluginSuite):
    """The rules for classifiers."""

    kind = "classifier"


class MetricSuite(PluginSuite):
    """The rules for metrics."""

    kind = "metric"


class DatasetSuite(PluginSuite):
    """The rules for datasets."""

    kind = "dataset"
