"""Training curves as a worker wrote them."""

from __future__ import annotations

from genobench.curves import MOST_POINTS, CurveWriter, read_curves


def test_curves__leave_out_what_is_cut_short_or_not_finite(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text('{"step": 1, "loss": 0.5, "total_steps": 9}\n{"step": 2, "loss": NaN, "other": 1}\n[]\n{"step": 3, "lo')

    assert read_curves(path) == [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "other": 1.0}]


def test_curves__of_a_generator_that_reports_none_are_none(tmp_path):
    assert read_curves(tmp_path / "curves.jsonl") == []


def test_writer__goes_on_where_a_fit_that_was_cut_off_resumes(tmp_path):
    """It was killed at step 40 and had kept a checkpoint of step 20: what it said of later steps is said anew."""
    path = tmp_path / "curves.jsonl"
    path.write_text("".join(f'{{"step": {step}, "loss": 1.0}}\n' for step in (10, 20, 30, 40)) + '{"step": 5')

    with CurveWriter(path) as writer:
        goes_on = [writer.add(30, {"loss": 0.5}), writer.add(40, {"loss": 0.25})]

    assert goes_on == [True, False]
    assert [(point["step"], point["loss"]) for point in read_curves(path)] == [(10, 1.0), (20, 1.0), (30, 0.5), (40, 0.25)]


def test_writer__of_a_fit_that_begins_anew_goes_on_with_nothing(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text('{"step": 1, "loss": 1.0}\n')

    with CurveWriter(path) as writer:
        assert writer.add(1, {"loss": 0.5}) is False


def test_writer__thins_a_long_curve_and_keeps_its_ends(tmp_path):
    with CurveWriter(tmp_path / "curves.jsonl") as writer:
        for step in range(1, 5001):
            writer.add(step, {"loss": 1 / step})

    steps = [point["step"] for point in read_curves(tmp_path / "curves.jsonl")]
    assert len(steps) <= MOST_POINTS + 1
    assert (steps[0], steps[-1]) == (1, 5000)
    assert steps == sorted(steps)


def test_writer__without_a_point_leaves_what_is_there(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n')

    with CurveWriter(path):
        pass

    assert path.read_text() == '{"step": 1, "loss": 0.5}\n'
