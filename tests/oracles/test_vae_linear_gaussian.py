"""A linear-Gaussian VAE, where ln p(x) and the posterior are exact.

z ~ N(0, I), x|z ~ N(W z + b, σ² I): x ~ N(b, W Wᵀ + σ² I), and p(z|x) = N(S Wᵀ(x − b)/σ², S) with
S = (I + WᵀW/σ²)⁻¹, which is diagonal because the columns of W are orthogonal here.
"""

import subprocess
import sys
import textwrap
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from course_lib.distributions import Gaussian
from course_lib.probability import kl_standard_normal, normal_log_prob, standard_normal_log_prob
from course_lib.probability.divergences import kl_normal
from course_lib.vae import Vae, negative_elbo, reparameterize
from tests.tolerances import FLOAT32, within_standard_errors

RNG = np.random.default_rng(0)
D, K, SIGMA = 5, 2, 0.7
W = np.linalg.qr(RNG.normal(size=(D, K)))[0] * np.array([1.5, 0.6])
B = RNG.normal(size=D)
S = 1 / (1 + (W**2).sum(0) / SIGMA**2)
X = (RNG.normal(size=(6, K)) @ W.T + B + SIGMA * RNG.normal(size=(6, D))).astype(np.float32)
EXACT = stats.multivariate_normal(B, W @ W.T + SIGMA**2 * np.eye(D)).logpdf(X)


def linear_vae(shift=0.0, widen=0.0):
    """A VAE at the exact parameters; its posterior mean moved by `shift`, its ln σ by `widen`."""
    vae = Vae(D, [], K, likelihood=Gaussian(SIGMA), rngs=nnx.Rngs(0))
    decoder, mean, log_sigma = vae.decoder.network.layers[-1], vae.encoder.mean, vae.encoder.log_sigma
    decoder.kernel[...], decoder.bias[...] = jnp.asarray(W.T, dtype=float), jnp.asarray(B, dtype=float)
    to_mean = W / SIGMA**2 * S
    mean.kernel[...], mean.bias[...] = jnp.asarray(to_mean, dtype=float), jnp.asarray(-B @ to_mean + shift, dtype=float)
    log_sigma.kernel[...] = jnp.zeros((D, K))
    log_sigma.bias[...] = jnp.asarray(0.5 * np.log(S) + widen, dtype=float)
    return vae


def gap(vae):
    """KL(q(z|x)‖p(z|x)) in closed form."""
    mean, log_sigma = vae.encode(X)
    posterior = (X - B) @ W / SIGMA**2 * S
    return kl_normal(mean, log_sigma, posterior, np.broadcast_to(0.5 * np.log(S), posterior.shape)).sum(-1)


def repeats(bound, n=2000):
    """Mean and standard error of a bound over n independent keys, for each x."""
    values = jax.jit(jax.vmap(bound))(jax.random.split(jax.random.key(0), n))
    return np.asarray(values.mean(0)), np.asarray(values.std(0, ddof=1)) / n**0.5


def test_at_the_true_posterior_every_sample_gives_ln_p_exactly():
    """ln p(x, z) − ln q(z|x) is ln p(x) for each z: IWAE has no variance, whatever the number of samples."""
    vae = linear_vae()
    np.testing.assert_allclose(gap(vae), 0, atol=1e-5)
    for k in (1, 4):
        np.testing.assert_allclose(vae.iwae(jax.random.key(k), X, k), EXACT, **FLOAT32)


def test_at_the_true_posterior_the_elbo_is_ln_p():
    """E_q ln p(x|z) in closed form: the mean's log-density less Σ_j S_j ‖W_j‖²/2σ²."""
    vae = linear_vae()
    mean, log_sigma = vae.encode(X)
    reconstruction = vae.log_likelihood(X, mean) - 0.5 * (S * (W**2).sum(0)).sum() / SIGMA**2
    np.testing.assert_allclose(reconstruction - kl_standard_normal(mean, log_sigma).sum(-1), EXACT, **FLOAT32)
    estimate, error = repeats(lambda key: vae.elbo(key, X, 2))
    assert all(within_standard_errors(*row) for row in zip(estimate, EXACT, error, strict=True))


@pytest.mark.parametrize("change", [{"shift": 0.6}, {"widen": -0.8}, {"shift": -0.2, "widen": 0.7}])
def test_away_from_the_posterior_the_elbo_is_lower_by_exactly_the_kl(change):
    vae = linear_vae(**change)
    estimate, error = repeats(lambda key: vae.elbo(key, X, 2))
    assert all(within_standard_errors(*row) for row in zip(estimate, EXACT - gap(vae), error, strict=True))
    assert (estimate < EXACT - 5 * error).all()


def test_iwae_rises_from_the_elbo_to_ln_p():
    vae = linear_vae(shift=0.4, widen=0.3)
    results = [repeats(lambda key, k=k: vae.iwae(key, X, k).mean(), n=1000) for k in (1, 10, 200)]
    for (low, low_error), (high, high_error) in pairwise(results):
        assert high - low > 2 * np.hypot(low_error, high_error)
    last, error = results[-1]
    assert last < EXACT.mean() + 5 * error
    np.testing.assert_allclose(last, EXACT.mean(), atol=0.01)


def law_holds(estimate, error):
    """A lower bound may exceed ln p(x) by noise alone, and may not be below it by more than the gap explains."""
    return bool((estimate < EXACT + 5 * error).all())


