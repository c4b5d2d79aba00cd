"""Comparisons that reports are drawn of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genobench.report.evidence import Evidence
from genobench.testing.examples import example_comparison

if TYPE_CHECKING:
    from genobench.contracts import Comparison


@pytest.fixture(scope="session")
def shown() -> Comparison:
    """Families of six, 60 variants at 50 kb on two chromosomes, a few calls missing."""
    return example_comparison(missing_share=0.01)


@pytest.fixture(scope="session")
def evidence(shown: Comparison) -> Evidence:
    """Of that comparison."""
    return Evidence.of(shown, seed=1, has_families=False)
