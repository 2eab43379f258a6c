"""Grey levels as numbers: logits, dequantization, bits per pixel, and the bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.flows import (
    Affine,
    Chain,
    Flow,
    Logit,
    RealNVP,
    VariationalDequantizer,
    dequantization_bound,
    dequantize,
    logit_bits_per_dim,
)
from course_lib.probability import bits_per_dim
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32, ROUND_TRIP, within_standard_errors

LEVELS = np.array([[0, 3], [2, 1], [3, 3]])


def image_flow(num_levels_alpha: float = 0.05) -> Flow:
    body = perturbed(RealNVP(2, 2, [8], rngs=nnx.Rngs(0)), 0, scale=0.3).bijection
    return Flow(2, Chain([body, Logit(2, num_levels_alpha)]))


def test_uniform_noise_stays_within_its_level():
    y = dequantize(jax.random.key(0), np.full((1000, 2), 255, np.uint8))
    assert float(y.min()) >= 255 / 256
    assert float(y.max()) < 1
    np.testing.assert_array_equal(jnp.floor(4 * dequantize(jax.random.key(1), LEVELS, 4)), LEVELS)


@pytest.mark.parametrize("levels", [np.array([0.5, 1.0]), np.array([0, 4]), np.array([-1, 0])])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(ValueError, match="expected"):
        dequantize(jax.random.key(0), jnp.asarray(levels), 4)


@pytest.mark.parametrize("alpha", [1e-6, 0.05])
def test_bits_from_logits_are_the_bits_of_the_flow_that_ends_in_a_logit(alpha):
    model, logit = image_flow(alpha), Logit(2, alpha)
    y = dequantize(jax.random.key(0), LEVELS, 4)
    z, _ = logit.inverse(y)
    base = Flow(2, model.bijection.bijections[0])
    ours = logit_bits_per_dim(base.log_prob(z), z, alpha, 4)
    np.testing.assert_allclose(ours, bits_per_dim(2 * jnp.log(4) - model.log_prob(y), 2), **FLOAT32)


def test_a_uniform_density_needs_eight_bits():
    """p(z) = σ(z)(1 − σ(z)) is the density of logits of uniform numbers."""
    z = jnp.linspace(-5, 5, 11)[:, None]
    log_p = (jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z)).sum(axis=-1)
    np.testing.assert_allclose(logit_bits_per_dim(log_p, z, 0.0), jnp.full(11, 8.0), **FLOAT32)


def test_logit_names_its_domain():
    with pytest.raises(ValueError, match="values from 0 to 1; with alpha=0 the logit needs"):
        Logit(2).inverse(jnp.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"alpha is 0.5; expected 0 ≤ alpha < 0.5"):
        Logit(2, 0.5)
    for value in (*Logit(1).forward(jnp.array([[-1e4], [1e4]])), *Logit(1, 0.05).inverse(jnp.array([[0.0], [1.0]]))):
        assert np.isfinite(value).all()


def exact_log_probability(model: Flow, levels, num_levels: int) -> np.ndarray:
    """log of the integral of the density over each level's cell, by the midpoint rule."""
    inside = (np.arange(200) + 0.5) / 200
    u = np.stack(np.meshgrid(inside, inside), axis=-1).reshape(1, -1, 2)
    y = jnp.asarray((levels[:, None, :] + u) / num_levels, jnp.float32)
    return np.log(np.asarray(jnp.exp(model.log_prob(y)).mean(axis=1))) - 2 * np.log(num_levels)


def test_the_bound_is_below_the_exact_probability_and_its_weights_average_to_it():
    """E_q[p(k + u) / q(u | k)] = P(k) for any q; the bound is the mean of the logarithm."""
    model, inner = image_flow(), perturbed(RealNVP(2, 2, [8], num_context=2, rngs=nnx.Rngs(1)), 1, scale=0.2)
    # Wider than the logits of uniform noise, or p / q would have no finite variance.
    noise = Flow(2, Chain([inner.bijection, Affine([0.0, 0.0], [2.5, 2.5])]))
    dequantizer = VariationalDequantizer(noise, 4)
    exact = exact_log_probability(model, LEVELS, 4)
    many = np.broadcast_to(LEVELS, (20_000, 3, 2))
    bounds = np.asarray(dequantization_bound(model, dequantizer, jax.random.key(0), many), np.float64)
    weights = np.exp(bounds)
    assert bounds.shape == (20_000, 3)
    assert (bounds.mean(axis=0) < exact).all()
    for i in range(3):
        assert within_standard_errors(weights[:, i].mean(), np.exp(exact[i]), weights[:, i].std() / 20_000**0.5)
    u, log_q = dequantizer.sample(jax.random.key(1), many)
    assert float(u.min()) > 0
    assert float(u.max()) < 1
    q = Flow(2, Chain([noise.bijection, Logit(2)]))
    given = jnp.asarray(2 * many[:50] / 3 - 1, float)
    inside = np.asarray((jnp.minimum(u, 1 - u) > 1e-3).all(axis=-1))[:50]  # nearer to the edge 1 − u has few digits
    assert inside.mean() > 0.8
    np.testing.assert_allclose(q.log_prob(u[:50], given)[inside], log_q[:50][inside], **ROUND_TRIP)
    without_q = np.exp(bounds + np.asarray(log_q))  # dropping q is not the probability
    assert not within_standard_errors(without_q[:, 0].mean(), np.exp(exact[0]), without_q[:, 0].std() / 20_000**0.5)