def test_negative_controls_a_mean_over_pixels_and_a_missing_kl_are_no_bounds():
    vae = linear_vae(widen=-1.5)

    def pixel_mean(key):
        mean, log_sigma = vae.encode(X)
        log_p = normal_log_prob(X, vae.decode(reparameterize(key, mean, log_sigma)), jnp.log(SIGMA)).mean(-1)
        return log_p - kl_standard_normal(mean, log_sigma).mean(-1)

    assert law_holds(*repeats(lambda key: vae.elbo(key, X)))
    assert not law_holds(*repeats(pixel_mean))
    assert not law_holds(*repeats(lambda key: vae.elbo_terms(key, X)[0]))


def elbo_gradient(mean, log_sigma, x):
    """∂ELBO/∂(μ, ln σ) of one x in closed form."""
    residual = (x - B - W @ mean) @ W / SIGMA**2
    variance = np.exp(2 * log_sigma)
    return residual - mean, -variance * (W**2).sum(0) / SIGMA**2 - variance + 1


def test_reparameterised_and_score_function_gradients_share_the_exact_mean():
    vae, x, n = linear_vae(shift=0.3, widen=0.4), X[0], 8000
    q = vae.encode(x)

    def log_ratio(z, mean, log_sigma):
        log_q = normal_log_prob(z, mean, log_sigma).sum(-1)
        return vae.log_likelihood(x, z) + standard_normal_log_prob(z) - log_q

    def reparameterised(key):
        return jax.grad(lambda q: log_ratio(reparameterize(key, *q), *q))(q)

    def score_function(key):
        z = reparameterize(key, *q)
        score = jax.grad(lambda q: normal_log_prob(z, *q).sum())(q)
        return tuple(log_ratio(z, *q) * part for part in score)

    spread = {}
    for name, estimator in {"trick": reparameterised, "score": score_function}.items():
        samples = jax.jit(jax.vmap(estimator))(jax.random.split(jax.random.key(1), n))
        spread[name] = np.concatenate([np.asarray(part.std(0)) for part in samples])
        for part, exact in zip(samples, elbo_gradient(*q, x), strict=True):
            errors = part.std(0, ddof=1) / n**0.5
            assert all(within_standard_errors(*row) for row in zip(part.mean(0), exact, errors, strict=True))
    assert (spread["score"] > 3 * spread["trick"]).all()


def test_without_the_trick_the_decoder_gives_the_encoder_no_gradient():
    """The negative control: a sample cut off from μ leaves only the KL's gradient."""
    vae = linear_vae(shift=0.3)

    def naive(encoder):
        z = jax.lax.stop_gradient(reparameterize(jax.random.key(0), *encoder(jnp.asarray(X))))
        return vae.log_likelihood(X, z).sum()

    assert all((leaf == 0).all() for leaf in jax.tree.leaves(nnx.as_pure(nnx.grad(naive)(vae.encoder))))


def test_gradients_of_the_loss_agree_with_finite_differences_in_float64():
    code = """
        import jax
        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp, numpy as np
        from flax import nnx
        from course_lib.distributions import Bernoulli, Gaussian
        from course_lib.vae import Vae, negative_elbo

        for likelihood in (Bernoulli(), Gaussian(0.5)):
            graph, params = nnx.split(Vae(4, [], 2, likelihood=likelihood, rngs=nnx.Rngs(0)))
            flat, unravel = jax.flatten_util.ravel_pytree(jax.tree.map(lambda p: p.astype(jnp.float64), params))
            x = jnp.array([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]])
            loss = jax.jit(lambda flat: negative_elbo(nnx.merge(graph, unravel(flat)), x, jax.random.key(3)))
            got, h = np.asarray(jax.grad(loss)(flat)), 1e-5
            steps = [(loss(flat + h * e) - loss(flat - h * e)) / (2 * h) for e in jnp.eye(flat.size)]
            np.testing.assert_allclose(got, np.asarray(steps), rtol=1e-7, atol=1e-8)
            assert got.dtype == np.float64 and (got != 0).all()
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr


def test_training_the_linear_vae_reaches_the_maximum_likelihood_solution():
    """Probabilistic PCA is the closed-form optimum: no bound on the training data may exceed its mean ln p(x)."""
    data = (np.random.default_rng(1).normal(size=(400, 1)) * np.array([[2.0, -1.0, 0.5]])).astype(np.float32)
    data += 0.5 * np.random.default_rng(2).normal(size=data.shape).astype(np.float32)
    data -= data.mean(0)
    values, vectors = np.linalg.eigh(np.cov(data.T, bias=True))
    direction = vectors[:, -1:] * np.sqrt(values[-1] - 0.25)
    best = stats.multivariate_normal(np.zeros(3), direction @ direction.T + 0.25 * np.eye(3)).logpdf(data).mean()

    graph, params = nnx.split(Vae(3, [], 1, likelihood=Gaussian(0.5), rngs=nnx.Rngs(0)))

    def loss(params, key):
        return negative_elbo(nnx.merge(graph, params), data, key)

    @jax.jit
    def train(params):
        def step(params, key):
            return jax.tree.map(lambda p, g: p - 0.002 * g, params, jax.grad(loss)(params, key)), None

        return jax.lax.scan(step, params, jax.random.split(jax.random.key(0), 8000))[0]

    trained = nnx.merge(graph, train(params))
    bounds = jax.vmap(lambda key: trained.elbo(key, data).mean())(jax.random.split(jax.random.key(2), 200))
    error = bounds.std(ddof=1) / 200**0.5
    assert bounds.mean() < best + 5 * error
    assert bounds.mean() > best - 0.02
