"""The linear part of a prediction: ridge regression of any kind of trait, exact, with covariates that are not penalised.

With n samples and far more variants the weights of variants are sums over samples, so that what is fitted has n dimensions: with K the
similarity of samples and K = L L', scores are L u, and the penalty is on u.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genobench_neural.prediction.inputs import Inputs, Samples
    from genobench_neural.prediction.targets import NetworkTarget

PENALTIES: Final = (100.0, 30.0, 10.0, 5.0, 3.0, 2.0, 1.0, 0.5)
"""Residual over genetic variance for values (heritabilities from .01 to .67), strongest first, each begun where the one before ended."""

_JITTER: Final = 1e-4
"""Added to similarities, whose mean is 1 for a sample with itself, against rounding."""

_WEAK: Final = 1e-3
"""Penalty on covariates and constants: far below what samples say, but finite where these separate classes."""

_MOST_ITERATIONS: Final = 100
_GRADIENT: Final = 1e-5
_CHANGE: Final = 1e-8


@dataclass(frozen=True, eq=False)
class Lesson:
    """Samples with what is to be learned of them.

    Args:
        samples: The samples.
        numbers: As `Target.numbers`, float64, shape (n_samples,).
        weights: As `Target.weights`, float64, shape (n_samples,).
    """

    samples: Samples
    numbers: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of(cls, samples: Samples, target: NetworkTarget, numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Lesson:
        """Samples whose numbers are known."""
        device = samples.calls.device
        weights = torch.from_numpy(target.weights(numbers)).to(device)
        return cls(samples=samples, numbers=torch.from_numpy(numbers).to(device), weights=weights)

    @property
    def n_samples(self) -> int:
        """How many."""
        return len(self.numbers)

    def rows(self, rows: np.ndarray[tuple[int], np.dtype[np.intp]], target: NetworkTarget) -> Lesson:
        """Some of the samples, with weights for their classes."""
        at = torch.from_numpy(rows).to(self.numbers.device)
        return Lesson.of(self.samples.rows(at), target, self.numbers[at].cpu().numpy())

    def loss(self, target: NetworkTarget, raw: torch.Tensor) -> float:
        """Mean loss, classes weighing the same."""
        return float((self.weights * target.losses(raw.double(), self.numbers)).mean())

    def has_contrast(self) -> bool:
        """Whether the samples differ in the trait."""
        return len(torch.unique(self.numbers)) > 1


@dataclass(frozen=True, eq=False)
class LinearPart:
    """A sum of calls, centred, and of covariates.

    Args:
        weights: Of calls as `Inputs.sums` takes them, float64, shape (n_varying, n_scores); None where calls have no part.
        effects: Of covariates, float64, shape (n_covariates, n_scores).
        cuts: The constant part, as `NetworkTarget.raw` takes it.
    """

    weights: torch.Tensor | None
    effects: torch.Tensor
    cuts: torch.Tensor

    def raw(self, target: NetworkTarget, inputs: Inputs, samples: Samples) -> torch.Tensor:
        """As `NetworkTarget.raw`, float64, shape (n_samples, n_raw)."""
        scores = samples.covariates.double() @ self.effects
        if self.weights is not None:
            scores = scores + inputs.sums(samples, self.weights)
        return target.raw(self.cuts, scores)

    def on_host(self) -> LinearPart:
        """The same in memory of the host."""
        return LinearPart(weights=None if self.weights is None else self.weights.cpu(), effects=self.effects.cpu(), cuts=self.cuts.cpu())


@dataclass(frozen=True, eq=False)
class _Solution:
    """One fit of the samples: `duals` times the similarity to each sample, covariates, and the constant part."""

    duals: torch.Tensor
    effects: torch.Tensor
    cuts: torch.Tensor

    def raw(self, target: NetworkTarget, similarity: torch.Tensor, covariates: torch.Tensor) -> torch.Tensor:
        return target.raw(self.cuts, similarity @ self.duals + covariates @ self.effects)


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Linear parts for each penalty, and what they say of samples that they were not fitted on.

    Args:
        parts: For each penalty that was tried.
        crossed: Raw of each training sample by the fit without its fold, for each penalty, float64, (n_samples, n_raw); NaN for
            samples of a fold without which too little is left.
    """

    parts: tuple[LinearPart, ...]
    crossed: tuple[torch.Tensor, ...]


