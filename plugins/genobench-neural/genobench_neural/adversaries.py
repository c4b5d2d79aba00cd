"""The two kinds of adversaries behind `gan` and `wgan`: the defaults, which begin near the data, and the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genobench_neural.clusters.duel import ClusterDuel, DuelPlan, fit_duel, loaded_duel
from genobench_neural.published.gan import fit_published_gan, loaded_gan
from genobench_neural.sampling import load_sampler

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from genobench import FitContext, Genotypes, Sampler
    from genobench_neural.published.presets import PublishedGan
    from genobench_neural.sampling import GenotypeNetwork


def fit_adversaries(
    task: type[ClusterDuel], plan: DuelPlan | PublishedGan, train: Genotypes, context: FitContext, *, identity: str
) -> Sampler:
    """Train what a plan describes.

    Args:
        task: The losses of the default; a published model has its own.
        plan: Of the default or of a published model.
        train: Training samples.
        context: Of the fit.
        identity: Of the fit, from `fit_identity`.
    """
    if isinstance(plan, DuelPlan):
        return fit_duel(task, plan, train, context, identity=identity)
    return fit_published_gan(plan, train, context, identity=identity)


def load_adversaries(folder: Path) -> Sampler:
    """The sampler that was saved in `folder`, of either kind."""
    return load_sampler(folder, _network)


def _network(description: dict[str, Any], is_followed: torch.Tensor) -> GenotypeNetwork:
    return (loaded_gan if "published" in description else loaded_duel)(description, is_followed)
