"""The convolutional VAE is a `Vae`: the same bound, of other networks, which know what lies side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.distributions import Bernoulli, Gaussian, Logistic
from course_lib.probability import bernoulli_log_prob, kl_standard_normal
from course_lib.vae import ConvolutionalVae, Vae, kl_per_latent, negative_elbo, reparameterize
from tests.tolerances import FLOAT32

BITS = np.random.default_rng(0).integers(0, 2, (5, 8 * 12)).astype(np.float32)


def make(**options):
    return ConvolutionalVae((8, 12), (3, 4), 2, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(1.0), Logistic(256)])
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_it_gives_what_a_dense_one_of_that_size_gives(likelihood, batch):
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 4))

    def everything(model, x, keys):
        codes = model.encode(x)
        bounds = [model.elbo(keys[0], x), model.iwae(keys[1], x, 3), *model.elbo_terms(keys[2], x)]
        return codes, model.decode(codes[0]), model.reconstruct(x), model.sample(keys[3], batch), bounds

    x = jax.ShapeDtypeStruct((*batch, 96), jnp.float32)
    dense = Vae(96, [7], 2, likelihood=likelihood, rngs=nnx.Rngs(0))
    got, expected = (
        jax.eval_shape(lambda x, k, m=m: everything(m, x, k), x, keys) for m in (make(likelihood=likelihood), dense)
    )
    assert jax.tree.map(jnp.shape, got) == jax.tree.map(jnp.shape, expected)


def test_its_bound_is_that_of_its_encoder_and_its_decoder():
    vae = make()
    mean, log_sigma = vae.encode(BITS)
    logits = vae.decode(reparameterize(jax.random.key(1), mean, log_sigma))
    expected = bernoulli_log_prob(BITS, logits).sum(-1), kl_standard_normal(mean, log_sigma).sum(-1)
    for got, want in zip(vae.elbo_terms(jax.random.key(1), BITS), expected, strict=True):
        np.testing.assert_allclose(got, want, **FLOAT32)


def by_loops(x, kernel, bias):
    """Σ over a, b, c of x[2i + a − 1, 2j + b − 1, c] K[a, b, c], with x = 0 outside of the image."""
    height, width, _ = x.shape
    out = np.tile(bias, (height // 2, width // 2, 1)).astype(float)
    for i, j, a, b in np.ndindex(height // 2, width // 2, 4, 4):
        row, column = 2 * i + a - 1, 2 * j + b - 1
        if 0 <= row < height and 0 <= column < width:
            out[i, j] += x[row, column] @ kernel[a, b]
    return out


def test_the_encoder_is_two_convolutions_and_two_heads_by_loops():
    vae, y = make(), BITS[0].reshape(8, 12, 1).astype(float)
    for layer in vae.encoder.hidden.layers:
        kernel, bias = (np.asarray(part[...], float) for part in (layer.kernel, layer.bias))
        y = by_loops(y, kernel.reshape(4, 4, y.shape[-1], -1), bias)
        y = y / (1 + np.exp(-y))
    for got, head in zip(vae.encode(BITS[0]), (vae.encoder.mean, vae.encoder.log_sigma), strict=True):
        expected = y.ravel() @ np.asarray(head.kernel[...], float) + np.asarray(head.bias[...], float)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_logit_depends_on_features_nearby_alone():
    decoder = make().decoder.network.layers[1]
    slopes = jax.jacobian(decoder)(np.random.default_rng(1).normal(size=2 * 3 * 4).astype(np.float32))
    reached = (np.abs(slopes).reshape(8, 12, 2, 3, 4).sum(axis=-1) > 0).reshape(8, 12, 6)
    assert reached[0, 0].tolist() == [True] + 5 * [False]
    assert not reached[:, :3, 2].any()
    assert reached[:, 9:, 2].any()


def test_every_parameter_receives_a_finite_gradient():
    graph, params = nnx.split(make())
    gradient = jax.jit(jax.grad(lambda p: negative_elbo(nnx.merge(graph, p), BITS, jax.random.key(0))))(params)
    assert all(np.isfinite(leaf).all() and (np.asarray(leaf) != 0).any() for leaf in jax.tree.leaves(gradient))


def test_the_diagnostics_take_it():
    assert kl_per_latent(make(), BITS).shape == (2,)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"image_shape is \(8, 10\); 2 convolutions .* divisible by 4"):
        ConvolutionalVae((8, 10), (3, 4), 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="ConvolutionalVae was built for"):
        make().encode(BITS.reshape(5, 8, 12))
    with pytest.raises(ValueError, match="binarize"):
        make().encode(np.full((2, 96), 0.5))
    with pytest.raises(ValueError, match="num_latents"):
        ConvolutionalVae((8, 12), (3, 4), 0, rngs=nnx.Rngs(0))
