"""Devices are those that PyTorch sees, and what is none is said at once."""

from __future__ import annotations

import pytest
import torch

from genobench.devices import check_n_devices, resolve_device
from genobench.errors import GenobenchError


@pytest.mark.parametrize(("has_cuda", "found"), [(True, "cuda"), (False, "cpu")])
def test_auto__is_cuda_where_there_is_one(has_cuda, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert resolve_device("auto") == found


def test_device__is_taken_as_it_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda:1"]


@pytest.mark.parametrize(
    ("device", "message"), [("cuda", "sees no CUDA device"), ("gpu", "'gpu' is no device"), ("cuda:x", "'cuda:x' is no device")]
)
def test_device__that_is_not_there_is_an_error(device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GenobenchError, match=message):
        resolve_device(device)


def test_n_devices__are_as_many_as_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device, n_devices in (("cpu", 1), ("cpu", 8), ("cuda", 2), ("cuda:1", 1)):
        check_n_devices(device, n_devices, asked=device)


@pytest.mark.parametrize(
    ("device", "n_devices", "message"),
    [
        ("cpu", 0, "0 devices were asked for; a fit needs at least 1"),
        ("cuda", 3, "3 GPUs were asked for, and PyTorch sees 2"),
        ("cuda:1", 2, "2 devices were asked for, and cuda:1 is one; write cuda, and the first 2 are used"),
    ],
)
def test_n_devices__that_are_not_there_are_an_error(device, n_devices, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(GenobenchError, match=message):
        check_n_devices(device, n_devices, asked=device)


def test_n_devices__are_no_processes_of_the_cpu_unless_it_was_asked_for():
    check_n_devices("cpu", 1, asked="auto")
    with pytest.raises(GenobenchError, match=r"2 devices were asked for, and the fit is on the CPU: .* sees no GPU"):
        check_n_devices("cpu", 2, asked="auto")
