"""The generator and the critic of a CTGAN (Xu et al. 2019, section 4.4)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import functional

from genobench_neural.finite import check_drawn_by
from genobench_neural.layers import Dense, drawn
from genobench_neural.onehot import gumbel_noise
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from genobench_neural.tabular.columns import ClassColumns

_SLOPE: Final = 0.2
_LEAST_SHARE: Final = 1e-4


@dataclass(frozen=True)
class CtganSize:
    """What fixes the shapes of both networks.

    Args:
        n_blocks: Blocks of the layout.
        block_size: Places of a block.
        n_noise: Normal numbers that a sample is made from.
        n_hidden: Width of the two hidden layers of each network.
        n_embedding: Numbers that stand for the genotype that a condition asks for.
        pac: Samples that the critic scores together.
    """

    n_blocks: int
    block_size: int
    n_noise: int
    n_hidden: int
    n_embedding: int
    pac: int

    @property
    def n_places(self) -> int:
        """Places of variants, padding included."""
        return self.n_blocks * self.block_size


class CtganGenerator(GenotypeNetwork):
    """Noise and condition to the logits of all columns: two hidden layers, each handing on what it was given beside what it made.

    Args:
        size: Shapes.
        columns: Of trait and covariates.
        generator: Draws the weights.
    """

    genotypes: torch.Tensor

    def __init__(self, size: CtganSize, columns: ClassColumns, generator: torch.Generator) -> None:
        super().__init__()
        self.size, self.columns = size, columns
        device = generator.device
        n_given = size.n_noise + columns.n_classes + size.n_embedding
        self.embedding = _embedding(size, generator)
        self.own = nn.Parameter(torch.zeros(3 * size.n_places + 1, 3, device=device))
        self.register_buffer("genotypes", torch.arange(3, device=device), persistent=False)
        self.first = Dense(n_given, size.n_hidden, generator=generator, device=device)
        self.second = Dense(n_given + size.n_hidden, size.n_hidden, generator=generator, device=device)
        self.first_norm = nn.BatchNorm1d(size.n_hidden, device=device)
        self.second_norm = nn.BatchNorm1d(size.n_hidden, device=device)
        n_out = 3 * size.n_places + columns.n_classes
        self.exit = Dense(n_given + 2 * size.n_hidden, n_out, generator=generator, device=device)

    def begin_with(self, shares: torch.Tensor) -> None:
        """Let the output begin at the genotype shares of training, and the rest of it small.

        Args:
            shares: Of each genotype at each place, shape (n_places, 3), as `TrainingData.shares` gives them.
        """
        with torch.no_grad():
            self.exit.bias[: 3 * self.size.n_places] = shares.clamp(min=_LEAST_SHARE).log().T.reshape(-1)
            self.exit.weight.mul_(0.3)

    def forward(self, classes: torch.Tensor, variants: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits, without noise.

        Args:
            classes: Asked classes of trait and covariates, one-hot or zero, shape (n_samples, n_classes).
            variants: The asked genotype, 3 * place + ALT alleles, or 3 * n_places for none, shape (n_samples,).
            generator: Draws the noise.

        Returns:
            Logits of the genotypes, shape (n_samples, 3, n_places), and of the classes, shape (n_samples, n_classes).
        """
        z = torch.randn(len(classes), self.size.n_noise, generator=generator, device=classes.device)
        given = torch.cat([z, classes, self.embedding[variants]], dim=1)
        made = functional.relu(self.first_norm(self.first(given)))
        given = torch.cat([made, given], dim=1)
        made = functional.relu(self.second_norm(self.second(given)))
        logits = self.exit(torch.cat([made, given], dim=1))
        genotypes = logits[:, : 3 * self.size.n_places].view(len(classes), 3, -1)
        asked = torch.where(variants < 3 * self.size.n_places, variants // 3, 0)
        row = torch.arange(len(asked), device=asked.device)
        own = self.own[variants].to(genotypes.dtype)
        genotypes = genotypes.index_put((row[:, None], self.genotypes, asked[:, None]), own, accumulate=True)
        return genotypes, logits[:, 3 * self.size.n_places :].float()

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says; the condition is that of trait and covariates."""
        classes = self.columns.classes(condition)
        nothing = torch.full((len(condition),), 3 * self.size.n_places, device=condition.device)
        logits, _ = self(classes, nothing, generator)
        check_drawn_by(logits)
        codes = (logits + gumbel_noise(tuple(logits.shape), generator)).argmax(dim=1).to(torch.uint8)
        placed: torch.Tensor = codes.view(-1, self.size.n_blocks, self.size.block_size).transpose(0, 1)
        return placed

    def description(self) -> dict[str, Any]:
        """What it takes to build the network anew."""
        return {"size": asdict(self.size), "columns": self.columns.to_json()}


class CtganCritic(nn.Module):
    """Packs of samples with their conditions to one number a pack (Lin et al. 2018, PacGAN, arXiv:1712.04086).

    Args:
        size: Shapes.
        columns: Of trait and covariates.
        dropout: Share of hidden numbers dropped in training.
        generator: Draws the weights.
    """

    def __init__(self, size: CtganSize, columns: ClassColumns, *, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.size, self.dropout, self.generator = size, dropout, generator
        device = generator.device
        n_data = 3 * size.n_places + columns.n_classes
        self.embedding = _embedding(size, generator)
        self.first = Dense(size.pac * n_data, size.n_hidden, generator=generator, device=device)
        self.first_condition = Dense(size.pac * (columns.n_classes + size.n_embedding), size.n_hidden, generator=generator, device=device)
        self.second = Dense(size.n_hidden, size.n_hidden, generator=generator, device=device)
        self.exit = Dense(size.n_hidden, 1, generator=generator, device=device)

    def forward(self, x: torch.Tensor, classes: torch.Tensor, variants: torch.Tensor) -> torch.Tensor:
        """Score packs.

        Args:
            x: One-hot or soft genotypes and classes, shape (n_samples / pac, pac * (3 * n_places + n_classes)).
            classes: As the generator takes them.
            variants: Likewise.

        Returns:
            Shape (n_samples / pac,); higher where packs look like training samples.
        """
        condition = torch.cat([classes, self.embedding[variants]], dim=1).reshape(len(x), -1)
        hidden = self._dropped(functional.leaky_relu(self.first(x) + self.first_condition(condition), _SLOPE))
        hidden = self._dropped(functional.leaky_relu(self.second(hidden), _SLOPE))
        score: torch.Tensor = self.exit(hidden)[:, 0].float()
        return score

    def _dropped(self, hidden: torch.Tensor) -> torch.Tensor:
        """Dropout from a generator of its own."""
        kept = torch.rand(hidden.shape, generator=self.generator, device=hidden.device) >= self.dropout
        dropped: torch.Tensor = hidden * kept / (1 - self.dropout)
        return dropped


def _embedding(size: CtganSize, generator: torch.Generator) -> nn.Parameter:
    """A row of numbers for each genotype of each place, and one of zeros for none."""
    rows = drawn((3 * size.n_places + 1, size.n_embedding), fan_in=2, generator=generator, device=generator.device)
    rows[-1] = 0.0
    return nn.Parameter(rows)
