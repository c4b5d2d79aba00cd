"""Any program as a generator, with a program of Python's standard library that copies training samples with a few calls exchanged."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from genobench import FitContext, GenobenchError, SettingsError, read_genotypes
from genobench.builtin.command import Command
from genobench.builtin.programs import run_program
from genobench.statgen import alt_frequency
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

PROGRAM = Path(__file__).parent / "programs" / "redraw.py"
RUN = shlex.join([sys.executable, str(PROGRAM)])
REDRAW = f"{RUN} {{train}} {{conditions}} {{synthetic}} {{seed}}"
TRAIN = example_genotypes(n_samples=60, n_variants=30, missing_share=0.05, seed=3)
COPY_MODEL = """import shutil, sys
for suffix in ('.bed', '.bim', '.fam'):
    shutil.copy(sys.argv[1] + suffix, sys.argv[2] + '/kept' + suffix)"""


@pytest.fixture
def context(tmp_path) -> FitContext:
    return FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)


def test_generate__what_the_program_wrote_is_read_over_the_training_variants(context):
    """The program shuffles the variants; 400 draws of 60 samples have their frequencies within 5 standard errors of a binomial one."""
    synthetic = Command(program=REDRAW).fit(TRAIN, context).generate(400, seed=5)
    target = alt_frequency(TRAIN.to_array())
    error = np.sqrt(target * (1 - target) / 400) + 1e-9
    assert np.all(np.abs(alt_frequency(synthetic.to_array()) - target) <= 5 * error)
    assert synthetic.variants.equals(TRAIN.variants)


def test_generate__program_gets_conditions_and_phenotypes_as_tables(context, tmp_path):
    copy = f"{sys.executable} -c 'import shutil, sys; shutil.copy(sys.argv[1], sys.argv[3]); shutil.copy(sys.argv[2], sys.argv[3])'"
    kept = tmp_path / "kept"
    kept.mkdir()
    sampler = Command(program=f"{copy} {{phenotypes}} {{conditions}} {kept} {{synthetic}}").fit(TRAIN, context)
    condition = TRAIN.samples[["weight", "sex"]].head(4).reset_index(drop=True)
    with pytest.raises(GenobenchError, match="wrote no"):
        sampler.generate(4, seed=1, condition=condition)
    lines = (kept / "train.tsv").read_text().splitlines()
    assert lines[0] == "id\tweight\tsex"
    assert [line.split("\t")[0] for line in lines[1:]] == list(TRAIN.sample_ids)
    asked = (kept / "conditions.tsv").read_text().splitlines()
    assert asked[0] == "id\tweight\tsex"
    assert [line.split("\t")[2] for line in asked[1:]] == list(condition["sex"])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exit", r"\(generate\) ended with exit code 1\. Its last lines: a line for the log \| no convergence"),
        ("nothing", r"wrote no \{synthetic\} .* Its last lines: a line for the log"),
        ("fewer", "wrote 9 samples; 10 were asked for"),
        ("variants", "1 of 30 variants of train are not in what the program wrote"),
        ("missing", "wrote missing calls, the first for sample 1 at variant"),
    ],
)
def test_generate__says_what_the_program_did_wrong(context, fault, message):
    with pytest.raises(GenobenchError, match=message):
        Command(program=f"{REDRAW} {fault}").fit(TRAIN, context).generate(10, seed=1)


def test_generate__says_that_there_is_no_such_program(context):
    with pytest.raises(GenobenchError, match=r"'no-such-program' \(generate\) cannot be started: No such file"):
        Command(program="no-such-program {synthetic}").fit(TRAIN, context).generate(2, seed=1)


def test_generate__what_the_program_prints_goes_to_the_log(context, capsys):
    Command(program=REDRAW).fit(TRAIN, context).generate(2, seed=1)
    assert "a line for the log\n" in capsys.readouterr().err


def test_fit_program__learns_once_and_the_sampler_holds_its_model_alone(context, tmp_path):
    settings = {
        "fit_program": f"{sys.executable} -c {shlex.quote(COPY_MODEL)} {{train_prefix}} {{model}}",
        "program": f"{RUN} {{model}}/kept.bed {{conditions}} {{synthetic}} {{seed}}",
    }
    sampler = Command(**settings).fit(TRAIN, context)
    saved = tmp_path / "saved"
    saved.mkdir()
    sampler.save(saved)
    assert sorted(path.name for path in saved.rglob("*") if path.is_file()) == [
        "kept.bed",
        "kept.bim",
        "kept.fam",
        "sampler.json",
        "variants.parquet",
    ]
    assert np.array_equal(read_genotypes(saved / "model" / "kept.bed").to_array(), TRAIN.to_array())
    first, again = sampler.generate(12, seed=4), Command.load(saved).generate(12, seed=4)
    assert np.array_equal(first.to_array(), again.to_array())


def test_fit_program__that_writes_no_model_is_an_error(context):
    settings = {"fit_program": f"{sys.executable} -c 'print(1)' {{model}}", "program": "true {model} {synthetic}"}
    with pytest.raises(GenobenchError, match=r"wrote nothing into \{model\} .* Its last lines: 1"):
        Command(**settings).fit(TRAIN, context)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"program": "run {trian} {synthetic}"}, r"placeholder \{trian\}, which it may not have; it may have \{train\}"),
        ({"program": "run {train}"}, r"program has no \{synthetic\}"),
        ({"program": "run 'open {synthetic}"}, "cannot be read"),
        ({"program": "run {synthetic} {model}"}, r"placeholder \{model\}"),
        ({"program": "run {train} {model} {synthetic}", "fit_program": "learn {model}"}, r"placeholder \{train\}"),
        ({"program": "run {synthetic}", "fit_program": "learn {train}"}, r"fit_program has no \{model\}"),
        ({"program": REDRAW, "files_sha256": "0" * 12}, "they were changed since"),
    ],
)
def test_settings__a_command_line_that_cannot_work_is_refused_at_once(settings, message):
    with pytest.raises(SettingsError, match=message):
        Command(**settings)


def test_settings__an_edited_script_is_another_cell(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print(1)")
    first = Command(program=f"python {script} {{synthetic}}")
    script.write_text("print(2)")
    assert Command(program=f"python {script} {{synthetic}}").files_sha256 != first.files_sha256


def _script(folder: Path) -> Path:
    script = folder / "script.py"
    script.write_text(PROGRAM.read_text())
    return script


@pytest.mark.parametrize("is_loaded", [False, True])
def test_generate__refuses_a_script_that_was_edited_after_the_fit(context, tmp_path, is_loaded):
    script, saved = _script(tmp_path), tmp_path / "saved"
    sampler = Command(program=f"{sys.executable} {script} {{train}} {{conditions}} {{synthetic}} {{seed}}").fit(TRAIN, context)
    saved.mkdir()
    sampler.save(saved)
    sampler = Command.load(saved) if is_loaded else sampler
    assert sampler.generate(3, seed=1).n_samples == 3
    before = sampler.files_sha256
    script.write_text(f"# Edited.\n{PROGRAM.read_text()}")
    with pytest.raises(
        GenobenchError, match=rf"had the hash '{before}' when the sampler was fitted, and have '\w{{12}}' in .*Put them back"
    ):
        sampler.generate(3, seed=1)
    script.unlink()
    with pytest.raises(GenobenchError, match="they were changed or moved since"):
        sampler.generate(3, seed=1)


def test_generate__takes_a_file_as_the_fit_left_it(context, tmp_path):
    """What a `fit_program` writes beside its model is what `program` reads."""
    notes = tmp_path / "notes.txt"
    notes.write_text("before")
    learn = f"{COPY_MODEL}\nopen(sys.argv[3], 'w').write('after')"
    settings = {
        "fit_program": f"{sys.executable} -c {shlex.quote(learn)} {{train_prefix}} {{model}} {notes}",
        "program": f"{RUN} {{model}}/kept.bed {{conditions}} {{synthetic}} {{seed}} {notes}",
    }
    assert Command(**settings).fit(TRAIN, context).generate(2, seed=1).n_samples == 2


def test_run_program__does_not_wait_for_a_child_that_holds_its_output(tmp_path, capsys):
    """The child reads from a pipe to which nobody writes before the program has ended."""
    fifo, reading = tmp_path / "fifo", tmp_path / "reading"
    os.mkfifo(fifo)
    program = f"import subprocess; subprocess.Popen(['cat', '{fifo}']); print('done')"
    ended = threading.Thread(target=lambda: reading.write_text(" ".join(run_program([sys.executable, "-c", program], {}, doing="fit"))))
    ended.start()
    ended.join(20)
    was_over = not ended.is_alive()
    # Opened and closed, it ends the child.
    fifo.open("wb").close()
    ended.join()
    assert was_over
    assert reading.read_text() == "done"
    assert "done\n" in capsys.readouterr().err


def test_fit__without_a_program_says_what_to_write(context):
    with pytest.raises(SettingsError, match="program is empty; write --set program="):
        Command().fit(TRAIN, context)
