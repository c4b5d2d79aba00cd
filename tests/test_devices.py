"""Devices are those that PyTorch sees, and what is none is said at once."""

from __future__ import annotations

import pytest
import torch

from genobench.devices import resolve_device
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
