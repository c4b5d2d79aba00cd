"""Which device a fit runs on."""

from __future__ import annotations

from genobench.errors import GenobenchError


def resolve_device(device: str) -> str:
    """The device that a name stands for, if this machine has it.

    Args:
        device: `auto` (CUDA where there is one, else the CPU), `cpu`, `cuda`, `cuda:1`, ...

    Raises:
        GenobenchError: If it names no device, or one that PyTorch does not see.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise GenobenchError(f"'{device}' is no device; write auto, cpu, cuda or cuda:0.") from error
    if asked.type == "cuda" and not torch.cuda.is_available():
        raise GenobenchError(f"The device '{device}' was asked for, but this PyTorch ({torch.__version__}) sees no CUDA device.")
    return device
