"""Privacy accounting against closed forms, and against what another accountant says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from genobench import SettingsError
from genobench_neural.private.accounting import (
    PrivacyBudget,
    check_epsilon,
    gaussian_delta,
    gaussian_mu,
    noise_of_budget,
    sampled_gaussian_epsilon,
)


@pytest.mark.parametrize(
    ("noise", "batch", "epochs", "expected"),
    [(1.3, 256, 15, 0.95443), (1.1, 256, 60, 2.59656), (1.3, 250, 15, 0.94220), (1.1, 250, 60, 2.56172)],
)
def test_sampled_gaussian_epsilon__is_that_of_opacus(noise: float, batch: int, epochs: int, expected: float) -> None:
    """opacus 1.6.0, RDPAccountant, 60,000 samples (the MNIST tutorials), delta 1e-5; its orders lie closer between 1 and 11."""
    epsilon = sampled_gaussian_epsilon(noise=noise, rate=batch / 60_000, n_steps=int(epochs * 60_000 / batch), delta=1e-5)
    assert epsilon == pytest.approx(expected, rel=1e-3)
    assert epsilon >= expected - 1e-5


def test_sampled_gaussian_epsilon__is_no_less_than_the_exact_one_of_whole_batches() -> None:
    """Of whole batches the exact value is known: that of one Gaussian release with mu = sqrt(n_steps) / noise."""
    for noise, n_steps in ((5.0, 25), (2.0, 10), (40.0, 1000)):
        epsilon = sampled_gaussian_epsilon(noise=noise, rate=1.0, n_steps=n_steps, delta=1e-4)
        assert gaussian_delta(epsilon, math.sqrt(n_steps) / noise) <= 1e-4
        assert gaussian_delta(0.8 * epsilon, math.sqrt(n_steps) / noise) > 1e-4


def test_gaussian_delta__is_the_largest_excess_of_one_normal_over_another() -> None:
    """The hockey-stick divergence of N(mu, 1) and N(0, 1), by summing it up."""
    mu, epsilon = 1.3, 0.9
    x = np.linspace(-15, 15, 300_001)
    excess = np.maximum(norm.pdf(x - mu) - math.exp(epsilon) * norm.pdf(x), 0).sum() * (x[1] - x[0])
    assert gaussian_delta(epsilon, mu) == pytest.approx(excess, rel=1e-4)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0, 10.0, 100.0])
def test_gaussian_mu__spends_the_whole_budget_and_no_more(epsilon: float) -> None:
    budget = PrivacyBudget(epsilon=epsilon, delta=1e-4)
    assert 0.999e-4 < gaussian_delta(epsilon, gaussian_mu(budget)) <= 1e-4


@pytest.mark.parametrize(("rate", "n_steps"), [(1.0, 1), (0.25, 60), (0.01, 1000)])
def test_noise_of_budget__reaches_the_epsilon_and_no_more(rate: float, n_steps: int) -> None:
    budget = PrivacyBudget(epsilon=2.0, delta=1e-4)
    noise = noise_of_budget(budget, rate=rate, n_steps=n_steps)
    assert 1.99 < sampled_gaussian_epsilon(noise=noise, rate=rate, n_steps=n_steps, delta=1e-4) <= 2.0


def test_noise_of_budget__says_that_a_budget_cannot_be_kept() -> None:
    with pytest.raises(SettingsError, match="No noise reaches epsilon 1e-06"):
        noise_of_budget(PrivacyBudget(epsilon=1e-6, delta=1e-4), rate=1.0, n_steps=10)


def test_budget__delta_is_below_one_over_the_number_of_samples() -> None:
    assert PrivacyBudget.of_samples(1.0, 1000).delta == pytest.approx(1000**-1.1)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-4, 1e3, 1e6])
@pytest.mark.parametrize("n_samples", [2, 93_484, 1_000_000_000])
def test_gaussian_mu__is_found_for_all_epsilons_that_are_taken(epsilon: float, n_samples: int) -> None:
    check_epsilon(epsilon)
    budget = PrivacyBudget.of_samples(epsilon, n_samples)
    assert gaussian_delta(epsilon, gaussian_mu(budget)) == pytest.approx(budget.delta, rel=1e-3)


def test_gaussian_mu__at_an_epsilon_of_nothing_is_that_of_the_total_variation() -> None:
    """At epsilon 0, delta is 2 Phi(mu / 2) - 1, the total variation between two normal distributions mu apart."""
    budget = PrivacyBudget(epsilon=1e-15, delta=1e-6)
    assert gaussian_mu(budget) == pytest.approx(2 * norm.ppf(0.5 + 0.5e-6), rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan])
def test_check_epsilon__refuses_what_is_none(epsilon: float) -> None:
    with pytest.raises(SettingsError, match=rf"^epsilon is {epsilon}; it must be above 0\. The smaller it is, the less is revealed"):
        check_epsilon(epsilon)


@pytest.mark.parametrize("epsilon", [1e12, math.inf])
def test_check_epsilon__refuses_what_guarantees_nothing(epsilon: float) -> None:
    with pytest.raises(SettingsError, match=r"^epsilon is (1000000000000\.0|inf); it must be at most 1,000,000\. Far less than that"):
        check_epsilon(epsilon)
