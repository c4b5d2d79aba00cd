"""Conformance suites for plugins, and small genotypes to try one on: part of the public face.

Subclass a suite in your tests, or call `check_plugin`, as `genobench plugins check` does.
"""

from genobench.testing.checks import RULES, check_plugin, iterate_checks
from genobench.testing.examples import (
    EXAMPLE_TRAITS,
    answer_requests,
    example_comparison,
    example_context,
    example_genotypes,
    genotypes_of,
    permute_samples,
)
from genobench.testing.rules import Check, run_rule, statement
from genobench.testing.suites import ClassifierSuite, DatasetSuite, GeneratorSuite, MetricSuite
from genobench.testing.trials import FixedTrial

__all__ = [
    "EXAMPLE_TRAITS",
    "RULES",
    "Check",
    "ClassifierSuite",
    "DatasetSuite",
    "FixedTrial",
    "GeneratorSuite",
    "MetricSuite",
    "answer_requests",
    "check_plugin",
    "example_comparison",
    "example_context",
    "example_genotypes",
    "genotypes_of",
    "iterate_checks",
    "permute_samples",
    "run_rule",
    "statement",
]
