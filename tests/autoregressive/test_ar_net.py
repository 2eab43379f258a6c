"""AR-Net: the penalty near 0, the network's shapes and errors, and what training finds."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from course_lib.autoregressive import (
    ArNet,
    LinearAr,
    ar_net_loss,
    lag_matrix,
    least_squares,
    sparsity_penalty,
    symmetric_total_percentage_error,
)
from course_lib.training import fit
from tests.tolerances import FLOAT32

SPARSE = np.zeros(20)
SPARSE[[0, 2, 9]] = [0.2, 0.3, -0.5]


def as_printed(weights, c1=3.0, c2=3.0):
    return jnp.mean(2 / (1 + jnp.exp(-c1 * jnp.abs(weights) ** (1 / c2))) - 1)


def test_the_penalty_is_the_papers_except_close_to_zero():
    for weights in (jnp.array([0.1, -0.5, 2.0]), jnp.array([[0.05], [-3.0]])):
        np.testing.assert_allclose(sparsity_penalty(weights), as_printed(weights), rtol=1e-4)
    at_zero = sparsity_penalty(jnp.zeros(4))
    np.testing.assert_allclose(at_zero, as_printed(jnp.full(4, 1e-3)), **FLOAT32)
    np.testing.assert_allclose(sparsity_penalty(jnp.zeros(4), smoothing=1e-9), 0.0, atol=2e-3)


def test_its_gradient_is_finite_at_zero_where_the_printed_one_is_not():
    assert not np.isfinite(jax.grad(as_printed)(jnp.zeros(3))).any()
    np.testing.assert_array_equal(jax.grad(sparsity_penalty)(jnp.zeros(3)), 0.0)
    slopes = jax.vmap(jax.grad(sparsity_penalty))(jnp.geomspace(1e-8, 10.0, 200))
    assert np.isfinite(slopes).all()
    assert (slopes >= 0).all()
    assert slopes[-1] < 0.02 * slopes.max()  # nearly flat for large weights


def test_percentage_error_by_hand():
    assert symmetric_total_percentage_error([1.0, 0.0], [1.0, 0.0]) == 0
    assert symmetric_total_percentage_error([1.0, 0.0], [0.0, 1.0]) == 100
    assert symmetric_total_percentage_error([0.5, -0.5], [1.0, -0.5]) == pytest.approx(100 * 0.5 / 2.5)


def test_shapes_and_errors():
    model = ArNet(4, (8, 5), rngs=nnx.Rngs(0))
    assert model(np.zeros((3, 2, 4))).shape == (3, 2)
    assert model.first_weights.shape == (4, 8)
    with pytest.raises(ValueError, match=r"lags has shape \(3, 5\); ArNet was built for"):
        model(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="a size is 0"):
        ArNet(3, (0,), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="lags holds 1 values that are NaN"):
        model.step_log_prob(np.array([0.0, 0.0, np.nan, 0.0]), 1.0)


def test_at_equal_coefficients_it_is_the_linear_model():
    linear = LinearAr(np.array([0.5, -0.3, 0.1]), intercept=0.7, sigma=1.3)
    series = linear.sample(jax.random.key(0), (200,))
    model = ArNet(3, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(model.first_weights, 0.0)
    model.network.layers[0].kernel[...] = jnp.asarray(linear.coefficients[:, None], jnp.float32)
    model.network.layers[0].bias[...] = jnp.array([0.7])
    model.log_sigma[...] = jnp.log(1.3)
    total = model.step_log_prob(lag_matrix(series, 3), series[3:]).sum()
    np.testing.assert_allclose(total, linear.conditional_log_prob(series), rtol=1e-5)
    loss = ar_net_loss(model, (lag_matrix(series, 3), series[3:]), None, 0.5)
    np.testing.assert_allclose(loss, -total / 197 + 0.5 * sparsity_penalty(model.first_weights), rtol=1e-5)


@pytest.mark.parametrize(("strength", "most"), [(0.0, np.inf), (0.3, 6.0)])
def test_training_finds_least_squares_and_with_the_penalty_the_three_lags(strength, most):
    series = LinearAr(SPARSE).sample(jax.random.key(1), (1000,))
    batch = (lag_matrix(series, 20), series[20:])
    model = ArNet(20, rngs=nnx.Rngs(0))
    optimizer = optax.adam(optax.cosine_decay_schedule(0.03, 2100))
    loss = partial(ar_net_loss, strength=strength)
    fit(model, loss, batch, key=jax.random.key(2), epochs=140, batch_size=64, optimizer=optimizer, progress=False)
    found, classic = np.ravel(model.first_weights), least_squares(series, 20)
    if strength:
        assert set(np.flatnonzero(np.abs(found) > 0.1)) == {0, 2, 9}
        assert (np.abs(np.delete(found, [0, 2, 9])) < 0.01).sum() >= 15
    else:
        np.testing.assert_allclose(found, classic.coefficients, atol=0.02)
        assert float(jnp.exp(model.log_sigma[...])) == pytest.approx(classic.sigma, rel=0.01)
    error = symmetric_total_percentage_error(found, SPARSE)
    assert error < most
    assert (error < symmetric_total_percentage_error(classic.coefficients, SPARSE) / 3) == (strength > 0)
