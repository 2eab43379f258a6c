"""Importance weights, β and free bits, likelihoods, a flow as posterior, diagnostics: by enumeration and quadrature."""

import itertools
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.distributions import Gaussian, Logistic
from course_lib.flows import IAF
from course_lib.probability import iwae_bound, kl_standard_normal
from course_lib.vae import (
    Vae,
    active_units,
    kl_per_latent,
    negative_elbo,
    negative_iwae,
    rate_parts,
    regularized_loss,
)
from tests.tolerances import FLOAT32, within_standard_errors

BITS = jax.random.bernoulli(jax.random.key(100), 0.4, (40, 6)).astype(jnp.float32)
GREY = jnp.round(jax.random.uniform(jax.random.key(101), (5, 6)) * 4) / 4


def make(**changes):
    return Vae(6, [8], 2, rngs=nnx.Rngs(0), **changes)


def flow_vae():
    """A flow whose last layers are no longer zero, so that it bends."""
    flow = IAF(2, 2, [8], num_context=4, rngs=nnx.Rngs(1)).bijection
    graph, params, rest = nnx.split(flow, nnx.Param, ...)
    params = jax.tree.map(lambda p: p + 0.3 * np.sin(np.arange(p.size)).reshape(p.shape).astype(np.float32), params)
    return make(flow=nnx.merge(graph, params, rest))


JOINT = np.array([0.10, 0.03, 0.07])  # p(x, z) for the observed x and z = 0, 1, 2
Q = np.array([0.2, 0.5, 0.3])


def exact_bound(q_drawn, q_divided, k):
    """E ln (1/k) Σ p(x, zᵢ)/q(zᵢ) over all 3ᵏ draws of (z₁, …, z_k)."""
    draws = np.array(list(itertools.product(range(3), repeat=k)))
    bounds = iwae_bound(np.log(JOINT)[draws], np.log(q_divided)[draws], axis=1)
    return float((q_drawn[draws].prod(axis=1) * np.asarray(bounds)).sum())


def test_three_states_by_enumeration_the_bound_rises_with_k_and_stays_below():
    bounds = [exact_bound(Q, Q, k) for k in range(1, 5)]
    log_p = np.log(JOINT.sum())
    np.testing.assert_allclose(bounds[0], (Q * np.log(JOINT / Q)).sum(), rtol=1e-5)
    assert (np.diff(bounds) > 1e-4).all()
    assert bounds[-1] < log_p
    posterior = JOINT / JOINT.sum()
    for k in (1, 3):
        np.testing.assert_allclose(exact_bound(posterior, posterior, k), log_p, rtol=1e-5)


def test_negative_control_weights_of_another_q_are_no_bound():
    assert exact_bound(np.array([0.9, 0.05, 0.05]), np.array([0.05, 0.05, 0.9]), 2) > np.log(JOINT.sum())


def test_the_iwae_of_a_vae_agrees_with_quadrature_over_its_latents():
    """Two latents on a grid give ln p(x); the bound with many samples reaches it, the one with few is below."""
    vae, x = make(), BITS[:3]
    t = np.linspace(-6, 6, 241, dtype=np.float32)
    grid = np.stack(np.meshgrid(t, t), -1).reshape(-1, 2)
    log_joint = jax.jit(jax.vmap(lambda z: vae.log_likelihood(x, jnp.broadcast_to(z, (3, 2)))))(grid)
    prior = -0.5 * (grid**2).sum(1) - np.log(2 * np.pi) + 2 * np.log(t[1] - t[0])
    exact = np.asarray(jax.scipy.special.logsumexp(log_joint + prior[:, None], axis=0))
    program = jax.jit(lambda keys, k: jax.vmap(lambda key: vae.iwae(key, x, k))(keys), static_argnums=1)
    before = -np.inf
    for k in (1, 8, 120):  # below, above and no multiple of the 50 samples drawn at once
        values = np.asarray(program(jax.random.split(jax.random.key(0), 200), k))
        mean, error = values.mean(0), values.std(0, ddof=1) / 200**0.5
        assert (mean < exact + 5 * error).all()
        assert (mean > before - 5 * error).all()
        before = mean
    assert (abs(mean - exact) < 0.02 + 5 * error).all()


