"""The VAE as a learner meets it: shapes, keys, batches, training, and clear errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.distributions import Bernoulli, Gaussian
from course_lib.probability import bernoulli_log_prob, kl_standard_normal
from course_lib.vae import GaussianEncoder, Vae, negative_elbo, reparameterize
from tests.tolerances import FLOAT32, within_standard_errors

BITS = jax.random.bernoulli(jax.random.key(100), 0.4, (5, 6)).astype(jnp.float32)


INK = Bernoulli()


def make(likelihood=INK, **changes):
    return Vae(6, [8, 7], 2, likelihood=likelihood, rngs=nnx.Rngs(0), **changes)


@pytest.mark.parametrize(("likelihood", "shape"), [(Bernoulli(), ()), (Bernoulli(), (2, 3)), (Gaussian(), (5,))])
def test_every_method_keeps_the_batch_shape(likelihood, shape):
    vae, keys = make(likelihood), jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 5))

    def everything(x, keys):
        codes, inputs = vae.encode(x), [vae.reconstruct(x), vae.sample(keys[0], shape)]
        inputs += [vae.decode(codes[0]), vae.decode_mean(codes[0])]
        bounds = [vae.elbo(keys[1], x), vae.iwae(keys[2], x, 3), *vae.elbo_terms(keys[3], x)]
        return codes, inputs, bounds, negative_elbo(vae, x, keys[4])

    codes, inputs, bounds, loss = jax.eval_shape(everything, jax.ShapeDtypeStruct((*shape, 6), jnp.float32), keys)
    assert {code.shape for code in codes} == {(*shape, 2)}
    assert {x.shape for x in inputs} == {(*shape, 6)}
    assert {bound.shape for bound in bounds} == {shape}
    assert loss.shape == ()


def test_the_elbo_is_the_sum_over_pixels_minus_the_sum_over_latents():
    vae = make()
    mean, log_sigma = vae.encode(BITS)
    z = reparameterize(jax.random.key(1), mean, log_sigma)
    expected = bernoulli_log_prob(BITS, vae.decode(z)).sum(-1), kl_standard_normal(mean, log_sigma).sum(-1)
    for got, want in zip(vae.elbo_terms(jax.random.key(1), BITS), expected, strict=True):
        np.testing.assert_allclose(got, want, **FLOAT32)


def test_a_batch_gives_what_its_rows_give():
    vae = make()
    z = jax.random.normal(jax.random.key(2), (5, 2))
    rows = jnp.stack([vae.log_likelihood(x, one) for x, one in zip(BITS, z, strict=True)])
    np.testing.assert_allclose(vae.log_likelihood(BITS, z), rows, **FLOAT32)
    for got, want in zip(vae.encode(BITS), jax.vmap(vae.encode)(BITS), strict=True):
        np.testing.assert_allclose(got, want, **FLOAT32)
    mapped = jax.jit(jax.vmap(lambda key, x: vae.elbo(key, x, 4)))(jax.random.split(jax.random.key(3), 5), BITS)
    keys = jax.random.split(jax.random.key(3), 5)
    one = jax.jit(lambda key, x: vae.elbo(key, x, 4))
    looped = jnp.stack([one(key, x) for key, x in zip(keys, BITS, strict=True)])
    np.testing.assert_allclose(mapped, looped, **FLOAT32)


@pytest.mark.parametrize("method", ["elbo", "iwae"])
def test_equal_keys_give_equal_bounds_and_other_keys_others(method):
    bound = getattr(make(), method)
    first = bound(jax.random.key(7), BITS, 3)
    np.testing.assert_array_equal(first, bound(jax.random.key(7), BITS, 3))
    assert (first != bound(jax.random.key(8), BITS, 3)).all()


def test_samples_depend_on_the_key_alone_and_are_binary():
    vae = make()
    x = vae.sample(jax.random.key(5), (50,))
    np.testing.assert_array_equal(x, vae.sample(jax.random.key(5), (50,)))
    assert set(np.unique(x)) == {0.0, 1.0}
    assert (x != vae.sample(jax.random.key(6), (50,))).any()


def test_gaussian_samples_have_the_models_moments():
    """With the decoder's kernel set to zero, x ~ N(bias, sigma²)."""
    vae = Vae(3, [], 2, likelihood=Gaussian(0.5), rngs=nnx.Rngs(0))
    last = vae.decoder.network.layers[-1]
    last.kernel[...] = jnp.zeros((2, 3))
    last.bias[...] = jnp.array([1.0, -2.0, 0.0])
    x = vae.sample(jax.random.key(0), (4000,))
    for got, want in zip(x.mean(0), [1.0, -2.0, 0.0], strict=True):
        assert within_standard_errors(got, want, 0.5 / 4000**0.5)
    np.testing.assert_allclose(x.std(0), 0.5, rtol=0.05)


