"""Distributions over grey levels against float64 definitions: sums, tails, underflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from course_lib.distributions import (
    Bernoulli,
    Categorical,
    Logistic,
    LogisticMixture,
    discretized_logistic_mixture_log_prob,
)
from tests.tolerances import FLOAT32


def by_definition(level, parameters, levels):
    """Differences of distribution functions in float64; the first and the last level get the tails."""
    logits, mean, log_scale = np.split(np.asarray(parameters, float), 3)
    weights, scale = np.exp(logits) / np.exp(logits).sum(), np.exp(np.maximum(log_scale, -7))
    v, half = 2 * level / (levels - 1) - 1, 1 / (levels - 1)
    upper = 1.0 if level == levels - 1 else stats.logistic.cdf(v + half, mean, scale)
    lower = 0.0 if level == 0 else stats.logistic.cdf(v - half, mean, scale)
    return float((weights * (upper - lower)).sum())


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("seed", range(4))
def test_mixture_against_the_definition_and_total_one(levels, seed):
    parameters = np.random.default_rng(seed).normal(size=9) * [1, 1, 1, 0.7, 0.7, 0.7, 0.5, 0.5, 0.5] - np.repeat(
        [0, 0, 1.5], 3
    )
    likelihood = LogisticMixture(levels, 3)
    log_p = likelihood.level_log_probs(jnp.asarray(parameters))
    expected = [by_definition(level, parameters, levels) for level in range(levels)]
    np.testing.assert_allclose(np.exp(log_p), expected, rtol=1e-4, atol=1e-6)  # z of up to 10² scales in float32
    assert abs(float(jnp.exp(log_p).sum()) - 1) < 1e-5
    x = np.arange(levels) / (levels - 1)
    each = likelihood.log_prob(x, jnp.broadcast_to(jnp.asarray(parameters), (levels, 9)))
    np.testing.assert_allclose(each, log_p, **FLOAT32)


def test_without_the_tails_the_levels_do_not_sum_to_one():
    parameters = np.array([0.0, 0.9, -1.0])
    v, half, scale = 2 * np.arange(17) / 16 - 1, 1 / 16, np.exp(-1.0)
    assert (expit((v + half - 0.9) / scale) - expit((v - half - 0.9) / scale)).sum() < 0.9
    total = jnp.exp(LogisticMixture(17, 1).level_log_probs(jnp.asarray(parameters))).sum()
    np.testing.assert_allclose(total, 1, **FLOAT32)


def test_far_from_the_mean_value_and_gradient_stay_finite_and_right():
    """50 to 1000 scales away the difference of two float32 sigmoids is 0; its logarithm is −(distance) + constant."""
    for log_scale, level in [(-4.6, 190), (-7.0, 250), (-20.0, 3)]:
        parameters = jnp.array([0.0, 0.0, log_scale])
        value, gradient = jax.value_and_grad(lambda p, n=level: discretized_logistic_mixture_log_prob(n, p, 256))(
            parameters
        )
        scale, v, half = np.exp(max(log_scale, -7.0)), abs(2 * level / 255 - 1), 1 / 255
        expected = -(v - half) / scale + np.log(-np.expm1(-2 * half / scale))
        np.testing.assert_allclose(value, expected, rtol=1e-4)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(4), LogisticMixture(4, 2), Logistic(4)])
def test_levels_and_pixels_agree(likelihood):
    parameters = jax.random.normal(jax.random.key(0), (2, 3, likelihood.num_parameters))
    log_p = likelihood.level_log_probs(parameters)
    assert log_p.shape == (2, 3, likelihood.levels)
    np.testing.assert_allclose(jnp.exp(log_p).sum(axis=-1), 1, **FLOAT32)
    for level in range(likelihood.levels):
        x = np.full((2, 3), level / (likelihood.levels - 1))
        np.testing.assert_allclose(likelihood.log_prob(x, parameters), log_p[..., level], **FLOAT32)


@pytest.mark.parametrize("likelihood", [Categorical(17), LogisticMixture(17), Logistic(17)])
@pytest.mark.parametrize("x", [np.array([0.5, 0.51]), np.array([-1 / 16]), np.array([17 / 16]), np.array([255.0])])
def test_values_between_levels_are_named(likelihood, x):
    with pytest.raises(ValueError, match="expected 17 grey levels"):
        likelihood.log_prob(x, jnp.zeros((len(x), likelihood.num_parameters)))


def test_errors():
    with pytest.raises(ValueError, match="NaN"):
        Categorical(3).log_prob(np.array([np.nan]), jnp.zeros((1, 3)))
    with pytest.raises(ValueError, match="levels is 1; expected a whole number of at least 2"):
        Categorical(1).log_prob(np.zeros(1), jnp.zeros((1, 1)))