def fit_linear(
    lesson: Lesson, target: NetworkTarget, inputs: Inputs, *, folds: Sequence[np.ndarray[tuple[int], np.dtype[np.intp]]], has_calls: bool
) -> LinearFit:
    """Fit on all samples, and on those outside each fold.

    Args:
        lesson: Training samples.
        target: The trait.
        inputs: What is seen of samples.
        folds: Rows of each fold.
        has_calls: Whether calls have a part; without, covariates and a constant alone.
    """
    n_samples = lesson.n_samples
    covariates = lesson.samples.covariates.double()
    empty = torch.zeros(n_samples, n_samples, dtype=torch.float64, device=covariates.device)
    similarity = inputs.similarity(lesson.samples) if has_calls else empty
    penalties = PENALTIES if has_calls else PENALTIES[:1]
    solutions = _path(lesson, target, similarity, penalties)
    parts = tuple(
        LinearPart(
            weights=inputs.transposed_sums(lesson.samples, solution.duals) if has_calls else None,
            effects=solution.effects,
            cuts=solution.cuts,
        )
        for solution in solutions
    )
    n_raw = parts[0].raw(target, inputs, lesson.samples.rows(torch.zeros(1, dtype=torch.long))).shape[1]
    crossed = [torch.full((n_samples, n_raw), torch.nan, dtype=torch.float64, device=covariates.device) for _ in penalties]
    for fold in folds:
        rest = np.setdiff1d(np.arange(n_samples), fold)
        outside = lesson.rows(rest, target)
        if not outside.has_contrast():
            continue
        for place, solution in enumerate(_path(outside, target, similarity[rest][:, rest], penalties)):
            crossed[place][fold] = solution.raw(target, similarity[fold][:, rest], covariates[fold])
    return LinearFit(parts=parts, crossed=tuple(crossed))


def _path(lesson: Lesson, target: NetworkTarget, similarity: torch.Tensor, penalties: Sequence[float]) -> list[_Solution]:
    """The least penalised loss, for one penalty after the other, by L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116)."""
    device, n_samples = similarity.device, lesson.n_samples
    covariates = lesson.samples.covariates.double()
    eye = torch.eye(n_samples, dtype=torch.float64, device=device)
    root = torch.linalg.cholesky(similarity + _JITTER * eye)
    cuts = target.first_cuts().to(device).requires_grad_()
    effects = torch.zeros(covariates.shape[1], target.n_scores, dtype=torch.float64, device=device, requires_grad=True)
    coordinates = torch.zeros(n_samples, target.n_scores, dtype=torch.float64, device=device, requires_grad=True)
    solutions = []
    for penalty in penalties:
        optimiser = torch.optim.LBFGS(
            [coordinates, effects, cuts],
            max_iter=_MOST_ITERATIONS,
            tolerance_grad=_GRADIENT,
            tolerance_change=_CHANGE,
            line_search_fn="strong_wolfe",
        )

        def closure(penalty: float = penalty, optimiser: torch.optim.Optimizer = optimiser) -> torch.Tensor:
            optimiser.zero_grad()
            raw = target.raw(cuts, root @ coordinates + covariates @ effects)
            penalised = penalty * coordinates.square().sum() + _WEAK * (effects.square().sum() + cuts.square().sum())
            loss = (lesson.weights * target.losses(raw, lesson.numbers)).mean() + penalised / (2 * n_samples)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        duals = torch.linalg.solve_triangular(root.T, coordinates.detach(), upper=True)
        solutions.append(_Solution(duals=duals, effects=effects.detach().clone(), cuts=cuts.detach().clone()))
    return solutions
