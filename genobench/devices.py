"""Which device a fit runs on."""

from __future__ import annotations

from genobench.errors import GenobenchError


def check_n_devices(device: str, n_devices: int, *, asked: str) -> None:
    """Refuse a number of devices that this machine has not.

    Args:
        device: What `resolve_device` gave.
        n_devices: How many of its kind one fit is to share; on the CPU as many processes.
        asked: What `resolve_device` was given.

    Raises:
        GenobenchError: If it is less than one, more GPUs than PyTorch sees, or one is named where several are asked for. Or if the fit is
            on the CPU and nobody asked for that: several processes are no quicker there than one.
    """
    import torch

    if n_devices < 1:
        raise GenobenchError(f"{n_devices} devices were asked for; a fit needs at least 1.")
    kind, _, number = device.partition(":")
    if n_devices > 1 and number:
        raise GenobenchError(f"{n_devices} devices were asked for, and {device} is one; write {kind}, and the first {n_devices} are used.")
    if n_devices > 1 and asked == "auto" and kind == "cpu":
        raise GenobenchError(
            f"{n_devices} devices were asked for, and the fit is on the CPU: PyTorch {torch.__version__} sees no GPU, or the budget is of "
            "processor time. Leave --devices out; --device cpu would start as many processes, which are no quicker than one."
        )
    if kind == "cuda" and n_devices > torch.cuda.device_count():
        raise GenobenchError(f"{n_devices} GPUs were asked for, and PyTorch sees {torch.cuda.device_count()}.")


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
