"""The variational autoencoder: a default that draws with its neighbours in sight, and the published ones by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from genobench import FitContext, Generator, Genotypes, Sampler, SettingsError, Trial, check_below, check_lowest, check_positive
from genobench_neural.checkpoints import fit_identity
from genobench_neural.preset_settings import DEFAULT, check_preset, overridden
from genobench_neural.published.presets import VAES, PublishedVae
from genobench_neural.published.vae import fit_published_vae, loaded_vae
from genobench_neural.sampling import load_sampler
from genobench_neural.several_devices import check_sharing, fit_on_devices
from genobench_neural.windows.training import WindowPlan, fit_window_vae, loaded_window_vae

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from genobench_neural.sampling import GenotypeNetwork


@dataclass(frozen=True)
class Vae(Generator):
    """Variational autoencoder of genotypes; with `preset`, one of those published by Xie et al. 2025, faults included.

    The default has genome-wide latents, and a decoder that sees the condition, the latents and the variants before each one on its
    chromosome; a genotype is drawn from the distribution that comes out. It begins with principal components and regressions of the
    training samples, and stops early by its loss on validation samples. A moving average of the weights is kept, and z is drawn from the
    normal distribution that has the pooled moments of the posteriors. Trait and covariates (quantitative ones standardised, classes
    one-hot) enter encoder and decoder, which begins with their ridge effects on every variant.

    A published preset is fully connected, knows no condition, trains for 1,000 epochs and takes the likeliest genotype at each variant,
    which drops the randomness that is left at a variant once z is known: `output=draw` mends that, `is_conditional=true` conditions it.

    A missing call reads as its variant's average and adds nothing to the loss.

    Args:
        preset: "default", or a published model: "cow-chr14", "human-ensembl", "human-multi". It fixes the settings that are None; the
            default's values stand in brackets.
        output: "draw" genotypes from their distribution, or take the likeliest ("argmax"; published presets only). The default draws.
        is_conditional: Whether encoder and decoder see trait and covariates (true).
        batch_size: Samples a batch; where there are fewer, all of them are one (64).
        learning_rate: Of Adam (1e-3).
        max_epochs: The most often that a sample is seen (60).
        n_latent: Numbers of z (16).
        training_calls: Calls seen in training at most, so that steps = training_calls / (n_variants * batch_size) (default only:
            200 million).
        begun_rate: Rate of the weights that begin with what the closed forms give (default only: 5e-3).
        n_window: Variants before each one that the decoder sees (default only: 32).
        width: Width of the residual blocks (default only: 64).
        n_residual: Residual blocks of encoder and decoder (default only: 1).
        ridge: Penalty of the closed forms, in samples (default only: 20).
        average_decay: Of the moving average of the weights (default only: .99).
        shrinkage: Precision of the normal prior of a variant's log-odds for each factor and neighbour (default only: 3).
        patience: Checks on validation samples without progress before training stops (default only: 3).

    References:
        Kingma and Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114.
        Chen et al. 2017, Variational lossy autoencoder, arXiv:1611.02731 (a decoder that sees neighbours).
        Ghosh et al. 2020, From variational to deterministic autoencoders, arXiv:1903.12436 (a prior fitted after training).
        Xie et al. 2025, arXiv:2508.09212, doi:10.1093/gigascience/giag044 (the published presets).
    """

    preset: str = DEFAULT
    output: Literal["draw", "argmax"] | None = None
    is_conditional: bool | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    max_epochs: int | None = None
    n_latent: int | None = None
    training_calls: int | None = None
    begun_rate: float | None = None
    n_window: int | None = None
    width: int | None = None
    n_residual: int | None = None
    ridge: float | None = None
    average_decay: float | None = None
    shrinkage: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        check_preset(self, VAES)
        check_lowest(self, _LOWEST)
        check_positive(self, ("learning_rate", "begun_rate", "ridge"))
        check_below(self, {"average_decay": 1})
        if self.preset == DEFAULT and self.output == "argmax":
            raise SettingsError(f"output is 'argmax', which the default cannot do: it belongs to the published presets {', '.join(VAES)}.")

    @property
    def plan(self) -> WindowPlan | PublishedVae:
        """Sizes and training facts: those of the preset, with what was set in their place."""
        plan: WindowPlan | PublishedVae = WindowPlan() if self.preset == DEFAULT else VAES[self.preset]
        return overridden(plan, dataclasses.asdict(self))

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Sizes, rates and shrinkage of the default, around its values."""
        return cls(
            n_latent=trial.suggest_categorical("n_latent", [8, 16, 32]),
            n_window=trial.suggest_categorical("n_window", [16, 32, 64]),
            learning_rate=trial.suggest_float("learning_rate", 3e-4, 3e-3, log=True),
            begun_rate=trial.suggest_float("begun_rate", 1e-3, 1e-2, log=True),
            ridge=trial.suggest_float("ridge", 5.0, 100.0, log=True),
            shrinkage=trial.suggest_float("shrinkage", 1.0, 100.0, log=True),
        )

    def check_devices(self, n_devices: int) -> None:
        """Refuse what `check_sharing` refuses."""
        check_sharing(n_devices, self.plan.batch_size)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        identity, plan = fit_identity(self, train, context), self.plan
        if isinstance(plan, WindowPlan):
            return fit_window_vae(plan, train, context, identity=identity)
        return fit_published_vae(plan, train, context, identity=identity)

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


_LOWEST: Final = {
    "batch_size": 2,
    "max_epochs": 0,
    "n_latent": 1,
    "training_calls": 0,
    "average_decay": 0,
    "n_window": 1,
    "width": 1,
    "n_residual": 0,
    "shrinkage": 0,
    "patience": 1,
}


def _network(description: dict[str, Any], is_followed: torch.Tensor) -> GenotypeNetwork:
    return (loaded_vae if "published" in description else loaded_window_vae)(description, is_followed)
