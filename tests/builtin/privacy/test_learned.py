"""The learned attack: its regression against scikit-learn, and that nobody is judged by a model that saw them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from genobench.builtin.privacy.learned import _cross_fitted, _folds, _logistic_weights
from genobench.statgen import auc_with_interval


def _clues(*, n_members: int = 200, n_others: int = 60, shift: float = 0.0, seed: int = 1):
    rng = np.random.default_rng(seed)
    is_member = np.arange(n_members + n_others) < n_members
    clues = rng.normal(size=(len(is_member), 6))
    clues[:, 0] += shift * is_member
    return clues, is_member


@pytest.mark.parametrize("shift", [0.0, 1.0, 30.0])
def test_weights__agree_with_scikit_learn(shift):
    clues, is_member = _clues(shift=shift)
    model = LogisticRegression(class_weight="balanced", max_iter=10_000, tol=1e-10).fit(clues, is_member)
    np.testing.assert_allclose(_logistic_weights(clues, is_member), model.coef_[0], atol=2e-5)


def test_weights__of_a_clue_that_is_the_same_for_all_are_zero():
    clues, is_member = _clues()
    clues[:, 3] = 0.0
    assert _logistic_weights(clues, is_member)[3] == 0


def test_exposures__without_anything_to_learn_are_at_chance():
    """150 draws: the mean AUC is 0.5, and DeLong's interval, wider by the square root of 2, holds it 19 times in 20, not the narrow one."""
    aucs, narrow, wide = [], 0, 0
    for seed in range(150):
        clues, is_member = _clues(seed=seed)
        exposures = _cross_fitted(clues, is_member, _folds(is_member, None, seed))
        auc, (low, high) = auc_with_interval(exposures[is_member], exposures[~is_member])
        half = (high - low) / 2
        aucs.append(auc)
        narrow += abs(auc - 0.5) <= half
        wide += abs(auc - 0.5) <= half * 2**0.5
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 * np.std(aucs) / np.sqrt(150))
    assert wide / 150 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 150))
    assert narrow < wide


def test_exposures__find_what_one_clue_tells():
    """Two normal groups apart by 1 have an AUC of Phi(1 / sqrt 2) = .76; five clues of noise beside it cost little."""
    clues, is_member = _clues(n_members=2000, n_others=600, shift=1.0)
    exposures = _cross_fitted(clues, is_member, _folds(is_member, None, 1))
    assert auc_with_interval(exposures[is_member], exposures[~is_member])[0] == pytest.approx(0.76, abs=4 * 0.011)


def test_folds__keep_families_whole():
    is_member = np.arange(300) % 3 < 2
    families = np.arange(300) // 6
    folds = _folds(is_member, families, 1)
    assert all(len(np.unique(folds[families == family])) == 1 for family in range(50))
    assert len(np.unique(folds)) == 5


def test_folds__of_few_families_have_their_share_of_both_kinds():
    is_member = np.arange(120) < 90
    for families in (np.arange(120) // 60, None, np.arange(120) // 15):
        folds = _folds(is_member, families, 1)
        assert np.bincount(folds[~is_member]).tolist() == [6] * 5