def test_negative_iwae_is_the_mean_over_the_batch_and_one_sample_is_an_elbo():
    vae = make()
    np.testing.assert_allclose(
        negative_iwae(vae, BITS, jax.random.key(1), 3), -vae.iwae(jax.random.key(1), BITS, 3).mean(), **FLOAT32
    )


def test_regularized_loss_with_beta_1_is_the_negative_elbo_of_the_same_draw():
    vae = make()
    reconstruction, kl = vae.elbo_terms(jax.random.key(2), BITS)
    np.testing.assert_allclose(regularized_loss(vae, BITS, jax.random.key(2)), -(reconstruction - kl).mean(), **FLOAT32)
    np.testing.assert_allclose(
        regularized_loss(vae, BITS, jax.random.key(2), 3.0), (3 * kl - reconstruction).mean(), **FLOAT32
    )


def test_free_bits_cost_their_floor_and_push_nothing_below_it():
    vae = make()
    kl = kl_per_latent(vae, BITS)
    floor = float(kl.max()) + 0.1
    reconstruction = vae.elbo_terms(jax.random.key(3), BITS)[0].mean()
    np.testing.assert_allclose(
        regularized_loss(vae, BITS, jax.random.key(3), 1.0, floor), 2 * floor - reconstruction, **FLOAT32
    )
    graph, params = nnx.split(vae)

    @jax.jit
    def slope(free, beta):
        loss = lambda p: regularized_loss(nnx.merge(graph, p), BITS, jax.random.key(3), beta, free)  # noqa: E731
        return jax.grad(loss)(params)

    below, without, above = (jax.tree.leaves(slope(*pair)) for pair in [(floor, 1.0), (0.0, 0.0), (0.0, 1.0)])
    assert all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(below, without, strict=True))
    assert not all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(above, without, strict=True))  # control


@pytest.mark.parametrize("log_scale", [-4.0, -1.0, 2.0])
def test_the_discretized_logistic_sums_to_1_and_its_mean_is_the_sum_over_levels(log_scale):
    pixel, levels = Logistic(5), jnp.linspace(0, 1, 5)
    numbers = jnp.stack([jnp.linspace(-1.5, 1.5, 6), jnp.full(6, log_scale)], axis=-1)
    p = np.exp([pixel.log_prob(jnp.full(6, level), numbers) for level in levels])
    np.testing.assert_allclose(p.sum(0), 1.0, rtol=1e-5)
    np.testing.assert_allclose(pixel.mean(numbers), levels @ p, rtol=1e-4, atol=1e-6)
    drawn = np.asarray(pixel.sample(jax.random.key(0), jnp.broadcast_to(numbers, (4000, 6, 2))))
    for level, chance in zip(levels, p, strict=True):
        seen = np.isclose(drawn, level).mean(0)
        assert (abs(seen - chance) <= 5 * np.sqrt(chance * (1 - chance) / 4000) + 1e-6).all()
    assert not np.allclose(p[1:].sum(0), 1.0, rtol=1e-3)  # negative control: a level is missing


def test_a_logistic_vae_refuses_what_is_no_level():
    vae = make(likelihood=Logistic(5), scale="of the pixel")
    assert jnp.isfinite(vae.elbo(jax.random.key(0), GREY)).all()
    with pytest.raises(ValueError, match="levels"):
        vae.elbo(jax.random.key(0), GREY + 0.1)
    with pytest.raises(ValueError, match="levels is .*; expected a whole number of at least 2"):
        Logistic(1)


