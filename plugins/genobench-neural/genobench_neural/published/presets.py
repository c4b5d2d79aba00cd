"""The published models of Xie et al. 2025 (arXiv:2508.09212) by name: sizes and training facts, faults included.

Layer sizes that the description gives as fractions of 3m follow the data's number of variants m; fixed ones stay. The test of this module
holds the parameter counts at the published m against the published ones.

Conditions enter as values of the sample table, classes by their number in sorted order (`genobench_neural.published.conditions`), save that
a value is held within four standard deviations of the training mean and a missing one is that mean. (The published code took sex as 0 and
1 and height in m; here that is up to the table.) The autoencoder, which knew no condition, takes it standardised where it is given one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from genobench import check_lowest, check_positive

if TYPE_CHECKING:
    from collections.abc import Mapping

N_PUBLISHED_EPOCHS: Final = 1000
_SMALLEST_LAYER: Final = 4


@dataclass(frozen=True)
class PublishedVae:
    """A published autoencoder.

    Args:
        n_variants: Variants it was published with.
        encoder: Widths of the encoder; three equal ones in a row are a residual block.
        decoder: Likewise.
        n_latent: Numbers of z.
        batch_size: Samples a batch.
        learning_rate: Of Adam, with its usual betas.
        max_epochs: Epochs of training.
        is_conditional: Whether encoder and decoder see the condition.
        output: "argmax": the likeliest genotype at each variant; "draw": one draw from its distribution.
    """

    n_variants: int
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    n_latent: int
    batch_size: int
    learning_rate: float
    max_epochs: int = N_PUBLISHED_EPOCHS
    is_conditional: bool = False
    output: str = "argmax"


@dataclass(frozen=True)
class PublishedGan:
    """A published GAN or WGAN.

    Args:
        n_variants: Variants it was published with.
        n_noise: Numbers of z.
        generator_divisors: Widths of the generator are 3m divided by these.
        critic_divisors: Likewise of the discriminator or critic.
        learning_rate: Of the generator's Adam.
        critic_rate: Of the critic's.
        betas: Of both.
        batch_size: Samples a batch.
        max_epochs: Epochs of training.
        n_critic: Critic updates on each batch.
        gradient_penalty: Its weight; 0 for the GAN, which has none.
        is_conditional: Whether both networks see the condition.
        n_before: Copies of the condition in front of what each stage sees.
        n_after: Copies behind.
        is_last_conditioned: Whether the generator's last layer sees the condition.
        is_wasserstein: Whether it is a WGAN.
        is_bf16: Whether matrix products run in bfloat16; the published code's ran in float32.
    """

    n_variants: int
    n_noise: int
    generator_divisors: tuple[int, ...]
    critic_divisors: tuple[int, ...]
    learning_rate: float
    critic_rate: float
    betas: tuple[float, float]
    batch_size: int
    max_epochs: int = N_PUBLISHED_EPOCHS
    n_critic: int = 1
    gradient_penalty: float = 0.0
    is_conditional: bool = False
    n_before: int = 0
    n_after: int = 1
    is_last_conditioned: bool = True
    is_wasserstein: bool = False
    is_bf16: bool = False

    def __post_init__(self) -> None:
        check_lowest(self, {"batch_size": 2, "max_epochs": 0, "n_critic": 1, "gradient_penalty": 0})
        check_positive(self, ("learning_rate", "critic_rate"))

    def generator_widths(self, n_variants: int) -> tuple[int, ...]:
        """Widths of the generator for that many variants."""
        return tuple(max(_SMALLEST_LAYER, 3 * n_variants // divisor) for divisor in self.generator_divisors)

    def critic_widths(self, n_variants: int) -> tuple[int, ...]:
        """Widths of the critic for that many variants."""
        return tuple(max(_SMALLEST_LAYER, 3 * n_variants // divisor) for divisor in self.critic_divisors)


VAES: Final[Mapping[str, PublishedVae]] = MappingProxyType(
    {
        "cow-chr14": PublishedVae(
            n_variants=1771, encoder=(1024, 512, 256), decoder=(256, 512, 1024), n_latent=128, batch_size=256, learning_rate=5e-4
        ),
        "human-ensembl": PublishedVae(
            n_variants=3493, encoder=(1024, 512, 512, 256), decoder=(256, 512, 512, 1024), n_latent=128, batch_size=256, learning_rate=5e-4
        ),
        "human-multi": PublishedVae(
            n_variants=42409,
            encoder=(4096, *(2048,) * 3, *(1024,) * 3, 512),
            decoder=(512, *(1024,) * 3, *(2048,) * 3, 4096),
            n_latent=256,
            batch_size=3800,
            learning_rate=6e-4,
        ),
    }
)

GANS: Final[Mapping[str, PublishedGan]] = MappingProxyType(
    {
        "cow-chr14": PublishedGan(
            n_variants=1771,
            n_noise=128,
            generator_divisors=(6, 3),
            critic_divisors=(5, 10),
            learning_rate=5e-4,
            critic_rate=1e-4,
            betas=(0.5, 0.9),
            batch_size=256,
        ),
        "human-ensembl": PublishedGan(
            n_variants=3493,
            n_noise=128,
            generator_divisors=(24, 12, 6),
            critic_divisors=(8, 16, 32),
            learning_rate=1e-4,
            critic_rate=1e-4,
            betas=(0.5, 0.999),
            batch_size=512,
        ),
        "human-multi": PublishedGan(
            n_variants=42409,
            n_noise=256,
            generator_divisors=(128, 64, 32),
            critic_divisors=(32, 64, 128),
            learning_rate=1e-4,
            critic_rate=1e-5,
            betas=(0.5, 0.9),
            batch_size=128,
        ),
    }
)

_WGAN: Final[dict[str, Any]] = {
    "learning_rate": 1e-4,
    "critic_rate": 1e-4,
    "betas": (0.5, 0.9),
    "n_critic": 5,
    "gradient_penalty": 10.0,
    "is_conditional": True,
    "is_wasserstein": True,
}

WGANS: Final[Mapping[str, PublishedGan]] = MappingProxyType(
    {
        "cow-all": PublishedGan(
            n_variants=50161,
            n_noise=256,
            generator_divisors=(144, 72, 36),
            critic_divisors=(36, 72, 144),
            batch_size=128,
            n_before=2,
            n_after=2,
            **_WGAN,
        ),
        "human-ensembl": PublishedGan(
            n_variants=3493,
            n_noise=128,
            generator_divisors=(24, 12, 6),
            critic_divisors=(8, 16, 32),
            batch_size=512,
            is_last_conditioned=False,
            **_WGAN,
        ),
        "human-multi": PublishedGan(
            n_variants=42409,
            n_noise=256,
            generator_divisors=(128, 64, 32),
            critic_divisors=(32, 64, 128),
            batch_size=128,
            n_before=1,
            **_WGAN,
        ),
    }
)
