"""Haplotypes of a Markov chain that is fitted to differentially private covariances."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch

from genobench import FitContext, Generator, Genotypes, Sampler, Trial, check_below, check_lowest, check_positive
from genobench_neural.optimising import checked_device
from genobench_neural.private.accounting import PrivacyBudget, check_epsilon
from genobench_neural.private.haplotype_chain import ChainSize, HaplotypeChain, fit_chain
from genobench_neural.private.inputs import PublicInputs
from genobench_neural.private.moments import MomentMechanism, PrivateMoments
from genobench_neural.private.streams import Noise, calibration_stream
from genobench_neural.sampling import load_sampler, trained_sampler

if TYPE_CHECKING:
    from pathlib import Path

_RAREST: Final = 2e-3
"""Least frequency of either allele: weights are divided by deviations, and a variant that is constant in training has none."""


@dataclass(frozen=True)
class DpMarkov(Generator):
    """A Markov chain along haplotypes, fitted to allele frequencies and covariances of neighbours that are differentially private.

    Gaussian noise is added once to the sums of calls, and once to the sums of products of neighbouring calls and of calls with the
    condition; the contribution of each sample is of bounded length. The chain, its order-`n_lags` weights shrunk by what the noise is
    known to be, is fitted to these alone. epsilon bounds what the fit reveals of one sample, at delta = n_samples ** -1.1: with or
    without the genotypes of any one training sample, no synthetic data set becomes more than exp(epsilon) times as likely, but for
    cases of total probability delta.

    The guarantee covers genotypes, all of a sample's at once. It takes as public: the table of traits and covariates of the training
    samples (and so their number), the variant table, and the settings. With `is_reproducible` it holds against whoever does not know the
    seed of the fit, with which the noise could be drawn again. A sample's relatives are other samples: what a family has in common is not
    hidden. No ALT frequency is taken to be nearer to 0 or 1 than .002, so that variants that are constant in training vary.

    A missing call counts as the mean. Frequencies are divided by the noisy call rate of all variants together, so that one that is called
    less often than the others comes out nearer to one half; covariances shrink by the share of samples that have both calls.

    Args:
        epsilon: Of the guarantee; below 1 little can be learned from a thousand samples, above 10 little is guaranteed.
        n_lags: Neighbours before a variant that it depends on; 0: twice epsilon, from 1 to 16. Each more adds noise to all.
        frequency_share: Share of the budget that goes to allele frequencies, in (0, 1).
        condition_share: Share of the rest that goes to the effects of the condition, in [0, 1).
        is_reproducible: Whether the noise comes from the seed of the fit, so that the same seed gives the same sampler. The guarantee then
            holds only against those who do not know the seed. False: it comes from the operating system, and no fit can be repeated.

    References:
        Dwork and Roth 2014, doi 10.1561/0400000042 (the Gaussian mechanism); Balle and Wang 2018, arXiv:1805.06530 (its exact epsilon);
        Dong, Roth and Su 2022, doi 10.1111/rssb.12454 (how several add up).
    """

    epsilon: float = 3.0
    n_lags: int = 0
    frequency_share: float = 0.5
    condition_share: float = 0.2
    is_reproducible: bool = True

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon)
        check_lowest(self, {"n_lags": 0, "condition_share": 0})
        check_positive(self, ["frequency_share"])
        check_below(self, {"frequency_share": 1, "condition_share": 1})

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """The order of the chain and the shares of the budget; epsilon stays, and trials on one data set spend it each."""
        return cls(
            n_lags=trial.suggest_int("n_lags", 2, 16),
            frequency_share=trial.suggest_float("frequency_share", 0.1, 0.6),
            condition_share=trial.suggest_float("condition_share", 0.05, 0.5),
        )

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples, and report epsilon and delta."""
        device = checked_device(context.device)
        public = PublicInputs.of_training(train, context.trait)
        budget = PrivacyBudget.of_samples(self.epsilon, train.n_samples)
        mechanism = MomentMechanism(
            budget, frequency_share=self.frequency_share, condition_share=self.condition_share, n_lags=self.n_lags or _order(self.epsilon)
        )
        moments = mechanism.release(
            train.calls,
            public.path.order,
            reach=torch.from_numpy(public.path.n_before).to(device),
            condition=torch.from_numpy(public.white_condition).to(device),
            noise=Noise.of_seed(context.seed, device) if self.is_reproducible else Noise.of_system(device),
        )
        layout = public.layout
        size = ChainSize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_variants=len(public.path.order),
            n_lags=moments.covariance.shape[1],
            n_condition=public.tables.encoder.width,
        )
        network = HaplotypeChain(size)
        network.place.copy_(torch.from_numpy(public.place))
        network.is_followed.copy_(torch.from_numpy(public.path.is_followed))
        _set_chain(network, moments, public)
        network.calibrate(torch.from_numpy(public.condition.astype(np.float32)), calibration_stream(context.seed))
        context.report(1, {"epsilon": budget.epsilon, "delta": budget.delta, "total_steps": 1.0})
        privacy = {**asdict(budget), "mechanism": "Gaussian, two releases", "is_reproducible": self.is_reproducible}
        return trained_sampler(network, {"size": asdict(size), "privacy": privacy}, layout=layout, tables=public.tables)

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


def _order(epsilon: float) -> int:
    """Neighbours before a variant, as many as the noise leaves room for: twice epsilon, from 1 to 16."""
    return min(16, max(1, math.ceil(2 * epsilon)))


def _set_chain(network: HaplotypeChain, moments: PrivateMoments, public: PublicInputs) -> None:
    """Fit the chain to the moments; nothing here sees a sample."""
    n_samples = len(public.condition)
    p = moments.alt_frequency.cpu().numpy().astype(np.float64).clip(_RAREST, 1 - _RAREST)
    deviation = np.sqrt(2 * p * (1 - p))
    n_lags = moments.covariance.shape[1]
    lags = np.arange(1, n_lags + 1)
    before = np.maximum(np.arange(len(p))[:, None] - lags, 0)
    scale = deviation[:, None] * deviation[before]
    noise = np.where(lags <= public.path.n_before[:, None], np.sqrt((moments.covariance_noise / scale) ** 2 + 1 / n_samples), np.inf)
    weights = fit_chain(moments.covariance.cpu().numpy() / scale, noise, public.path.is_followed)
    slopes = moments.slopes.cpu().numpy().astype(np.float64)
    variance = moments.slope_noise**2 + deviation[:, None] ** 2 / n_samples
    signal = np.maximum((slopes**2 - variance).mean(axis=0), 0)
    shrunk = slopes * signal / (signal + variance) / 2 @ public.whitening.T
    network.begin_with(*(torch.from_numpy(values.astype(np.float32)) for values in (weights, p, shrunk)))


def _network(description: dict[str, Any], _is_followed: torch.Tensor) -> HaplotypeChain:
    return HaplotypeChain(ChainSize(**description["size"]))
