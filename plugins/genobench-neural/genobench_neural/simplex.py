"""Genotypes as points of the simplex, as the published dense networks see them: one-hot triples, their noise, and draws."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch.nn import functional

from genobench.statgen import BlockLayout
from genobench_neural.batches import MISSING_CODE
from genobench_neural.finite import check_drawn_by

LARGEST_NOISE: Final = 0.025
"""Each zero of a one-hot triple gets up to this much in the published GAN and WGAN."""

_WORD: Final = 0xFFFFFFFF


def table_layout(n_variants: int) -> BlockLayout:
    """All variants in one block, in the order of the variant table: dense networks know no neighbours."""
    variant_at = np.full((1, -(-n_variants // 4) * 4), -1, dtype=np.int64)
    variant_at[0, :n_variants] = np.arange(n_variants)
    return BlockLayout(variant_at=variant_at, is_followed=np.array([False]))


def one_hot(codes: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Triples that sum to 1, shape (n_samples, n_variants, 3).

    Args:
        codes: 0, 1, 2 or MISSING_CODE, uint8, shape (n_samples, n_variants).
        shares: Share of each genotype, shape (n_variants, 3), which a missing call reads as.
    """
    triples = torch.stack([codes == genotype for genotype in range(3)], dim=-1).float()
    return torch.where((codes == MISSING_CODE)[..., None], shares, triples)


class SimplexNoise:
    """Noise that is drawn once for the whole data set, as published, and never stored: a hash of the sample and the variant gives it back.

    Args:
        n_samples: Samples of the data set.
        n_variants: Variants.
        generator: Draws the keys of samples and variants.
    """

    def __init__(self, n_samples: int, n_variants: int, generator: torch.Generator) -> None:
        def keys(n: int) -> torch.Tensor:
            return torch.randint(0, _WORD + 1, (n,), generator=generator, device=generator.device)

        self._of_samples, self._of_variants = keys(n_samples), keys(n_variants)

    def __call__(self, triples: torch.Tensor, codes: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Move triples off the corners: each zero cell gets U(0, LARGEST_NOISE), the cell with the one gives their sum away.

        Args:
            triples: What `one_hot` gave, shape (n_samples, n_variants, 3).
            codes: The codes that it was given; missing calls stay as they are.
            rows: Positions of the samples in the data set, shape (n_samples,).
        """
        word = _mixed(self._of_samples[rows][:, None] ^ self._of_variants)
        first, second = (LARGEST_NOISE * w.to(triples.dtype) / (_WORD + 1) for w in (word, _mixed(word ^ 0x9E3779B9)))
        added = torch.stack(
            [
                torch.where(codes == 0, -first - second, first),
                torch.where(codes == 0, first, torch.where(codes == 1, -first - second, second)),
                torch.where(codes == 2, -first - second, second),
            ],
            dim=-1,
        )
        return triples + added.masked_fill_((codes == MISSING_CODE)[..., None], 0.0)


def _mixed(word: torch.Tensor) -> torch.Tensor:
    """The finaliser of MurmurHash3 (Appleby, public domain): 32 well-mixed bits of 32 bits, in int64."""
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & _WORD
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & _WORD
    return word ^ (word >> 16)


def drawn_genotypes(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One draw from softmax(logits) at each variant, uint8, shape (n_samples, n_variants).

    This is also what a hard Gumbel-softmax gives at any temperature: the largest of (logits + noise) / temperature is the largest of
    logits + noise.

    Raises:
        GenobenchError: If a logit is NaN, or so large that it is infinite.
    """
    reached = functional.softmax(logits, dim=-1).cumsum(dim=-1)[..., :2]
    check_drawn_by(reached)
    uniform = torch.rand(*logits.shape[:-1], 1, generator=generator, device=logits.device)
    return (uniform > reached).sum(dim=-1, dtype=torch.uint8)
