"""The simple auto-encoder is the page's formula, batched; its boundary names what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import expit

from course_lib.autoencoders import DeepAutoencoder, LinearAutoencoder, SimpleAutoencoder
from course_lib.autoencoders.simple import simple_decoder_logits, simple_encoder
from tests.tolerances import FLOAT32

D, K = 6, 3
CONSTRUCTORS = {
    "simple": lambda rngs: SimpleAutoencoder(D, K, rngs=rngs),
    "simple tanh": lambda rngs: SimpleAutoencoder(D, K, g=jnp.tanh, rngs=rngs),
    "linear": lambda rngs: LinearAutoencoder(D, K, rngs=rngs),
    "deep": lambda rngs: DeepAutoencoder(D, [5, 4], K, rngs=rngs),
    "deep, no hidden layer": lambda rngs: DeepAutoencoder(D, [], K, rngs=rngs),
}


def binary(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 2, shape).astype(np.float32)


def with_biases(model, seed=3):
    """Biases start at 0, where a forgotten one would not show."""
    rng = np.random.default_rng(seed)
    state = jax.tree.map(lambda p: p + rng.normal(size=p.shape).astype(np.float32), nnx.state(model))
    nnx.update(model, state)
    return model


@pytest.mark.parametrize(("g", "in_numpy"), [(None, expit), (jnp.tanh, np.tanh), (jax.nn.relu, lambda a: a.clip(0))])
def test_simple_is_the_formula_of_the_page(g, in_numpy):
    extra = {} if g is None else {"g": g}
    model = with_biases(SimpleAutoencoder(D, K, rngs=nnx.Rngs(0), **extra))
    w, b, v, c = (np.asarray(p[...], dtype=np.float64) for p in (model.w, model.b, model.v, model.c))
    assert w.shape == (K, D)
    assert v.shape == (D, K)
    for x in binary(4, D):
        h = in_numpy(b + w @ x)
        np.testing.assert_allclose(model.encode(x), h, **FLOAT32)
        np.testing.assert_allclose(model.decode_logits(h), c + v @ h, **FLOAT32)
        np.testing.assert_allclose(model(x), expit(c + v @ h), **FLOAT32)


def test_linear_has_no_bend():
    model = with_biases(LinearAutoencoder(D, K, rngs=nnx.Rngs(0)))
    w, b, v, c = (np.asarray(p[...], dtype=np.float64) for p in (model.w, model.b, model.v, model.c))
    x = np.random.default_rng(1).normal(size=(5, D)) * 10
    np.testing.assert_allclose(model(x), c + (b + x @ w.T) @ v.T, rtol=1e-5, atol=1e-5)  # values near 100


def test_deep_is_its_layers_in_order():
    model = with_biases(DeepAutoencoder(D, [5, 4], K, rngs=nnx.Rngs(0)))
    x = binary(7, D)

    def mlp(x, layers):
        kernels = [(np.asarray(part.kernel[...]), np.asarray(part.bias[...])) for part in layers[::2]]
        for i, (kernel, bias) in enumerate(kernels):
            x = x @ kernel + bias
            x = x * expit(x) if i < len(kernels) - 1 else x
        return x

    encoder, decoder = model.encoder.layers, model.decoder.layers
    assert [part.out_features for part in encoder[::2]] == [5, 4, K]
    assert [part.out_features for part in decoder[::2]] == [4, 5, D]
    np.testing.assert_allclose(model.encode(x), mlp(x, encoder), **FLOAT32)
    np.testing.assert_allclose(model(x), expit(mlp(mlp(x, encoder), decoder)), **FLOAT32)


@pytest.mark.parametrize("make", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_any_batch_axes_and_dtypes(make):
    model = make(nnx.Rngs(0))
    x = binary(2, 4, D)
    together = model(x)
    assert together.shape == x.shape
    assert model.encode(x).shape == (2, 4, K)
    one_by_one = np.stack([[model(row) for row in rows] for rows in x])
    np.testing.assert_allclose(together, one_by_one, **FLOAT32)
    np.testing.assert_array_equal(model(x.astype(np.uint8)), together)
    np.testing.assert_array_equal(model(jnp.asarray(x)), together)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, x), together, **FLOAT32)


@pytest.mark.parametrize("make", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_bad_inputs_are_named(make):
    model = make(nnx.Rngs(0))
    name = type(model).__name__
    for shape in [(8, D + 1), (D, 1), ()]:
        with pytest.raises(ValueError, match=rf"x has shape .*; {name} was built for inputs of shape \(\*batch, {D}\)"):
            model.encode(np.zeros(shape))
        with pytest.raises(ValueError, match=rf"the decoder of {name} was built for inputs of shape \(\*batch, {K}\)"):
            model.decode(np.zeros(shape))
    with pytest.raises(ValueError, match="NaN"):
        model.encode(np.full((2, D), np.nan))
    with pytest.raises(ValueError, match="the code holds 6 values that are NaN"):
        model.decode(np.full((2, K), np.inf))


@pytest.mark.parametrize("make", [CONSTRUCTORS["simple"], CONSTRUCTORS["deep"]])
def test_grey_levels_to_255_are_refused_and_in_the_unit_interval_taken(make):
    model = make(nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"0 to 255.*Divide"):
        model.encode(np.array([0, 255, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="expected 0 to 1"):
        model(np.full(D, -0.1))
    assert model(np.full(D, 0.3)).shape == (D,)


def test_shapes_are_checked_under_jit_too():
    model = SimpleAutoencoder(D, K, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="x has shape"):
        jax.jit(lambda m, x: m(x))(model, np.zeros((2, D + 1)))


def test_initial_weights_differ_between_layers_and_seeds_and_are_scaled_by_the_fan_in():
    model = SimpleAutoencoder(400, 300, rngs=nnx.Rngs(0))
    w, v = np.asarray(model.w[...]), np.asarray(model.v[...])
    assert abs(w.std() * np.sqrt(400) - 1) < 0.02
    assert abs(v.std() * np.sqrt(300) - 1) < 0.02
    assert not np.allclose(w, v.T)
    assert not np.allclose(w, SimpleAutoencoder(400, 300, rngs=nnx.Rngs(1)).w[...])


def test_pure_functions_are_for_one_vector():
    w, b = jnp.arange(6.0).reshape(2, 3), jnp.array([1.0, -1.0])
    h = simple_encoder(jnp.ones(3), w, b, lambda a: a)
    np.testing.assert_array_equal(h, [4.0, 11.0])
    np.testing.assert_array_equal(simple_decoder_logits(h, w.T, jnp.ones(3)), [34.0, 49.0, 64.0])
