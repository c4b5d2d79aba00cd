"""Coordinates of calls: against the singular value decomposition of all variants at once."""

from __future__ import annotations

import numpy as np
import pytest

from genobench.builtin.linear.call_span import CallScale, CallSpan


@pytest.mark.parametrize("variants", [np.arange(300), np.arange(10, 40)], ids=["more variants than samples", "fewer"])
def test_span__has_the_singular_values_of_standardised_calls(variants, train, standardised):
    train = train.take_variants(variants)
    x, _ = standardised(train, train)
    roots = np.linalg.svd(x, compute_uv=False)
    span = CallSpan.fit(train)
    np.testing.assert_allclose(np.sort(span.roots)[::-1], roots[: len(span.roots)], rtol=1e-4)
    np.testing.assert_allclose(span.coordinates @ span.coordinates.T, x @ x.T, atol=1e-5)
    np.testing.assert_allclose(span.vectors.T @ span.vectors, np.eye(len(span.roots)), atol=1e-5)


@pytest.mark.parametrize("variants", [np.arange(300), np.arange(10, 40)], ids=["more variants than samples", "fewer"])
def test_span__weights_of_variants_say_what_weights_of_axes_say(variants, halves):
    train, others = (part.take_variants(variants) for part in halves)
    span = CallSpan.fit(train)
    weights = np.random.default_rng(1).normal(size=(len(span.roots), 2))
    predicted = span.scale.times(others, span.variant_weights(weights))
    np.testing.assert_allclose(predicted, span.coordinates_of(others) @ weights, atol=1e-4 * np.abs(predicted).max())


def test_scale__standardised_calls_are_those_that_are_multiplied(halves, standardised):
    train, others = halves
    scale = CallScale.fit(train)
    _, expected = standardised(train, others)
    np.testing.assert_allclose(scale.standardised(others, scale.varying), expected, atol=1e-6)
    np.testing.assert_allclose(scale.products(others, train), expected @ standardised(train, train)[0].T, atol=1e-5)