def test_reparameterize_draws_from_the_gaussian_and_has_the_stated_derivatives():
    mean, log_sigma = jnp.array([1.0, -3.0]), jnp.array([0.5, -2.0])
    z = reparameterize(jax.random.key(0), *(jnp.broadcast_to(v, (20_000, 2)) for v in (mean, log_sigma)))
    sigma = np.exp(log_sigma)
    assert all(within_standard_errors(*row) for row in zip(z.mean(0), mean, sigma / 20_000**0.5, strict=True))
    np.testing.assert_allclose(z.std(0), sigma, rtol=0.03)
    one = jnp.array(0.3), jnp.array(-1.0)
    d_mean, d_log_sigma = jax.grad(lambda m, s: reparameterize(jax.random.key(1), m, s), argnums=(0, 1))(*one)
    np.testing.assert_allclose(d_mean, 1.0, **FLOAT32)
    np.testing.assert_allclose(d_log_sigma, reparameterize(jax.random.key(1), *one) - one[0], **FLOAT32)


def test_the_encoder_without_hidden_layers_is_affine():
    encoder = GaussianEncoder(3, [], 2, rngs=nnx.Rngs(0))
    a, b = jnp.ones(3), jnp.arange(3.0)
    for of_sum, of_a, of_b, of_zero in zip(encoder(a + b), encoder(a), encoder(b), encoder(jnp.zeros(3)), strict=True):
        np.testing.assert_allclose(of_sum, of_a + of_b - of_zero, **FLOAT32)


@pytest.mark.parametrize("bound", ["elbo", "iwae"])
def test_every_parameter_receives_a_finite_gradient(bound):
    vae = make()
    graph, params = nnx.split(vae)
    grad = jax.jit(jax.grad(lambda p: getattr(nnx.merge(graph, p), bound)(jax.random.key(0), BITS, 2).sum()))
    leaves = jax.tree.leaves(grad(params))
    assert all(jnp.isfinite(leaf).all() for leaf in leaves)
    assert all((leaf != 0).any() for leaf in leaves)


def test_a_few_steps_lower_the_loss():
    vae, x = make(), jnp.tile(BITS, (8, 1))
    step = jax.jit(jax.value_and_grad(lambda params, key: negative_elbo(nnx.merge(graph, params), x, key)))
    graph, params = nnx.split(vae)
    losses = []
    for key in jax.random.split(jax.random.key(0), 60):
        loss, grads = step(params, key)
        params = jax.tree.map(lambda p, g: p - 0.05 * g, params, grads)
        losses.append(float(loss))
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.3


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((2, 6), 255, dtype=np.uint8), "0 to 1|0 and 1 only"),
        (np.full((2, 6), 0.5), "binarize"),
        (np.full((2, 6), np.nan), "NaN"),
        (np.ones((2, 7)), r"shape \(2, 7\); Vae was built for .* 6"),
    ],
)
@pytest.mark.parametrize("method", ["encode", "reconstruct", "elbo", "iwae", "elbo_terms"])
def test_bad_data_is_refused_with_the_mend(method, x, message):
    vae, key = make(), jax.random.key(0)
    call = {
        "elbo": lambda: vae.elbo(key, x),
        "iwae": lambda: vae.iwae(key, x, 2),
        "elbo_terms": lambda: vae.elbo_terms(key, x),
    }.get(method, lambda: getattr(vae, method)(x))
    with pytest.raises(ValueError, match=message):
        call()


def test_a_gaussian_vae_takes_real_numbers_but_no_nan():
    vae = make(Gaussian())
    assert jnp.isfinite(vae.elbo(jax.random.key(0), 3 * np.ones((2, 6)) - 5.5)).all()
    with pytest.raises(ValueError, match="NaN"):
        vae.elbo(jax.random.key(0), np.full((2, 6), np.inf))


def test_the_decoder_refuses_codes_of_the_wrong_size():
    with pytest.raises(ValueError, match="decoder of Vae"):
        make().decode(np.zeros(3))
    with pytest.raises(ValueError, match="z holds 2"):
        make().decode(np.full(2, np.nan))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "common"}, "no width to be learned"),
        ({"num_latents": 0}, "num_latents"),
        ({"hidden_sizes": [3, 0]}, "hidden size"),
    ],
)
def test_impossible_models_are_refused(changes, message):
    arguments = {"num_inputs": 6, "hidden_sizes": [8], "num_latents": 2} | changes
    with pytest.raises(ValueError, match=message):
        Vae(**arguments, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("method", ["elbo", "iwae"])
def test_a_bound_needs_a_sample(method):
    with pytest.raises(ValueError, match="num_samples"):
        getattr(make(), method)(jax.random.key(0), BITS, 0)


def test_a_width_of_zero_is_refused():
    with pytest.raises(ValueError, match="sigma is 0"):
        Gaussian(0.0)
