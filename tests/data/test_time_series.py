"""Errors and shapes of the autoregressive series."""

import jax
import numpy as np
import pytest

from course_lib.data import ar_process


def test_length_key_and_scale():
    series = ar_process(jax.random.key(0), [0.5, 0.3], 50)
    assert series.shape == (50,)
    assert np.array_equal(series, ar_process(jax.random.key(0), np.array([0.5, 0.3]), 50))
    wide = ar_process(jax.random.key(0), [0.5, 0.3], 50, sigma=3)
    np.testing.assert_allclose(wide, 3 * series, rtol=1e-5, atol=1e-5)


def test_with_zero_coefficients_it_is_the_noise_itself():
    assert ar_process(jax.random.key(0), [0.0], 10, burn_in=0).shape == (10,)
    white = ar_process(jax.random.key(0), [0.0, 0.0], 10, burn_in=0)
    np.testing.assert_allclose(white, jax.random.normal(jax.random.key(0), (10,)), rtol=1e-6)


def test_the_recursion_holds_step_by_step():
    beta = np.array([0.6, -0.2, 0.1])
    series = np.asarray(ar_process(jax.random.key(4), beta, 30, sigma=0.5, intercept=2.0, burn_in=0), dtype=float)
    noise = np.asarray(jax.random.normal(jax.random.key(4), (30,)), dtype=float)
    past = [2.0 / (1 - beta.sum())] * 3
    for value, eps in zip(series, noise, strict=True):
        assert value == pytest.approx(2.0 + beta @ past + 0.5 * eps, abs=1e-4)
        past = [value, *past[:-1]]


@pytest.mark.parametrize(
    ("coefficients", "root"), [([1.0], "root 1 has"), ([0.5, 0.6], "1.064"), ([2.0, -1.5], r"1[+-]0\.7071j.*1\.225")]
)
def test_a_process_that_does_not_settle_is_refused_by_its_root(coefficients, root):
    with pytest.raises(ValueError, match=root):
        ar_process(jax.random.key(0), coefficients, 10)


@pytest.mark.parametrize(
    "bad", [{"sigma": 0.0}, {"sigma": -1}, {"length": 0}, {"coefficients": [np.nan]}], ids=lambda b: next(iter(b))
)
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        ar_process(jax.random.key(0), **({"coefficients": [0.5], "length": 10} | bad))
