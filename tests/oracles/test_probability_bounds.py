"""ELBO and IWAE in a linear-Gaussian model, where ln p(x) is exact: z ~ N(0, 1), x|z ~ N(z, 1), so x ~ N(0, 2)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.probability import effective_sample_size, elbo, iwae_bound, normal_log_prob
from course_lib.probability.divergences import kl_normal
from tests.tolerances import FLOAT32, within_standard_errors

X = 1.3
EXACT = float(normal_log_prob(X, 0.0, 0.5 * np.log(2)))
POSTERIOR = (X / 2, -0.5 * float(np.log(2)))
REPEATS = 4000


def log_joint_and_q(key, q, k):
    mean, log_sigma = q
    z = mean + np.exp(log_sigma) * jax.random.normal(key, (k, REPEATS))
    log_joint = normal_log_prob(z, 0.0, 0.0) + normal_log_prob(X, z, 0.0)
    return log_joint, normal_log_prob(z, mean, log_sigma)


def mean_and_error(values):
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def test_bounds_are_exact_and_constant_at_the_true_posterior():
    log_joint, log_q = log_joint_and_q(jax.random.key(0), POSTERIOR, 3)
    np.testing.assert_allclose(elbo(log_joint, log_q), np.full(REPEATS, EXACT), **FLOAT32)
    np.testing.assert_allclose(iwae_bound(log_joint, log_q), np.full(REPEATS, EXACT), **FLOAT32)
    np.testing.assert_allclose(effective_sample_size(log_joint - log_q), np.full(REPEATS, 3.0), **FLOAT32)


@pytest.mark.parametrize("q", [(0.0, 0.0), (1.0, -1.0), (0.2, 0.5)])
def test_elbo_lies_below_the_evidence_by_the_kl_to_the_posterior(q):
    estimate, error = mean_and_error(elbo(*log_joint_and_q(jax.random.key(1), q, 1)))
    gap = kl_normal(*q, *POSTERIOR)
    assert within_standard_errors(estimate, EXACT - gap, error)
    # the negative control: without the gap the law fails, so it is not too loose to see it
    assert not within_standard_errors(estimate, EXACT, error)


def test_iwae_rises_with_k_towards_the_evidence():
    means, errors = [], []
    for i, k in enumerate([1, 2, 5, 20, 200]):
        mean, error = mean_and_error(iwae_bound(*log_joint_and_q(jax.random.key(10 + i), (0.0, 0.0), k)))
        means.append(mean)
        errors.append(error)
    steps, noise = np.diff(means), np.hypot(errors[:-1], errors[1:])
    assert (steps > 2 * noise).all()
    assert all(mean < EXACT + 5 * error for mean, error in zip(means, errors, strict=True))
    assert abs(means[-1] - EXACT) < 0.01


def test_prior_sampling_loses_its_samples_as_the_dimension_grows():
    """ESS/k of the prior as proposal: (E w)²/E w², the same factor for each of d independent latents."""
    key, k, log_weight = jax.random.key(3), 20_000, jnp.zeros(20_000)
    sizes = []
    for d in range(6):
        z = jax.random.normal(jax.random.fold_in(key, d), (k,))
        log_weight = log_weight + normal_log_prob(X, z, 0.0)
        sizes.append(float(effective_sample_size(log_weight)) / k)
    evidence_squared = np.exp(2 * EXACT)
    second_moment = np.exp(float(normal_log_prob(X, 0.0, 0.5 * np.log(1.5)))) / np.sqrt(4 * np.pi)
    ratio = evidence_squared / second_moment
    # the estimate's own noise grows with d: ten per cent is about three of its standard errors at d = 6
    np.testing.assert_allclose(sizes, ratio ** np.arange(1, 7), rtol=0.1)


def test_a_bound_without_the_kl_is_no_bound():
    """The negative control for every VAE: leave out ln p(z) − ln q(z|x) and the "bound" exceeds ln p(x)."""
    key, q = jax.random.key(5), (X, -2.0)
    z = q[0] + np.exp(q[1]) * jax.random.normal(key, (REPEATS,))
    estimate, error = mean_and_error(normal_log_prob(X, z, 0.0))
    assert estimate > EXACT + 5 * error
