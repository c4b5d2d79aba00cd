"""What a report is drawn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.distance import cdist

from genobench.calls import MISSING
from genobench.report.evidence import N_DRAWS, Evidence
from genobench.statgen import Imputer, sample_heterozygosity


def test_evidence__without_a_holdout_compares_with_train_and_has_no_band(shown):
    nobody = shown.holdout.take_samples(np.zeros(0, dtype=np.intp))
    evidence = Evidence.of(replace(shown, holdout=nobody), seed=0, has_families=False)
    assert evidence.reference is shown.train
    assert (evidence.reference_name, evidence.draws) == ("train", ())


def test_evidence__draws_as_many_real_samples_as_there_are_synthetic_ones(evidence):
    assert len(evidence.draws) == N_DRAWS
    assert {len(rows) for rows in evidence.draws} == {48}
    assert all(len(set(rows.tolist())) == 48 for rows in evidence.draws)


def test_evidence__synthetic_samples_have_the_holdouts_missing_calls(evidence, shown):
    is_missing = [(part.to_array() == MISSING).mean() for part in (evidence.synthetic, shown.holdout)]
    assert is_missing[0] == is_missing[1] > 0


def test_attacked__is_the_distance_to_the_nearest_of_all_synthetic_samples(evidence, shown):
    imputer = Imputer.fit(shown.train.to_array())
    distances = cdist(imputer.complete(shown.nonmembers.to_array()), shown.synthetic.to_array(), "cityblock")
    assert evidence.attacked("nonmembers").tolist() == distances.min(axis=1).tolist()


def test_per_sample__draws_are_rows_of_train(evidence, shown):
    _, _, draws = evidence.per_sample(lambda part: sample_heterozygosity(part.calls))
    of_train = sample_heterozygosity(shown.train.calls)
    assert all(set(values.tolist()) <= set(of_train.tolist()) for values in draws)
