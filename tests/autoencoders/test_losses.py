"""Losses: the sum over pixels, the mean over the batch, from logits; and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from course_lib.autoencoders import (
    DeepAutoencoder,
    LinearAutoencoder,
    SimpleAutoencoder,
    cross_entropy_loss,
    squared_error_loss,
)
from tests.tolerances import FLOAT32

D = 5
X = np.random.default_rng(0).integers(0, 2, (7, D)).astype(np.float32)


def test_squared_error_sums_pixels_and_averages_images():
    model = SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0))
    expected = ((np.asarray(model(X), dtype=np.float64) - X) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(squared_error_loss(model, X), expected, **FLOAT32)
    np.testing.assert_allclose(squared_error_loss(model, np.tile(X, (3, 1))), expected, **FLOAT32)


def test_squared_error_takes_grey_levels_but_not_255():
    assert squared_error_loss(SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0)), X * 0.4) > 0
    with pytest.raises(ValueError, match="0 to 255"):
        squared_error_loss(SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0)), X * 255)


@pytest.mark.parametrize(
    ("bad", "message"), [(X * 0.5, "needs 0 and 1 only"), (X * 255, "binarize"), (X * np.nan, "NaN")]
)
def test_cross_entropy_refuses_what_has_no_bernoulli_probability(bad, message):
    with pytest.raises(ValueError, match=f"the batch.*{message}"):
        cross_entropy_loss(SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0)), bad)


def test_cross_entropy_refuses_a_model_without_probabilities():
    with pytest.raises(TypeError, match="LinearAutoencoder gives no probabilities; use squared_error_loss"):
        cross_entropy_loss(LinearAutoencoder(D, 2, rngs=nnx.Rngs(0)), X)


def test_cross_entropy_stays_finite_where_the_sigmoid_rounds():
    model = SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0))
    model.c[...] = jnp.full(D, 200.0)
    blank = np.zeros((1, D))
    assert (np.asarray(model(blank)) == 1).all()  # −log(1 − x̂) would be infinite
    expected = np.asarray(model.decode_logits(model.encode(blank))).sum()  # softplus(a) = a here
    np.testing.assert_allclose(cross_entropy_loss(model, blank), expected, **FLOAT32)


@pytest.mark.parametrize("loss", [cross_entropy_loss, squared_error_loss])
@pytest.mark.parametrize("make", [SimpleAutoencoder, lambda d, k, rngs: DeepAutoencoder(d, [4], k, rngs=rngs)])
def test_gradients_agree_with_central_differences(make, loss):
    model = make(D, 2, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(model, nnx.Param)
    flat, unravel = jax.flatten_util.ravel_pytree(nnx.to_pure_dict(params))
    rng = np.random.default_rng(2)
    flat = flat + 0.3 * rng.normal(size=flat.shape).astype(np.float32)

    def value(flat):
        state = params
        nnx.replace_by_pure_dict(state, unravel(flat))
        return loss(nnx.merge(graphdef, state), X)

    gradient = np.asarray(jax.grad(value)(flat))
    assert (gradient != 0).mean() > 0.9
    for _ in range(3):
        direction = rng.normal(size=flat.shape).astype(np.float32)
        difference = (value(flat + 1e-2 * direction) - value(flat - 1e-2 * direction)) / 2e-2
        # float32 differences with a step of 0.01 are good to three digits
        np.testing.assert_allclose(gradient @ direction, difference, rtol=5e-3, atol=5e-3)


def test_gradient_by_hand_in_the_simplest_case():
    """∂L/∂c = x̂ − x, and ∂L/∂v = (x̂ − x) hᵀ, averaged over the batch."""
    model = SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0))
    h, error = np.asarray(model.encode(X)), np.asarray(model(X)) - X
    grads = nnx.grad(cross_entropy_loss)(model, X)
    np.testing.assert_allclose(grads.c[...], error.mean(axis=0), **FLOAT32)
    np.testing.assert_allclose(grads.v[...], error.T @ h / len(X), **FLOAT32)


def test_losses_fit_the_training_signature():
    model = SimpleAutoencoder(D, 2, rngs=nnx.Rngs(0))
    for loss in (cross_entropy_loss, squared_error_loss):
        one = loss(model, X, jax.random.key(0))
        assert one.shape == ()
        assert one == loss(model, X)


def test_training_lowers_the_loss_below_that_of_the_mean_image():
    """Four patterns and a code of two numbers: the best constant reconstruction must be beaten clearly."""
    patterns = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 0, 1], [0, 1, 1, 0, 1]], dtype=np.float32)
    mean = patterns.mean(axis=0)
    constant = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean)).sum()
    model = DeepAutoencoder(5, [16], 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(2e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        loss, grads = nnx.value_and_grad(cross_entropy_loss)(model, patterns)
        optimizer.update(model, grads)
        return loss

    for _ in range(200):
        step(model, optimizer)
    assert cross_entropy_loss(model, patterns) < 0.2 * constant
    np.testing.assert_array_equal(np.asarray(model(patterns)) > 0.5, patterns)
