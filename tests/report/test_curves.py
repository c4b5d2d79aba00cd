"""Training curves as a worker wrote them."""

from __future__ import annotations

from genobench.report.curves import read_curves


def test_curves__leave_out_what_is_cut_short_or_not_finite(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text('{"step": 1, "loss": 0.5, "total_steps": 9}\n{"step": 2, "loss": NaN, "other": 1}\n[]\n{"step": 3, "lo')

    assert read_curves(path) == [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "other": 1.0}]


def test_curves__of_a_generator_that_reports_none_are_none(tmp_path):
    assert read_curves(tmp_path / "curves.jsonl") == []
