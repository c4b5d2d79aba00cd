"""One fit in two processes on the CPU: the same weights in both, those of one process on the whole batch, whatever befalls one of them."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from genobench import GenobenchError, SettingsError
from genobench.testing import example_context, example_genotypes
from genobench_neural.batches import RowOrder
from genobench_neural.ctgan import Ctgan
from genobench_neural.diffusion import Diffusion
from genobench_neural.dp_autoregressive import DpAutoregressive
from genobench_neural.dp_markov import DpMarkov
from genobench_neural.gan import Gan
from genobench_neural.latent_flow import LatentFlow
from genobench_neural.ranks import Ranks, check_batch
from genobench_neural.rbm import Rbm
from genobench_neural.several_devices import check_sharing
from genobench_neural.vae import Vae
from genobench_neural.virtual_progeny import VirtualProgeny
from genobench_neural.wgan import Wgan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from genobench import Genotypes

    KillAt = Callable[[int], AbstractContextManager[Callable[..., None]]]

needs_fabric = pytest.mark.skipif(importlib.util.find_spec("lightning_fabric") is None, reason="lightning-fabric is not installed")

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def fits() -> Iterator[Any]:
    """tests/shared_fits.py, where spawned processes find it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        yield importlib.import_module("shared_fits")


@pytest.fixture(scope="module")
def train() -> Genotypes:
    return example_genotypes(n_samples=40, n_variants=24)