def test_a_learned_sigma_is_a_parameter_and_is_best_at_the_root_mean_squared_error():
    learned, fixed = make(likelihood=Gaussian(), scale="common"), make(likelihood=Gaussian(np.exp(-1)))
    np.testing.assert_allclose(learned.elbo(jax.random.key(4), GREY), fixed.elbo(jax.random.key(4), GREY), **FLOAT32)
    assert len(jax.tree.leaves(nnx.split(learned)[1])) == len(jax.tree.leaves(nnx.split(fixed)[1])) + 1
    z = jnp.zeros((5, 2))
    error = np.asarray(GREY - learned.decode(z))
    learned.decoder.log_scale[...] = jnp.float32(np.log(np.sqrt((error**2).mean())))
    slope = nnx.grad(lambda model: model.log_likelihood(GREY, z).sum())(learned)
    assert abs(float(slope.decoder.log_scale[...])) < 1e-3


def test_the_flow_s_density_is_that_of_its_draws():
    vae, x = flow_vae(), BITS[:4]
    mean, log_sigma = vae.encode(x)
    z, log_q = vae.draw(jax.random.key(5), mean, log_sigma)
    z0, log_det = vae.flow.inverse(z, jnp.concatenate([mean, log_sigma], axis=-1))
    normal = (-0.5 * ((z0 - mean) / jnp.exp(log_sigma)) ** 2 - log_sigma - 0.5 * np.log(2 * np.pi)).sum(-1)
    np.testing.assert_allclose(log_q, normal + log_det, rtol=1e-4, atol=1e-4)
    assert not np.allclose(log_q, normal, atol=1e-2)  # negative control: the determinant is forgotten


def test_the_flow_s_density_has_total_probability_1():
    """Quadrature in the plane, through the inverse, for one x."""
    vae, x = flow_vae(), BITS[:1]
    q = vae.encode(x)
    mean, log_sigma = (jnp.broadcast_to(v, (301 * 301, 2)) for v in q)
    draws = np.asarray(vae.draw(jax.random.key(6), mean[:2000], log_sigma[:2000])[0])
    axes = [
        np.linspace(draws[:, i].mean() - 9 * draws[:, i].std(), draws[:, i].mean() + 9 * draws[:, i].std(), 301)
        for i in (0, 1)
    ]
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2).astype(np.float32)
    z0, log_det = vae.flow.inverse(jnp.asarray(grid), jnp.concatenate([mean, log_sigma], axis=-1))
    log_q = (-0.5 * ((z0 - mean) / jnp.exp(log_sigma)) ** 2 - log_sigma - 0.5 * np.log(2 * np.pi)).sum(-1) + log_det
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert float(np.exp(log_q).sum() * cell) == pytest.approx(1.0, abs=0.01)  # the grid is coarse


def test_a_new_flow_is_the_identity_and_its_elbo_agrees_with_the_closed_form():
    vae = make()
    bent = make(flow=IAF(2, 2, [8], num_context=4, rngs=nnx.Rngs(1)).bijection)
    np.testing.assert_allclose(bent.iwae(jax.random.key(7), BITS, 3), vae.iwae(jax.random.key(7), BITS, 3), **FLOAT32)
    keys = jax.random.split(jax.random.key(7), 3000)
    values = np.asarray(jax.jit(jax.vmap(lambda key: bent.elbo_terms(key, BITS[:5])[1].mean()))(keys))
    exact = float(kl_standard_normal(*vae.encode(BITS[:5])).sum(-1).mean())
    assert within_standard_errors(values.mean(), exact, values.std(ddof=1) / 3000**0.5)


def test_kl_per_latent_agrees_with_quadrature():
    vae = make()
    mean, log_sigma = map(np.asarray, vae.encode(BITS))
    t = np.linspace(-30, 30, 60_001)[:, None]
    for j in (0, 1):
        log_q = -0.5 * ((t - mean[:, j]) / np.exp(log_sigma[:, j])) ** 2 - log_sigma[:, j] - 0.5 * np.log(2 * np.pi)
        log_p = -0.5 * t**2 - 0.5 * np.log(2 * np.pi)
        by_sum = (np.exp(log_q) * (log_q - log_p)).sum(0) * 1e-3
        np.testing.assert_allclose(kl_per_latent(vae, BITS)[j], by_sum.mean(), rtol=1e-4)


