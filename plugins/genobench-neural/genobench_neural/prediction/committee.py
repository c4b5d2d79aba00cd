"""A committee of small networks, each trained on what the linear part leaves and stopped by samples that it does not see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import torch

from genobench_neural.batches import RowOrder
from genobench_neural.optimising import adam
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from genobench import FitContext
    from genobench_neural.prediction.inputs import Samples
    from genobench_neural.prediction.linear_part import Lesson
    from genobench_neural.prediction.targets import NetworkTarget

_ROWS_PER_CHUNK: Final = 512
_SHARES: Final = tuple(tenth / 10 for tenth in range(11))


class Settings(Protocol):
    """What training is told."""

    @property
    def max_epochs(self) -> int:
        """The most often that a sample is seen."""
        ...

    @property
    def patience(self) -> int:
        """Epochs without progress after which training stops."""
        ...

    @property
    def batch_size(self) -> int:
        """Samples a batch."""
        ...

    @property
    def learning_rate(self) -> float:
        """Of Adam."""
        ...

    @property
    def weight_decay(self) -> float:
        """Decoupled from the gradient."""
        ...


@dataclass(frozen=True, eq=False)
class Course:
    """What one network is trained on and judged by.

    Args:
        train: Samples to learn from.
        train_raw: What the linear part says of them, fitted without their fold, shape (n_samples, n_raw).
        judge: Samples that say when to stop.
        judge_raw: What the linear part says of these, fitted without them.
    """

    train: Lesson
    train_raw: torch.Tensor
    judge: Lesson
    judge_raw: torch.Tensor


class MemberTask(StatefulTask):
    """The training of one network.

    Args:
        network: Maps samples to scores.
        course: What it learns.
        target: The trait.
        settings: How it learns.
        random: Draws batches and dropout.
    """

    def __init__(self, network: nn.Module, course: Course, target: NetworkTarget, settings: Settings, random: torch.Generator) -> None:
        self.network, self._course, self._target = network, course, target
        self._optimiser = adam(network.parameters(), learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
        self._rows = RowOrder(course.train.n_samples, min(settings.batch_size, course.train.n_samples), random)
        self.parts = {"network": network, "optimiser": self._optimiser, "random": random, "rows": self._rows}

    def step(self, index: int) -> Mapping[str, torch.Tensor]:
        """Make an update."""
        del index
        lesson, rows = self._course.train, next(self._rows)
        self.network.train()
        raw = self._course.train_raw[rows] + self.network(lesson.samples.rows(rows))
        loss = (lesson.weights[rows] * self._target.losses(raw, lesson.numbers[rows])).mean()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return {"loss": loss.detach()}

    def validation_loss(self) -> float:
        """Of the samples that judge."""
        scores = scores_of(self.network, self._course.judge.samples)
        return self._course.judge.loss(self._target, self._course.judge_raw + scores)


@dataclass(frozen=True, eq=False)
class Committee:
    """Networks whose mean is added to the linear part.

    Args:
        networks: In float64, in memory of the host; none where they say nothing.
        share: Of the mean that is added.
    """

    networks: tuple[nn.Module, ...]
    share: float

    def scores(self, samples: Samples) -> torch.Tensor | float:
        """Shape (n_samples, n_scores); 0 where there is no network."""
        if not self.networks:
            return 0.0
        return self.share * torch.stack([scores_of(network, samples) for network in self.networks]).mean(dim=0)


def train_committee(
    courses: Sequence[Course],
    build: Callable[[torch.Generator], nn.Module],
    target: NetworkTarget,
    settings: Settings,
    context: FitContext,
    *,
    identity: str,
) -> Committee:
    """Train a network in each course, and find out which share of them helps.

    A network is kept as it was when its judges' loss was least. Over all that judge, the share of the networks' scores is chosen from 0 to
    1 in tenths with the least loss, and none is added unless that helps by more than one standard error (the rule of Breiman et al. 1984,
    Classification and Regression Trees, section 3.4.3).

    Args:
        courses: One for each network; the judges are either the same in all, or different samples.
        build: A network with weights drawn from a generator, on its device.
        target: The trait.
        settings: How networks are trained.
        context: Of the fit.
        identity: Of the fit.
    """
    networks = []
    for number, course in enumerate(courses):
        random = torch.Generator(course.train.numbers.device).manual_seed(context.seed * len(courses) + number)
        task = MemberTask(build(random), course, target, settings, random)
        per_epoch = math.ceil(course.train.n_samples / min(settings.batch_size, course.train.n_samples))
        n_steps = settings.max_epochs * per_epoch
        run(
            task,
            n_steps,
            context,
            identity=f"{identity} {number}",
            check_every=per_epoch,
            patience=settings.patience,
            batch_size=settings.batch_size,
            stage=f"network-{number}",
            steps_before=number * n_steps,
            steps_after=(len(courses) - number - 1) * n_steps,
        )
        networks.append(task.network)
    share = _best_share(courses, networks, target)
    # In float64 a sample's score does not hang on what stands beside it in a batch.
    kept = tuple(network.to("cpu").double() for network in networks) if share else ()
    return Committee(networks=kept, share=share)


def scores_of(network: nn.Module, samples: Samples) -> torch.Tensor:
    """What a network says, float64, shape (n_samples, n_scores)."""
    network.eval()
    n_samples = len(samples.calls)
    with torch.no_grad():
        chunks = [torch.arange(start, min(start + _ROWS_PER_CHUNK, n_samples)) for start in range(0, n_samples, _ROWS_PER_CHUNK)]
        return torch.cat([network(samples.rows(rows)).double() for rows in chunks])


def _best_share(courses: Sequence[Course], networks: Sequence[nn.Module], target: NetworkTarget) -> float:
    """The share with the least loss; 0 unless what it gains over none is more than its standard error."""
    said = [scores_of(network, course.judge.samples) for network, course in zip(networks, courses, strict=True)]
    if all(course.judge is courses[0].judge for course in courses):
        courses, said = courses[:1], [torch.stack(said).mean(dim=0)]
    numbers = torch.cat([course.judge.numbers for course in courses])
    weights = torch.cat([course.judge.weights for course in courses])
    raw, scores = torch.cat([course.judge_raw for course in courses]), torch.cat(said)
    losses = [weights * target.losses(raw + share * scores, numbers) for share in _SHARES]
    best = min(range(len(_SHARES)), key=lambda place: float(losses[place].sum()))
    gain = losses[0] - losses[best]
    return _SHARES[best] if float(gain.mean()) > float(gain.std()) / len(gain) ** 0.5 else 0.0
