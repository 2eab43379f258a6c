"""KL divergences: never negative, zero only for equals, infinite by definition, and clear errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.probability import kl_monte_carlo, kl_standard_normal, kl_uniform
from course_lib.probability.divergences import kl_normal
from tests.tolerances import FLOAT32

number = st.floats(-5, 5, width=32)


@settings(max_examples=60, deadline=None)
@given(number, number, number, number)
def test_kl_normal_is_never_negative(mean_q, log_sigma_q, mean_p, log_sigma_p):
    assert kl_normal(mean_q, log_sigma_q, mean_p, log_sigma_p) >= 0


@pytest.mark.parametrize("offset", np.logspace(-9, -1, 9))
def test_kl_normal_keeps_its_digits_for_nearly_equal_widths(offset):
    """½(e^{2r} − 1 − 2r) = r² + 2r³/3 + …; the unguarded float32 formula is wrong by all its digits here."""
    expected = 0.5 * (np.expm1(2 * offset) - 2 * offset) if offset > 1e-3 else offset**2 * (1 + 2 * offset / 3)
    got = kl_normal(0.0, offset, 0.0, 0.0)
    assert got >= 0
    # expm1(r) − r still cancels its leading digit: one float32 rounding of r remains.
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1.2e-7 * offset)


def test_kl_normal_has_finite_gradients_where_distributions_agree_and_where_they_do_not():
    for at in [(0.0, 0.0, 0.0, 0.0), (3.0, -10.0, -3.0, 10.0), (3.0, 10.0, -3.0, -10.0)]:
        assert np.isfinite(jax.grad(kl_normal, argnums=(0, 1, 2, 3))(*at)).all()
    np.testing.assert_array_equal(jax.grad(kl_standard_normal, argnums=(0, 1))(0.0, 0.0), (0.0, 0.0))


def test_kl_uniform_is_the_log_of_the_width_ratio_or_infinite():
    np.testing.assert_allclose(kl_uniform(0.0, 1.0, -1.0, 3.0), np.log(4.0), **FLOAT32)
    np.testing.assert_array_equal(
        kl_uniform(np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.5, 2.0]), 0.0, 1.0), [0.0, np.inf, np.inf]
    )


@pytest.mark.parametrize("interval", [(1.0, 1.0, 0.0, 2.0), (0.0, 1.0, 2.0, 0.0)])
def test_kl_uniform_refuses_an_empty_interval(interval):
    with pytest.raises(ValueError, match="low must be less than high"):
        kl_uniform(*interval)


def test_kl_uniform_gradient_is_finite_outside_the_support():
    assert np.isfinite(jax.grad(kl_uniform, argnums=(0, 1))(-1.0, 2.0, 0.0, 1.0)).all()


def test_kl_monte_carlo_needs_two_samples():
    with pytest.raises(ValueError, match="at least 2"):
        kl_monte_carlo(jnp.zeros(1), jnp.zeros(1))