def test_active_units_are_those_whose_mean_moves():
    vae = make()
    vae.encoder.mean.kernel[...] = vae.encoder.mean.kernel[...].at[:, 1].set(0.0)
    np.testing.assert_array_equal(active_units(vae, BITS), [True, False])
    assert not active_units(vae, BITS, threshold=1e6).any()


def test_the_two_parts_of_the_rate_agree_with_quadrature():
    """One latent: the aggregate posterior on a line, and the KL from the prior by a sum."""
    vae = Vae(6, [], 1, rngs=nnx.Rngs(0))
    vae.encoder.log_sigma.kernel[...] *= 0.2
    mean, log_sigma = (np.asarray(v)[:, 0] for v in vae.encode(BITS))
    t = np.linspace(-15, 15, 30_001)[:, None]
    q = np.exp(-0.5 * ((t - mean) / np.exp(log_sigma)) ** 2 - log_sigma - 0.5 * np.log(2 * np.pi)).mean(1)
    log_prior = -0.5 * t[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    away = (q * (np.log(q + 1e-300) - log_prior)).sum() * 1e-3
    program = jax.jit(jax.vmap(lambda key: jnp.stack(rate_parts(key, vae, BITS))))
    values = np.asarray(program(jax.random.split(jax.random.key(8), 400)))
    error, rate = values.std(0, ddof=1) / 400**0.5, float(kl_per_latent(vae, BITS).sum())
    assert within_standard_errors(values[:, 1].mean(), away, error[1])
    assert within_standard_errors(values[:, 0].mean(), rate - away, error[0])
    assert 0.1 < rate - away < np.log(len(BITS))


def test_gradients_agree_with_finite_differences_in_float64():
    code = """
        import jax
        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp, numpy as np
        from flax import nnx
        from course_lib.distributions import Gaussian, Logistic
        from course_lib.flows import IAF
        from course_lib.vae import Vae, negative_elbo, negative_iwae, regularized_loss

        x = jnp.array([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]])
        flow = IAF(2, 1, [3], num_context=4, rngs=nnx.Rngs(1)).bijection
        cases = [
            (lambda m, k: negative_iwae(m, x, k, 3), {}),
            (lambda m, k: regularized_loss(m, x, k, 2.5, 0.01), {"likelihood": Gaussian(), "scale": "common"}),
            (lambda m, k: negative_elbo(m, x, k), {"flow": flow}),
            (lambda m, k: negative_elbo(m, x, k), {"likelihood": Logistic(5), "scale": "of the pixel"}),
        ]
        for loss, options in cases:
            graph, params, rest = nnx.split(Vae(4, [3], 2, rngs=nnx.Rngs(0), **options), nnx.Param, ...)
            flat, unravel = jax.flatten_util.ravel_pytree(jax.tree.map(lambda p: p.astype(jnp.float64), params))
            value = jax.jit(lambda flat: loss(nnx.merge(graph, unravel(flat), rest), jax.random.key(3)))
            got, h = np.asarray(jax.grad(value)(flat)), 1e-5
            steps = [(value(flat + h * e) - value(flat - h * e)) / (2 * h) for e in jnp.eye(flat.size)]
            np.testing.assert_allclose(got, np.asarray(steps), rtol=1e-6, atol=1e-8)
            assert (got != 0).any()
            assert not np.allclose(1.01 * got, np.asarray(steps), rtol=1e-6, atol=1e-8)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "options", [{"likelihood": Logistic(5), "scale": "of the pixel"}, {"likelihood": Gaussian(), "scale": "common"}]
)
def test_samples_and_reconstructions_keep_their_shape(options):
    vae = make(**options)
    assert vae.sample(jax.random.key(9), (2, 3)).shape == (2, 3, 6)
    assert vae.reconstruct(GREY).shape == GREY.shape
    assert jnp.isfinite(negative_elbo(vae, GREY, jax.random.key(10)))
