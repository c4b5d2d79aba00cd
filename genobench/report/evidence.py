"""What the panels of a report are drawn from: a comparison of moderate size, and draws of real samples for its bands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.answers import Answers
from genobench.comparing import limited, masked, matched
from genobench.contracts import Pairwise
from genobench.registry import Registry
from genobench.report.association import STUDY, studies
from genobench.splitting.drawing import draw_whole_groups
from genobench.statgen import filled_positions_bp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from genobench.builtin.association.agreement import Agreement
    from genobench.contracts import Comparison, Measure, Part
    from genobench.genotypes import Genotypes

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

MOST_SAMPLES: Final = 2_000
"""Samples of each part that a report is drawn from; of a larger part so many are drawn, with the seed of the scores."""

N_DRAWS: Final = 20
"""Draws of real samples behind the bands of curves and distributions; those of the scores have a hundred."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Parts of a comparison as a report shows them.

    Args:
        comparison: At most `MOST_SAMPLES` samples of each part.
        fair: The same, with as many synthetic samples as the reference has and the same calls missing.
        reference_name: `holdout`, or `train` where nobody has a holdout.
        draws: Rows of train that stand for synthetic samples; none where train is the reference.
        answers: Matrices over pairs of samples, each computed once.
        studied: What the metric `gwas` is shown.
        seed: That of the scores.
    """

    comparison: Comparison
    fair: Comparison
    reference_name: Part
    draws: tuple[Rows, ...]
    answers: Answers
    studied: Comparison
    seed: int

    @classmethod
    def of(cls, comparison: Comparison, *, seed: int, has_families: bool) -> Evidence:
        """Make the evidence of a comparison of any size.

        Args:
            comparison: Its holdout and its nonmembers may be empty.
            seed: Of subsampling and draws.
            has_families: Whether whole groups are drawn, as the split kept them.
        """
        small = limited(comparison, seed=seed, most_samples=MOST_SAMPLES)
        answers = Answers(Registry(()), small.train)
        studied = limited(comparison, seed=seed, most_samples=STUDY.most_samples)
        if not small.holdout.n_samples:
            return cls(comparison=small, fair=small, reference_name="train", draws=(), answers=answers, studied=studied, seed=seed)
        studied = matched(studied, seed=seed)
        fair = masked(matched(small, seed=seed), seed=seed)
        n_train, n_drawn = small.train.n_samples, min(small.train.n_samples, fair.synthetic.n_samples)
        units = small.groups.get("train", np.arange(n_train)) if has_families else np.arange(n_train)
        generator = np.random.default_rng(seed)
        draws = tuple(draw_whole_groups(units, n_drawn, generator) for _ in range(N_DRAWS))
        return cls(comparison=small, fair=fair, reference_name="holdout", draws=draws, answers=answers, studied=studied, seed=seed)

    @property
    def reference(self) -> Genotypes:
        """What synthetic samples are compared with."""
        return self.fair.part(self.reference_name)

    @property
    def synthetic(self) -> Genotypes:
        """As many synthetic samples as the reference has, where it has fewer."""
        return self.fair.synthetic

    @property
    def chromosomes(self) -> NDArray[Any]:
        """Of each variant, shape (n_variants,)."""
        names: NDArray[Any] = self.reference.variants["chromosome"].to_numpy(dtype=object)
        return names

    @property
    def positions_bp(self) -> Floats:
        """Of each variant, shape (n_variants,), NaN where not known; read off the genetic map where there is a whole one."""
        table = self.reference.variants
        centimorgans = table["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan) if "position_cm" in table else None
        return filled_positions_bp(
            chromosomes=self.chromosomes,
            positions_bp=table["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan),
            positions_cm=centimorgans,
        )

    @cached_property
    def association(self) -> Agreement | str:
        """The association studies that the metric `gwas` compares, or why there are none."""
        return studies(self.studied, seed=self.seed)

    def matrix(self, queries: Part, references: Part, measure: Measure = "manhattan") -> NDArray[Any]:
        """A measure between all samples of two parts, synthetic ones as fidelity sees them."""
        answer: NDArray[Any] = self.answers.answer(Pairwise(queries, references, measure), self.fair)
        return answer

    def attacked(self, part: Part) -> Floats:
        """Distance of each sample of a part to its nearest synthetic sample, of all that there are, shape (n_samples,)."""
        distances: NDArray[np.int32] = self.answers.answer(Pairwise(part, "synthetic"), self.comparison)
        nearest: Floats = distances.min(axis=1).astype(np.float64)
        return nearest

    def per_sample(self, statistic: Callable[[Genotypes], Floats]) -> tuple[Floats, Floats, list[Floats]]:
        """A statistic of single samples: of the reference, of synthetic samples, and of each real draw."""
        of_train = statistic(self.comparison.train) if self.draws else np.zeros(0)
        return statistic(self.reference), statistic(self.synthetic), [of_train[rows] for rows in self.draws]

    def drawn(self) -> Iterator[Genotypes]:
        """The real draws, one by one."""
        return (self.comparison.train.take_samples(rows) for rows in self.draws)
