"""A multilayer perceptron on all calls, beside a linear part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from genobench import check_below, check_share
from genobench_neural.layers import NEGATIVE_SLOPE, Dense
from genobench_neural.prediction.classifier import NetworkClassifier
from genobench_neural.prediction.networks import Dropout, PlacedCalls

if TYPE_CHECKING:
    from genobench_neural.prediction.inputs import Inputs, Samples


@dataclass(frozen=True)
class Mlp(NetworkClassifier):
    """A multilayer perceptron on calls and covariates, added to a ridge regression on both.

    Two hidden layers see all variants at once, so that any two may act together wherever they lie. With a thousand samples of thousands of
    variants the ridge regression, in which each variant acts by itself, says most of what can be known; the networks learn from what it
    leaves in samples that it was not fitted on, and are added in the share, from 0 to 1, that helps samples that judge. So the prediction
    is that of ridge regression where the networks find nothing. Ordinal classes have cumulative log odds with one score; classes weigh the
    same however many samples they have.

    Args:
        linear_part: `calls`: ridge regression on calls, covariates unpenalised, its penalty from six by the loss on samples that judge;
            `covariates`: covariates alone, so that networks must find what calls say.
        n_members: Networks; also the folds of whole families, within training, that judge where there are no validation samples.
        max_epochs: The most often that a network sees a sample.
        patience: Epochs without progress after which it stops.
        batch_size: Samples a batch.
        n_hidden: Units of each hidden layer.
        dropout: Share of hidden units that is dropped in training.
        learning_rate: Of Adam.
        weight_decay: Of its weights, decoupled from the gradient (AdamW).
        input_dropout: Share of calls that is dropped (set to the mean) in training.

    References:
        Networks on whole genomes and how they compare with linear models: Bellot et al. 2018, doi:10.1534/genetics.118.301298; Abdollahi-
        Arpanahi et al. 2020, doi:10.1186/s12711-020-00531-z. Committees whose members leave out a part: Krogh and Vedelsby 1995, Neural
        network ensembles, cross validation, and active learning, NIPS 7: 231-238. Cumulative log odds: McCullagh 1980,
        doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    learning_rate: float = 3e-4
    input_dropout: float = 0.2

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        super().__post_init__()
        check_share(self, ("input_dropout",))
        check_below(self, {"input_dropout": 1})

    def network(self, inputs: Inputs, *, n_out: int, random: torch.Generator) -> nn.Module:
        """Two hidden layers."""
        return _Perceptron(inputs, self, n_out=n_out, random=random)


class _Perceptron(nn.Module):
    """Calls to a hidden layer, which with covariates goes to a second; the last layer begins at zero."""

    def __init__(self, inputs: Inputs, settings: Mlp, *, n_out: int, random: torch.Generator) -> None:
        super().__init__()
        device, width = random.device, settings.n_hidden
        self.calls = PlacedCalls(inputs, torch.arange(inputs.n_variants), inputs.n_variants, device)
        self.drop_calls, self.drop = Dropout(settings.input_dropout, random), Dropout(settings.dropout, random)
        self.first = Dense(inputs.n_variants, width, generator=random, device=device)
        self.second = Dense(width + inputs.covariates.width, width, generator=random, device=device)
        self.out = Dense(width, n_out, generator=None, device=device)

    def forward(self, samples: Samples) -> torch.Tensor:
        """Scores, shape (n_samples, n_out)."""
        first = functional.leaky_relu(self.first(self.drop_calls(self.calls(samples))), NEGATIVE_SLOPE)
        both = torch.cat([self.drop(first), samples.covariates.to(first.dtype)], dim=1)
        scores: torch.Tensor = self.out(self.drop(functional.leaky_relu(self.second(both), NEGATIVE_SLOPE)))
        return scores
