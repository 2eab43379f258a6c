"""Densities: gradients at the extremes, broadcasting, and clear errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.probability import (
    bernoulli_log_prob,
    categorical_log_prob,
    normal_log_prob,
    standard_normal_log_prob,
)
from tests.tolerances import FLOAT32

EXTREMES = [-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4]


@pytest.mark.parametrize("logit", EXTREMES)
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_bernoulli_value_and_gradient_are_finite_at_extreme_logits(x, logit):
    value, gradient = jax.value_and_grad(bernoulli_log_prob, argnums=1)(x, logit)
    assert np.isfinite(value)
    assert value <= 0
    np.testing.assert_allclose(gradient, x - jax.nn.sigmoid(logit), **FLOAT32)


def test_bernoulli_through_probabilities_would_have_failed():
    """The negative control: the same formula on rounded probabilities gives infinity where ours gives 100 nats."""
    p = jax.nn.sigmoid(jnp.float32(100.0))
    assert np.isneginf(jnp.log(1 - p))
    np.testing.assert_allclose(bernoulli_log_prob(0.0, 100.0), -100.0, **FLOAT32)


@pytest.mark.parametrize("log_sigma", [-40.0, 0.0, 40.0])
def test_normal_value_and_gradients_are_finite_at_extreme_widths(log_sigma):
    value, gradients = jax.value_and_grad(normal_log_prob, argnums=(0, 1, 2))(1.0, 0.0, log_sigma)
    assert np.isfinite(value)
    assert np.isfinite(gradients).all()


def test_standard_normal_sums_the_last_axis_only():
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2) / 10
    expected = normal_log_prob(x, 0.0, 0.0)
    np.testing.assert_allclose(standard_normal_log_prob(x), expected[..., 0] + expected[..., 1], **FLOAT32)


def test_categorical_broadcasts_one_set_of_logits_over_many_classes():
    logits = jnp.array([0.0, jnp.log(2.0), jnp.log(5.0)])
    got = categorical_log_prob(np.array([[0, 1], [2, 2]]), logits)
    np.testing.assert_allclose(jnp.exp(got), [[1 / 8, 2 / 8], [5 / 8, 5 / 8]], **FLOAT32)


def test_categorical_forbidden_class_has_log_probability_minus_infinity():
    logits = jnp.array([0.0, -jnp.inf])
    np.testing.assert_array_equal(categorical_log_prob(np.array([0, 1]), logits), [0.0, -np.inf])


@pytest.mark.parametrize("x", [np.array([0, 3]), np.array([-1, 0])])
def test_categorical_refuses_a_class_that_does_not_exist(x):
    with pytest.raises(ValueError, match="x has values from .* expected 0 to 2"):
        categorical_log_prob(x, jnp.zeros((2, 3)))


def test_categorical_refuses_floats():
    with pytest.raises(ValueError, match="x has dtype float32; expected integers"):
        categorical_log_prob(np.array([0.0, 1.0]), jnp.zeros((2, 3)))


def test_densities_work_under_jit_and_vmap():
    x, logits = jnp.array([0, 2]), jnp.arange(6.0).reshape(2, 3)
    batched = categorical_log_prob(x, logits)
    np.testing.assert_allclose(jax.jit(jax.vmap(categorical_log_prob))(x, logits), batched, **FLOAT32)
