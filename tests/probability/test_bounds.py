"""Bounds, effective sample size and units in cases that can be worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.probability import bits_per_dim, effective_sample_size, elbo, iwae_bound, nats_to_bits
from tests.tolerances import FLOAT32


def test_elbo_and_iwae_bound_of_two_weights():
    log_joint, log_q = jnp.log(jnp.array([0.2, 0.6])), jnp.log(jnp.array([0.4, 0.4]))
    np.testing.assert_allclose(elbo(log_joint, log_q), 0.5 * np.log(0.5 * 1.5), **FLOAT32)
    np.testing.assert_allclose(iwae_bound(log_joint, log_q), np.log(1.0), **FLOAT32)


@pytest.mark.parametrize("axis", [0, 1])
def test_bounds_reduce_the_chosen_axis(axis):
    log_joint = jnp.arange(6.0).reshape(2, 3)
    for bound in (elbo, iwae_bound):
        assert bound(log_joint, jnp.zeros((2, 3)), axis=axis).shape == (3, 2)[axis : axis + 1]


def test_iwae_bound_of_one_sample_is_the_elbo():
    log_joint, log_q = jnp.array([[-3.0, 2.0]]), jnp.array([[1.0, 0.5]])
    np.testing.assert_array_equal(iwae_bound(log_joint, log_q), elbo(log_joint, log_q))


def test_iwae_bound_stays_finite_for_tiny_weights():
    np.testing.assert_allclose(iwae_bound(jnp.full(8, -1e4), jnp.zeros(8)), -1e4, **FLOAT32)


@pytest.mark.parametrize(
    ("weights", "expected"), [([1, 1, 1, 1], 4), ([1, 0, 0, 0], 1), ([3, 1, 0, 0], 1.6), ([0, 0, 0, 0], 0)]
)
def test_effective_sample_size_by_hand(weights, expected):
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.array(weights, dtype=np.float32))
    np.testing.assert_allclose(effective_sample_size(log_weights), expected, **FLOAT32)
    # the common scale of the weights cancels; 500 nats apart rounds the logs to a ten-thousandth
    np.testing.assert_allclose(effective_sample_size(log_weights - 500), expected, rtol=3e-4)


def test_effective_sample_size_has_finite_gradients():
    assert np.isfinite(jax.grad(effective_sample_size)(jnp.array([0.0, -1.0, -200.0]))).all()


def test_units():
    np.testing.assert_allclose(nats_to_bits(np.log(8)), 3.0, **FLOAT32)
    np.testing.assert_allclose(bits_per_dim(np.log(2.0) * np.ones(3) * 784, 784), np.ones(3), **FLOAT32)
    with pytest.raises(ValueError, match="num_dims"):
        bits_per_dim(1.0, 0)
