"""The trait as networks are fitted to it: log odds of classes, cumulative ones of ordered classes, or standardised values.

What a model gives for a sample is called raw: the standardised value (one number), log odds of the classes up to a constant (one number
for each class in training), or, for ordinal classes, the log odds of being at most class j (one number for each but the last).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from genobench import Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BOUND: Final = 1e4
"""Log odds that stand for certainty, beyond the first and the last class."""

_LEAST_GAP: Final = 1e-6
"""Between the log odds of neighbouring ordinal classes, so that each class has a chance."""


@dataclass(frozen=True, eq=False)
class NetworkTarget(Target):
    """A target with the losses that networks are trained by; made by `fit`, from training samples only."""

    @property
    def n_scores(self) -> int:
        """How many numbers a model learns for a sample: one, or one for each class that training has if these have no order."""
        return len(self.present) if self.trait.kind == "categorical" else 1

    def first_cuts(self) -> torch.Tensor:
        """Numbers from which `raw` makes the constant part: as likely in each class, float64, shape (n_cuts,)."""
        if self.trait.kind != "ordinal":
            return torch.zeros(self.n_scores, dtype=torch.float64)
        n_present = len(self.present)
        below = torch.arange(1, n_present, dtype=torch.float64) / n_present
        cuts = torch.logit(below)
        # The inverse of softplus, by which later cuts stand on earlier ones.
        return torch.cat([cuts[:1], torch.log(torch.expm1(cuts.diff()))])

    def raw(self, cuts: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Constant part and scores together.

        Args:
            cuts: As `first_cuts`; of ordinal classes the first log odds, then what softplus makes the distances to the next.
            scores: Shape (n_samples, n_scores); for ordinal classes added to all log odds, which keeps their order.

        Returns:
            Shape (n_samples, n_raw).
        """
        if self.trait.kind != "ordinal":
            return cuts + scores
        return torch.cat([cuts[:1], functional.softplus(cuts[1:]) + _LEAST_GAP]).cumsum(0) + scores

    def losses(self, raw: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Half the squared error of the standardised value, or the log loss of the class; shape (n_samples,)."""
        if not self.classes:
            return 0.5 * (raw[:, 0] - numbers).square()
        return -self._log_probabilities(raw).gather(1, numbers.long()[:, None])[:, 0]

    def predicted(self, raw: torch.Tensor) -> Floats:
        """Values, shape (n_samples,), or probabilities of all classes, shape (n_samples, n_classes), 0 for a class that training lacks."""
        if not self.classes:
            values: Floats = raw[:, 0].double().cpu().numpy()
            return self.predictions(values)
        of_present: Floats = self._log_probabilities(raw).exp().double().cpu().numpy()
        return self.predictions(of_present / of_present.sum(axis=1, keepdims=True))

    def _log_probabilities(self, raw: torch.Tensor) -> torch.Tensor:
        """Of the classes that training has, shape (n_samples, n_present)."""
        if self.trait.kind == "categorical":
            return functional.log_softmax(raw, dim=1)
        # P(j) = s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), s the logistic function, a and b the log odds of at most j and j - 1.
        bounded = functional.pad(functional.pad(raw, (0, 1), value=_BOUND), (1, 0), value=-_BOUND)
        above, below = bounded[:, 1:], bounded[:, :-1]
        between = torch.log1p(-torch.exp((below - above).clamp(max=-_LEAST_GAP)))
        return functional.logsigmoid(above) + functional.logsigmoid(-below) + between
