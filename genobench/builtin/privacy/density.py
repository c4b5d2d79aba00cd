"""Privacy by density: is a target where the generator puts more samples than the population has there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.builtin.privacy.attacks import RecordAttack, attack_specs
from genobench.statgen import nearest_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NEIGHBOURS: Final = 10
_PAIRS_PER_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class DensityRatio(RecordAttack):
    """An attacker who calls members those at whom synthetic samples stand denser than reference samples do.

    Threat model: the attacker has the synthetic samples, the target's genotype, and real samples of the population that were in no
    training set; here these are the holdout. The exposure is the logarithm of the ratio of two densities at the target, synthetic over
    reference. van Breugel B. et al. 2023. Membership inference attacks against synthetic data through overfitting detection (DOMIAS),
    equation 2. AISTATS, PMLR 206: 3493-3514. https://doi.org/10.48550/arXiv.2302.12580

    A density is the mean over samples of exp(-d / h), d the Manhattan distance: the kernel for ordered discrete values, lambda ** |x - y|
    at each variant. Li Q., Racine J. 2003. Journal of Multivariate Analysis 86: 266-292. https://doi.org/10.1016/S0047-259X(02)00025-8
    The width h that suits density estimates over thousands of variants leaves the nearest sample alone in the sum; so that about ten
    count, h is the median over targets of how much farther the tenth nearest reference sample is than the nearest, and at least 1.
    """

    scores = attack_specs("density_ratio", "the density of synthetic over that of reference samples around them")
    clues = ("manhattan",)
    reference_clues = ("manhattan",)

    def exposures(self, matrices: Sequence[NDArray[np.int32]]) -> tuple[Floats, Floats]:
        """Log density of synthetic samples less that of reference samples."""
        return log_density_ratios(*matrices)


def log_density_ratios(
    members: NDArray[np.int32], others: NDArray[np.int32], members_to_reference: NDArray[np.int32], others_to_reference: NDArray[np.int32]
) -> tuple[Floats, Floats]:
    """Logarithms of the ratio of the density of synthetic samples to that of reference samples, at members and at others.

    Args:
        members: Manhattan distances, shape (n_members, n_synthetic).
        others: Shape (n_others, n_synthetic).
        members_to_reference: Shape (n_members, n_reference).
        others_to_reference: Shape (n_others, n_reference).

    Returns:
        Shapes (n_members,) and (n_others,).
    """
    k = min(_NEIGHBOURS, members_to_reference.shape[1])
    nearest = np.concatenate([nearest_distances(members_to_reference, k), nearest_distances(others_to_reference, k)])
    width = max(1.0, float(np.median(nearest[:, -1] - nearest[:, 0])))
    pairs = ((members, members_to_reference), (others, others_to_reference))
    first, second = (log_density(synthetic, width) - log_density(reference, width) for synthetic, reference in pairs)
    return first, second


def log_density(distances: NDArray[np.int32], width: float) -> Floats:
    """Logarithm of the mean over columns of exp(-distance / width).

    Args:
        distances: Shape (n_targets, n_samples), at least one sample.
        width: Of the kernel, above zero.

    Returns:
        Shape (n_targets,), without the kernel's constant.
    """
    logs = np.empty(len(distances))
    step = max(1, _PAIRS_PER_PIECE // distances.shape[1])
    for start in range(0, len(distances), step):
        piece = distances[start : start + step]
        nearest = piece.min(axis=1)
        beyond = (nearest[:, None] - piece).astype(np.float32)
        beyond /= np.float32(width)
        # The nearest adds exactly 1, so the mean is never zero.
        logs[start : start + step] = np.log(np.exp(beyond, out=beyond).mean(axis=1, dtype=np.float64)) - nearest / width
    return logs
