"""Privacy by nearest distance, set against how near anybody comes: a target in a dense region is near to everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genobench.builtin.privacy.attacks import RecordAttack, attack_specs
from genobench.statgen import nearest_distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class CalibratedDistance(RecordAttack):
    """An attacker who calls members those whose nearest synthetic sample is nearer than a reference sample is wont to be.

    Threat model: the attacker has the synthetic samples, the target's genotype, and real samples of the population that were in no
    training set; here these are the holdout. The exposure is the distance to the nearest reference sample less that to the nearest
    synthetic one. Chen D. et al. 2020. GAN-Leaks: a taxonomy of membership inference attacks against generative models, attack calibration
    (section 4.3). ACM CCS: 343-362. https://doi.org/10.1145/3372297.3417238
    """

    scores = attack_specs("calibrated", "the distance to the nearest synthetic sample against that to the nearest reference sample")
    clues = ("manhattan",)
    reference_clues = ("manhattan",)

    def exposures(self, matrices: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How much nearer the nearest synthetic sample is than the nearest reference sample."""
        members, others, members_to_reference, others_to_reference = (nearest_distance(matrix).astype(np.float64) for matrix in matrices)
        return members_to_reference - members, others_to_reference - others
