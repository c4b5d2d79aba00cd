"""The two losses of the GAN along the genome: Wasserstein distance with gradient penalty, and the non-saturating logistic one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from genobench_neural.clusters.duel import ClusterDuel

if TYPE_CHECKING:
    from collections.abc import Callable


class WassersteinDuel(ClusterDuel):
    """The critic's scores of training samples less those of drawn ones, with a penalty between both (Gulrajani et al. 2017)."""

    def critic_losses(self, seen: torch.Tensor, generated: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """As `ClusterDuel.critic_losses` says."""
        with self.autocast():
            distance = self.critic(seen, condition).mean() - self.critic(generated, condition).mean()
            mix = torch.rand(1, seen.shape[1], 1, generator=self.random, device=seen.device)
            between = torch.lerp(generated, seen, mix).requires_grad_()
            penalty = gradient_penalty(lambda x: self.critic(x, condition), between)
        return self.plan.gradient_penalty * penalty - distance, {"critic distance": distance, "gradient penalty": penalty}

    def generator_loss(self, scores: torch.Tensor) -> torch.Tensor:
        """As `ClusterDuel.generator_loss` says."""
        return -scores.mean()


class LogisticDuel(ClusterDuel):
    """Binary cross-entropy, the generator's non-saturating (Goodfellow et al. 2014), with a penalty at training samples."""

    def critic_losses(self, seen: torch.Tensor, generated: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """As `ClusterDuel.critic_losses` says."""
        seen.requires_grad_()
        with self.autocast():
            on_training = self.critic(seen, condition).float()
            on_generated = self.critic(generated, condition).float()
        penalty = squared_gradient(on_training, seen)
        loss = functional.softplus(-on_training).mean() + functional.softplus(on_generated).mean()
        return loss + 0.5 * self.plan.gradient_penalty * penalty, {"critic loss": loss, "gradient penalty": penalty}

    def generator_loss(self, scores: torch.Tensor) -> torch.Tensor:
        """As `ClusterDuel.generator_loss` says."""
        return functional.softplus(-scores.float()).mean()


def gradient_penalty(score: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Mean of (gradient norm - 1)² over samples (Gulrajani et al. 2017, equation 3).

    Args:
        score: A critic.
        x: Where the gradient is taken, shape (n_blocks, n_samples, n_channels), requiring a gradient.
    """
    (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
    norm = gradient.float().square().sum(dim=(0, 2)).add(1e-12).sqrt()
    return (norm - 1).square().mean()


def squared_gradient(scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared norm of the gradient of a sample's score (Mescheder, Geiger and Nowozin 2018, equation 9, without its factor).

    Args:
        scores: Of samples, shape (n_samples,).
        x: What they were computed from, shape (n_blocks, n_samples, n_channels), requiring a gradient.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return gradient.float().square().sum(dim=(0, 2)).mean()
