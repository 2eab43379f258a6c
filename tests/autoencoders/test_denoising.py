"""Noise on the input alone; and the best denoiser is what Wiener, Miyasawa and Tweedie say it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.scipy.special import logsumexp

from course_lib.autoencoders import DenoisingAutoencoder, denoised_mean, denoising_loss
from tests.tolerances import FLOAT32, within_standard_errors

SIGMA = 0.7
RNG = np.random.default_rng(0)


class Copy(nnx.Module):
    def __call__(self, x):
        return x


class Blank(nnx.Module):
    def __call__(self, x):
        return jnp.zeros_like(x)


def test_the_input_is_noisy_and_the_target_is_clean():
    """A copier is charged the noise, d σ²; whoever answers 0 is charged the clean x, and no noise at all."""
    x, loss = RNG.normal(size=(4000, 5)).astype(np.float32), denoising_loss(SIGMA)
    copied = float(loss(Copy(), x, jax.random.key(0)))
    assert within_standard_errors(copied, 5 * SIGMA**2, SIGMA**2 * np.sqrt(2 * 5 / 4000))
    np.testing.assert_allclose(
        loss(Blank(), x, jax.random.key(0)), (x.astype(np.float64) ** 2).sum(1).mean(), **FLOAT32
    )


def test_noise_on_the_target_is_noticed():
    """Negative control: had the target the same noise, a copier would pay nothing; other noise would cost a blank."""
    x = RNG.normal(size=(4000, 5)).astype(np.float32)
    noisy = x + SIGMA * np.asarray(jax.random.normal(jax.random.key(0), x.shape))
    assert (noisy**2).sum(1).mean() > 1.2 * (x**2).sum(1).mean()


def test_each_key_draws_other_noise():
    x, loss = RNG.normal(size=(50, 5)).astype(np.float32), denoising_loss(SIGMA)
    one, again, other = (float(loss(Copy(), x, jax.random.key(seed))) for seed in (0, 0, 1))
    assert one == again != other


def test_the_best_linear_denoiser_of_gaussian_data_is_wiener_s_filter():
    """Least squares of x on y = x + σε gives Σ (Σ + σ² I)⁻¹, in the mean over the noise as well as from samples."""
    root = RNG.normal(size=(4, 4))
    covariance = root @ root.T
    wiener = covariance @ np.linalg.inv(covariance + SIGMA**2 * np.eye(4))

    def expected_loss(w):  # E ‖w (x + σε) − x‖²
        rest = w - np.eye(4)
        return np.trace(rest @ covariance @ rest.T) + SIGMA**2 * np.sum(w**2)

    class Linear(nnx.Module):
        def __init__(self, w):
            self.w = nnx.Param(jnp.asarray(w, jnp.float32))

        def __call__(self, x):
            return x @ self.w[...].T

    x = RNG.normal(size=(100_000, 4)) @ root.T
    loss = denoising_loss(SIGMA)
    for w in (wiener, np.eye(4), wiener + 0.2 * RNG.normal(size=(4, 4))):
        np.testing.assert_allclose(
            loss(Linear(w), x.astype(np.float32), jax.random.key(3)), expected_loss(w), rtol=0.02
        )
        assert expected_loss(w) >= expected_loss(wiener)
    gradient = np.asarray(
        jax.grad(lambda w: loss(Linear(w), x.astype(np.float32), jax.random.key(4)))(wiener.astype("f4"))
    )
    assert abs(gradient).max() < 0.1  # sampling error
    wrong = np.linalg.inv(covariance + SIGMA**2 * np.eye(4))
    assert expected_loss(wrong) > 1.05 * expected_loss(wiener)  # negative control


def test_tweedie_s_denoiser_of_gaussian_data_is_wiener_s_filter():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    precision = np.linalg.inv(covariance + SIGMA**2 * np.eye(2)).astype(np.float32)
    y = RNG.normal(size=(3, 7, 2)).astype(np.float32)
    ours = denoised_mean(lambda y: -0.5 * y @ precision @ y, y, SIGMA)
    np.testing.assert_allclose(ours, y @ (covariance @ precision).T, rtol=1e-4, atol=1e-5)


def mixture(noise):
    """ln of ⅔ N(−1, 0.3²) + ⅓ N(1.5, 0.5²), with `noise` added; for points (1,)."""
    weights, means, sigmas = jnp.array([2 / 3, 1 / 3]), jnp.array([-1.0, 1.5]), jnp.array([0.3, 0.5])
    variances = sigmas**2 + noise**2

    def log_prob(y):
        return logsumexp(-0.5 * (y - means) ** 2 / variances - 0.5 * jnp.log(2 * jnp.pi * variances), b=weights)

    return log_prob


def posterior_means(y):
    """E[x | y] by quadrature over x, in float64."""
    x = np.linspace(-8, 8, 20_001)
    prior = 2 / 3 * np.exp(-0.5 * ((x + 1) / 0.3) ** 2) / 0.3 + 1 / 3 * np.exp(-0.5 * ((x - 1.5) / 0.5) ** 2) / 0.5
    joint = prior * np.exp(-0.5 * ((y - x) / SIGMA) ** 2)
    return (joint * x).sum(axis=1) / joint.sum(axis=1)


def test_tweedie_is_the_posterior_mean_of_a_mixture():
    y = np.linspace(-3, 3, 25, dtype=np.float32)[:, None]
    ours = np.asarray(denoised_mean(mixture(SIGMA), y, SIGMA))[:, 0]
    np.testing.assert_allclose(ours, posterior_means(y), rtol=1e-4, atol=1e-4)


def test_the_density_without_the_noise_gives_another_answer():
    """Negative control: the score must be that of the noisy points."""
    y = np.linspace(-3, 3, 25, dtype=np.float32)[:, None]
    wrong = np.asarray(denoised_mean(mixture(0.0), y, SIGMA))[:, 0]
    assert abs(wrong - posterior_means(y)).max() > 1


def test_the_denoising_autoencoder_takes_any_real_number_and_gives_any():
    model = DenoisingAutoencoder(3, [8], 6, rngs=nnx.Rngs(0))
    x = 50 * RNG.normal(size=(20, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x), model.decode_logits(model.encode(x)))
    assert np.asarray(model(x)).min() < 0
    with pytest.raises(ValueError, match="NaN"):
        model(np.full(3, np.nan))
    with pytest.raises(ValueError, match="x has shape"):
        model(np.zeros(4))


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan])
def test_noise_must_have_a_width(sigma):
    with pytest.raises(ValueError, match="sigma is .* greater than 0"):
        denoising_loss(sigma)
