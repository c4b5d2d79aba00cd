"""One-hot genotypes in planes, and Gumbel-softmax draws of them.

One-hot genotypes lie in planes: shape (n_samples, 3, n_variants), first all that say 0, then all 1, then all 2, so that every pass over
them runs along the variants. A softmax over the genotypes is 14 times as fast as with three numbers of one variant side by side. To a
dense network it is all the same: its columns are in another order.

How a batch of training calls is best multiplied with the first layer's weights was measured (tests/benchmarks/training_parts.py: 512
samples x 3,493 variants, 1,309 wide, forward and backward, one thread of an AMD EPYC with AVX512-BF16): one-hot in float32 397 ms, a
gather-sum (`embedding_bag`) 583 ms, W0 + (code = 1)(W1 - W0) + (code = 2)(W2 - W0) in bfloat16 97 ms, one-hot in bfloat16 115 ms. The last
is used: it takes soft genotypes as well, so that training and generated samples pass as one batch, and needs no second copy of the weights.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch.nn import functional

N_GENOTYPES: Final = 3
_BITS: Final = 16


def one_hot_planes(codes: torch.Tensor) -> torch.Tensor:
    """One-hot genotypes in planes, bfloat16, shape (n_samples, 3, n_variants); all zeros where the code is none of 0, 1 and 2.

    Args:
        codes: ALT alleles, uint8, shape (n_samples, n_variants).
    """
    return torch.stack([codes == genotype for genotype in range(N_GENOTYPES)], dim=1).bfloat16()


def soft_genotypes(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """Soft draws by Gumbel-softmax (Jang, Gu and Poole 2017, arXiv:1611.01144), in planes.

    Args:
        logits: Shape (n_samples, 3, n_variants); float32 or bfloat16.
        temperature: Of the softmax.
        generator: Draws the noise.

    Returns:
        Shape and type of `logits`; each triple along axis 1 sums to 1.
    """
    softened: torch.Tensor = _GumbelSoftmax.apply(logits, temperature, generator)  # type: ignore[no-untyped-call] # torch leaves it untyped
    return softened


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Standard Gumbel values, float32, on the generator's device.

    On the CPU four of them share one 64-bit draw, so that each has 16 random bits: values lie between -2.5 and 11.8.
    """
    device = generator.device
    if device.type != "cpu":
        return torch.empty(shape, device=device).exponential_(generator=generator).log_().neg_()
    size = torch.Size(shape)
    words = torch.empty(-(-size.numel() // 4), dtype=torch.int64, device=device).random_(-(1 << 63), None, generator=generator)
    uniform = words.view(torch.int16)[: size.numel()].view(size).float()
    uniform.add_((1 << (_BITS - 1)) + 0.5).mul_(1 / (1 << _BITS))
    return uniform.log_().neg_().log_().neg_()


class _GumbelSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
        noisy = gumbel_noise(tuple(logits.shape), generator).add_(logits)
        soft = functional.softmax(noisy.mul_(1 / temperature).to(logits.dtype), dim=1)
        ctx.save_for_backward(soft)
        ctx.temperature = temperature
        return soft

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (soft,) = ctx.saved_tensors
        pulled = gradients[0] * soft
        pulled = pulled - soft * pulled.sum(dim=1, keepdim=True)
        return pulled / ctx.temperature, None, None
