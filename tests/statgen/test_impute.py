"""The imputer, against scikit-learn's most-frequent imputer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from genobench import MISSING, GenotypesError
from genobench.statgen import Imputer


def test_imputer__agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    train, other = (rng.integers(-1, 3, size=(n, 60)).astype(np.int8) for n in (31, 12))
    peer = SimpleImputer(missing_values=MISSING, strategy="most_frequent").fit(train)
    np.testing.assert_array_equal(Imputer.fit(train).complete(other), peer.transform(other))


def test_imputer__gives_zero_where_training_has_no_call():
    train = np.array([[MISSING, 2], [MISSING, 2]], dtype=np.int8)
    completed = Imputer.fit(train).complete(np.full((1, 2), MISSING, dtype=np.int8))
    assert completed.tolist() == [[0, 2]]
    assert completed.dtype == np.int8


def test_imputer__leaves_the_calls_it_is_given_alone():
    calls = np.array([[MISSING, 1]], dtype=np.int8)
    Imputer(fill=np.array([2, 2], dtype=np.int8)).complete(calls)
    assert calls.tolist() == [[MISSING, 1]]


def test_imputer__refuses_other_variants():
    imputer = Imputer.fit(np.zeros((2, 3), dtype=np.int8))
    with pytest.raises(GenotypesError, match="calls have 4 variants but the imputer was fitted on 3"):
        imputer.complete(np.zeros((2, 4), dtype=np.int8))
