"""Densities and divergences against independent libraries, quadrature and sampling."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as numpyro_distributions
import pytest
from scipy import integrate, stats

from course_lib.probability import (
    bernoulli_log_prob,
    categorical_log_prob,
    kl_monte_carlo,
    kl_standard_normal,
    kl_uniform,
    normal_log_prob,
    standard_normal_log_prob,
)
from course_lib.probability.divergences import kl_normal
from tests.tolerances import FLOAT32, within_standard_errors

with warnings.catch_warnings():  # distrax 0.1.9 touches names that jax has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import distrax

X = np.linspace(-4, 4, 17).astype(np.float32)


def test_continuous_densities_against_scipy():
    np.testing.assert_allclose(normal_log_prob(X, 0.7, -0.4), stats.norm(0.7, np.exp(-0.4)).logpdf(X), **FLOAT32)
    vectors = X[:16].reshape(4, 4)
    np.testing.assert_allclose(
        standard_normal_log_prob(vectors), stats.multivariate_normal(np.zeros(4)).logpdf(vectors), **FLOAT32
    )


def test_discrete_probabilities_against_distrax_and_numpyro():
    bits, logits = np.tile([0.0, 1.0], 8), X[:16]
    np.testing.assert_allclose(
        bernoulli_log_prob(bits, logits), distrax.Bernoulli(logits=logits).log_prob(bits), **FLOAT32
    )
    classes, table = np.array([0, 3, 1]), np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    expected = numpyro_distributions.Categorical(logits=table).log_prob(classes)
    np.testing.assert_allclose(categorical_log_prob(classes, table), expected, **FLOAT32)


def test_total_probability_is_one():
    x = np.linspace(-40, 40, 4001)
    assert integrate.trapezoid(np.exp(normal_log_prob(x, 0.5, 0.3)), x) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("q_and_p", [(0.0, 0.0, 1.0, 0.0), (1.0, -0.5, -0.5, 0.4), (-2.0, 0.6, 0.0, -0.3)])
def test_kl_normal_against_quadrature_and_distrax(q_and_p):
    mean_q, log_sigma_q, mean_p, log_sigma_p = q_and_p
    q, p = stats.norm(mean_q, np.exp(log_sigma_q)), stats.norm(mean_p, np.exp(log_sigma_p))
    quadrature = integrate.quad(lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), -25, 25, points=[mean_q])[0]
    got = kl_normal(*q_and_p)
    np.testing.assert_allclose(got, quadrature, **FLOAT32)
    oracle = distrax.Normal(mean_q, np.exp(log_sigma_q)).kl_divergence(distrax.Normal(mean_p, np.exp(log_sigma_p)))
    np.testing.assert_allclose(got, oracle, **FLOAT32)


def test_kl_standard_normal_against_the_formula():
    mean, log_sigma = np.array([0.0, 1.0, -2.0]), np.array([0.0, -1.0, 0.5])
    expected = 0.5 * (mean**2 + np.exp(2 * log_sigma) - 1 - 2 * log_sigma)
    np.testing.assert_allclose(kl_standard_normal(mean, log_sigma), expected, **FLOAT32)


def test_kl_uniform_against_distrax():
    oracle = distrax.Uniform(0.2, 0.5).kl_divergence(distrax.Uniform(-1.0, 2.0))
    np.testing.assert_allclose(kl_uniform(0.2, 0.5, -1.0, 2.0), oracle, **FLOAT32)


def test_monte_carlo_kl_agrees_with_the_closed_form_within_its_standard_errors():
    x = 1 + 0.5 * jax.random.normal(jax.random.key(1), (20_000,))
    log_q, log_p = normal_log_prob(x, 1.0, jnp.log(0.5)), normal_log_prob(x, 0.0, 0.0)
    estimate, standard_error = kl_monte_carlo(log_q, log_p)
    exact = kl_normal(1.0, jnp.log(0.5), 0.0, 0.0)
    assert within_standard_errors(estimate, exact, standard_error)
    np.testing.assert_allclose(standard_error, stats.sem(np.asarray(log_q - log_p)), rtol=1e-4)
    # the negative controls: arguments exchanged, and p taken twice as wide
    assert not within_standard_errors(estimate, kl_normal(0.0, 0.0, 1.0, jnp.log(0.5)), standard_error)
    assert not within_standard_errors(estimate, kl_normal(1.0, jnp.log(0.5), 0.0, jnp.log(2.0)), standard_error)