@pytest.fixture(scope="module")
def whole(fits: Any, train: Genotypes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The folder of fits that nothing interrupted, and the steps that they reported."""
    folder, steps = tmp_path_factory.mktemp("whole"), []
    context = replace(example_context(folder), n_devices=2, report=lambda step, _losses: steps.append(step))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODE_RANK", "1")  # as on the second machine of a cluster's job
        weights = fits.AllOfThem().fit(train, context).weights
        assert os.environ["NODE_RANK"] == "1"
    assert np.array_equal(weights, left(folder, "noisy", 0)["weights"]), "the sampler of the first process is what comes back"
    return folder, steps


def left(folder: Path, stage: str, number: int) -> Arrays:
    """What a process left."""
    with np.load(folder / f"{stage}-{number}.npz") as arrays:
        return dict(arrays)


@pytest.mark.slow
@needs_fabric
@pytest.mark.parametrize("stage", ["mean", "sum"])
def test_fit__without_noise_gives_the_weights_of_one_process_on_the_whole_batch(
    whole: tuple[Path, list[int]], fits: Any, stage: str
) -> None:
    """Descent on a square is closed: w - w* shrinks by I - rate * Hessian at each step, from zero, the first device's beginning.

    A step in float32 errs by at most gamma = (n + 4) u times what it would be if all its terms were positive (Higham 2002, Accuracy and
    stability of numerical algorithms, section 3.1), n being the samples and columns summed over; and since no step enlarges
    a difference (rate < 2 / the largest eigenvalue), the errors of all steps add up at most.
    """
    x, y = (part.astype(np.float64) for part in fits.regression())
    hessian = 2 * x.T @ x / fits.N_SAMPLES
    assert 0 < fits.RATE < 2 / np.linalg.eigvalsh(hessian)[-1]
    best = np.linalg.solve(hessian, 2 * x.T @ y / fits.N_SAMPLES)
    expected = best - np.linalg.matrix_power(np.eye(len(best)) - fits.RATE * hessian, fits.N_STEPS) @ best
    largest = np.abs(best) * 2
    term = largest + fits.RATE * 2 * np.abs(x).T @ (np.abs(x) @ largest + np.abs(y)) / fits.N_SAMPLES
    gamma = (fits.N_SAMPLES + fits.N_COLUMNS + 4) * 2.0**-24
    found = left(whole[0], stage, 0)["weights"]
    assert np.linalg.norm(found - expected) <= fits.N_STEPS * gamma * np.linalg.norm(term)


@pytest.mark.slow
@needs_fabric
@pytest.mark.parametrize("stage", ["mean", "sum", "noisy"])
def test_fit__ends_with_the_same_bits_in_both_processes(whole: tuple[Path, list[int]], stage: str) -> None:
    first, second = (left(whole[0], stage, number) for number in (0, 1))
    assert np.array_equal(first["weights"], second["weights"])
    if stage == "noisy":
        assert np.array_equal(first["average"], second["average"])
        assert not np.isin(first["noise"], second["noise"]).any(), "each draws noise of its own"


@pytest.mark.slow
@needs_fabric
def test_fit__shares_out_every_batch_and_shows_each_sample_once_an_epoch(whole: tuple[Path, list[int]], fits: Any) -> None:
    first, second = (left(whole[0], "noisy", number)["seen"] for number in (0, 1))
    assert first.shape == second.shape == (fits.N_STEPS, fits.BATCH // 2)
    in_order = np.concatenate([first, second], axis=1).ravel()
    epochs = in_order[: len(in_order) // fits.N_SAMPLES * fits.N_SAMPLES].reshape(-1, fits.N_SAMPLES)
    assert (np.sort(epochs, axis=1) == np.arange(fits.N_SAMPLES)).all()


@pytest.mark.slow
@needs_fabric
def test_fit__reports_as_it_goes_on_and_leaves_no_copies_of_samples(whole: tuple[Path, list[int]], fits: Any) -> None:
    folder, steps = whole
    assert [step for step in steps if step == fits.N_STEPS] == [fits.N_STEPS] * 3
    assert len(steps) > 6
    assert not (folder / "devices").exists()
    assert "MASTER_PORT" not in os.environ


@pytest.mark.slow
@needs_fabric
def test_fit__goes_on_to_the_very_weights_after_all_that_can_befall_it(
    whole: tuple[Path, list[int]], fits: Any, train: Genotypes, tmp_path: Path, killed_at: KillAt
) -> None:
    context = replace(example_context(tmp_path), n_devices=2)
    with pytest.raises(SettingsError, match=r"^Device 1 has had enough of it\.$"):
        fits.Regressions(fails="by an error").fit(train, context)
    with pytest.raises(GenobenchError, match=r"Of the 2 processes of the fit one was killed \(SIGKILL\)"):
        fits.Regressions(fails="by a kill").fit(train, context)
    with killed_at(30) as at_step:
        fits.Regressions().fit(train, replace(context, report=at_step))
    assert not multiprocessing.active_children(), "none outlives the fit"
    fits.Regressions().fit(train, context)
    assert len(left(tmp_path, "noisy", 0)["seen"]) < fits.N_STEPS, "it went on from a checkpoint"
    for number in (0, 1):
        for stage in ("mean", "sum", "noisy"):
            assert np.array_equal(left(tmp_path, stage, number)["weights"], left(whole[0], stage, number)["weights"])


@pytest.mark.slow
@needs_fabric
def test_fit__in_which_one_process_meets_a_nan_stops_in_both_and_goes_on_to_the_very_weights(whole: tuple[Path, list[int]]) -> None:
    folder, _ = whole
    for number in (0, 1):
        message = (folder / "NaN" / f"error-{number}").read_text()
        assert message.startswith("The loss became nan at step 30 of 40, ")
        assert " The last good state, of step 10, is kept in " in message, "that of step 20 was not looked at since"
        again, expected = left(folder / "NaN", "noisy", number), left(folder, "noisy", number)
        assert len(again["seen"]) == 30
        assert np.array_equal(again["weights"], expected["weights"])


@pytest.mark.slow
@needs_fabric
def test_fit__of_every_generator_that_says_it_can_be_shared(
    whole: tuple[Path, list[int]], fits: Any, train: Genotypes, tmp_path: Path
) -> None:
    """The second process finds eigenvectors of the other sign, as a GPU of another kind may."""
    folder, _ = whole
    for name in fits.SUBJECTS:
        first, second = ((folder / name / f"weights-{number}").read_text() for number in (0, 1))
        assert first == second, name
        assert int(first.split()[0]) > 1, name
    # All samples in one batch, and no noise: the gradient is that of one process but for rounding. A sum of some 10^4 terms in float32 is
    # right to 10^4 * 2^-24 of their size, 6e-4; a mean in the place of a sum would be half of it.
    alone = fits.gradients(train, fits.in_folder(example_context(tmp_path), "alone"))["vae"]
    assert float((folder / "gradients" / "norm").read_text()) == pytest.approx(alone, rel=1e-3)


def test_row_order__of_one_process_is_drawn_as_ever() -> None:
    """From the generator that is given, which torch draws a permutation with."""
    expected = torch.randperm(10, generator=torch.Generator().manual_seed(3))[:4]
    assert torch.equal(next(RowOrder(10, 4, torch.Generator().manual_seed(3))), expected)


def test_row_order__of_two_processes_goes_on_from_its_state() -> None:
    first, again = (RowOrder(10, 4, torch.Generator().manual_seed(seed), Ranks(1, 2, seed=7)) for seed in (1, 2))
    for _ in range(4):
        next(first)
    again.load_state_dict(first.state_dict())
    assert all(torch.equal(next(first), next(again)) for _ in range(6))


@pytest.mark.parametrize(
    ("batch_size", "n_devices", "n_samples", "advice"),
    [
        (63, 2, None, "set batch_size=62 or 64"),
        (63, 2, 63, r"set batch_size=62\."),
        (3, 4, None, r"set batch_size=4\."),
        (3, 4, 3, "fewer samples"),
    ],
)
def test_check_batch__names_the_nearest_that_would_do(batch_size: int, n_devices: int, n_samples: int | None, advice: str) -> None:
    with pytest.raises(SettingsError, match=f"A batch has {batch_size} samples, of which {n_devices} devices cannot .* {advice}"):
        check_batch(batch_size, n_devices, n_samples=n_samples)


@pytest.mark.parametrize("plugin", [Gan, Wgan, Vae, Diffusion, Rbm])
def test_check_devices__asks_for_a_batch_that_can_be_shared_out(plugin: type[Any]) -> None:
    plugin().check_devices(1)
    plugin(batch_size=7).check_devices(1)
    if importlib.util.find_spec("lightning_fabric") is not None:
        plugin().check_devices(2)
        with pytest.raises(SettingsError, match="set batch_size=6 or 8"):
            plugin(batch_size=7).check_devices(2)


@needs_fabric
def test_check_devices__of_ctgan_asks_for_whole_packs() -> None:
    Ctgan(batch_size=240).check_devices(2)
    with pytest.raises(SettingsError, match=r"250 samples, of which 2 devices cannot .* packs of 10; set batch_size=240 or 260\."):
        Ctgan().check_devices(2)


def test_check_sharing__names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    check_sharing(1, 64)
    with pytest.raises(GenobenchError, match=r"needs lightning-fabric, which is not installed: pip install 'genobench-neural\[devices\]'"):
        check_sharing(2, 64)


@pytest.mark.parametrize("plugin", [DpAutoregressive, DpMarkov, LatentFlow, VirtualProgeny])
def test_check_devices__of_what_is_not_known_to_be_right_is_a_refusal(plugin: type[Any]) -> None:
    plugin().check_devices(1)
    with pytest.raises(SettingsError, match=r"2 devices.*leave --devices out"):
        plugin().check_devices(2)
