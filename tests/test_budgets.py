"""Budgets as text and as limits."""

from __future__ import annotations

import pytest

from genobench.budgets import Budget
from genobench.errors import GenobenchError


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("3cpu-min", "3cpu-min", "3 CPU-minutes"),
        ("180cpu-s", "3cpu-min", "3 CPU-minutes"),
        ("2.05cpu-min", "123cpu-s", "123 CPU-seconds"),  # 122.99999999999999 in binary
        ("0.5cpu-min", "30cpu-s", "30 CPU-seconds"),
        ("60 GPU-min", "1gpu-h", "1 GPU-hour"),
    ],
)
def test_parse__equal_budgets_have_one_name(text, name, words):
    budget = Budget.parse(text)
    assert (budget.name, str(budget)) == (name, words)
    assert Budget.parse(budget.name) == budget


@pytest.mark.parametrize("text", ["", "3", "3 minutes", "cpu-min", "0cpu-min", "0.001cpu-h", "-3cpu-min"])
def test_parse__what_is_no_budget_is_refused(text):
    with pytest.raises(GenobenchError, match="is no budget; write for example 3cpu-min"):
        Budget.parse(text)
