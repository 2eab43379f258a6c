"""DARN against enumeration: of its hidden bits, of its visible ones, and of the pairs that its gradient is made of."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy.stats import chi2

from course_lib.autoregressive import Darn, antithetic_bits, description_length, disarm_slope, enumerate_binary
from course_lib.probability import bernoulli_log_prob
from course_lib.training import fit
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32, within_standard_errors

D, K = 6, 3
EVERY_X, EVERY_H = enumerate_binary(D), enumerate_binary(K)


def make(hidden_sizes=(), encoder_sizes=(5,), seed=0) -> Darn:
    return perturbed(Darn(D, K, hidden_sizes, encoder_sizes=encoder_sizes, rngs=nnx.Rngs(seed)), seed)


every_depth = pytest.mark.parametrize("hidden_sizes", [(), (16,)], ids=["linear", "deep"])


def log_q_table(model: Darn, x) -> jax.Array:
    """log q(h|x) for every h, one row for each x."""
    logits = model.encode(x)
    shape = (*logits.shape[:-1], 2**K, K)
    return bernoulli_log_prob(jnp.broadcast_to(EVERY_H, shape), jnp.broadcast_to(logits[..., None, :], shape)).sum(-1)


def exact_elbo(model: Darn, x) -> jax.Array:
    """Σ_h q(h|x) [log p(h, x) − log q(h|x)], differentiable in all parameters."""
    log_q = log_q_table(model, x)
    return (jnp.exp(log_q) * (model.log_joint_table(x) - log_q)).sum(axis=-1)


@every_depth
def test_the_joint_sums_to_one_and_so_does_the_prior(hidden_sizes):
    model = make(hidden_sizes)
    table = model.log_joint_table(EVERY_X)
    assert table.shape == (2**D, 2**K)
    assert abs(float(jnp.exp(table).sum()) - 1) < 1e-5
    assert abs(float(jnp.exp(model.exact_log_prob(EVERY_X)).sum()) - 1) < 1e-5
    log_prior, log_likelihood = model.log_prior_and_likelihood(EVERY_H, EVERY_X[9])
    np.testing.assert_allclose(jnp.exp(log_prior), jnp.exp(table).sum(axis=0), rtol=1e-4)  # a sum of 64 terms
    np.testing.assert_allclose(log_prior + log_likelihood, table[9], **FLOAT32)
    assert np.ptp(np.asarray(log_prior)) > 1, "a uniform prior would hide a wrong one"


def test_without_the_prior_the_sum_is_not_one():
    model = make()
    _, log_likelihood = model.log_prior_and_likelihood(EVERY_H[:, None].repeat(2**D, axis=1), EVERY_X)
    np.testing.assert_allclose(jnp.exp(log_likelihood).sum(), 2**K, rtol=1e-5)


@every_depth
def test_the_gap_of_the_bound_is_the_divergence_from_the_posterior(hidden_sizes):
    model = make(hidden_sizes)
    log_p, bound = model.exact_log_prob(EVERY_X), exact_elbo(model, EVERY_X)
    posterior = jax.nn.softmax(model.log_joint_table(EVERY_X), axis=-1)
    log_q = log_q_table(model, EVERY_X)
    gap = (jnp.exp(log_q) * (log_q - jnp.log(posterior))).sum(axis=-1)
    assert (gap > 0).all()
    assert gap.max() > 0.1
    np.testing.assert_allclose(log_p - bound, gap, rtol=1e-4, atol=1e-5)  # a difference of sums over h


def test_the_bounds_are_ordered_and_unbiased():
    model, x = make(), EVERY_X[jnp.array([3, 40])]
    draws = jax.jit(jax.vmap(lambda key: model.elbo(key, x, 2)))(jax.random.split(jax.random.key(1), 1000))
    exact = exact_elbo(model, x)
    for estimates, truth in zip(draws.T, exact, strict=True):
        assert within_standard_errors(estimates.mean(), truth, estimates.std() / len(estimates) ** 0.5)
        assert not within_standard_errors(estimates.mean(), truth - 0.5, estimates.std() / len(estimates) ** 0.5)
    iwae = jax.jit(partial(model.iwae, num_samples=20))
    tighter = jax.vmap(lambda key: iwae(key, x))(jax.random.split(jax.random.key(2), 500)).mean(axis=0)
    log_p = model.exact_log_prob(x)
    assert (exact < tighter).all()
    assert (tighter < log_p).all()
    np.testing.assert_allclose(model.iwae(jax.random.key(3), x, 20_000), log_p, atol=0.05)


@pytest.mark.parametrize("logit", [-1.5, 0.0, 0.7])
def test_a_pair_is_fair_and_disagrees_as_often_as_it_can(logit):
    h, mirror = antithetic_bits(jax.random.key(0), jnp.full(20_000, logit))
    p = float(jax.nn.sigmoid(logit))
    for bits in (h, mirror):
        assert within_standard_errors(bits.mean(), p, (p * (1 - p) / 20_000) ** 0.5)
    often = 2 * min(p, 1 - p)
    assert abs(float((h != mirror).mean()) - often) < 5 * (0.25 / 20_000) ** 0.5


def test_the_slope_is_unbiased_for_any_function_of_the_bits():
    logits, values = jnp.array([0.8, -1.2, 0.1]), jax.random.normal(jax.random.key(5), (2**K,))

    def mean_value(logits):
        return (values * jnp.exp(bernoulli_log_prob(EVERY_H, jnp.broadcast_to(logits, (2**K, K))).sum(axis=-1))).sum()

    exact = jax.grad(mean_value)(logits)
    h, mirror = antithetic_bits(jax.random.key(6), jnp.broadcast_to(logits, (40_000, K)))
    look_up = lambda bits: values[(bits @ 2 ** jnp.arange(K)[::-1]).astype(int)]  # noqa: E731
    slopes = disarm_slope(jnp.broadcast_to(logits, h.shape), h, mirror, look_up(h), look_up(mirror))
    error = slopes.std(axis=0) / len(slopes) ** 0.5
    for j in range(K):
        assert within_standard_errors(slopes[:, j].mean(), exact[j], error[j])
    without_sigmoid = (0.5 * (look_up(h) - look_up(mirror))[:, None] * (h - mirror)).mean(axis=0)
    assert (jnp.abs(without_sigmoid - exact) > 5 * error).any()


@every_depth
def test_the_gradient_of_the_loss_is_unbiased_for_all_parameters(hidden_sizes):
    model = make(hidden_sizes, encoder_sizes=())
    x = jax.random.bernoulli(jax.random.key(7), 0.5, (4, D)).astype(float)
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def flat_gradient(loss):
        gradient = jax.grad(lambda p: loss(nnx.merge(graph, p, rest)))(params)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(gradient)])

    exact = flat_gradient(lambda m: -exact_elbo(m, x).mean())
    keys = jax.random.split(jax.random.key(8), 2000)
    draws = np.asarray(jax.jit(jax.vmap(lambda key: flat_gradient(lambda m: description_length(m, x, key))))(keys))
    error = draws.std(axis=0) / len(keys) ** 0.5
    alive = error > 1e-7  # masked weights and output biases of certain slope do not vary
    assert alive.sum() > 30
    assert (np.abs(draws.mean(axis=0) - exact)[alive] < 5 * error[alive]).all()
    np.testing.assert_allclose(draws.mean(axis=0)[~alive], exact[~alive], atol=1e-5)


def test_no_gradient_reaches_the_encoder_without_the_estimator():
    """Negative control: differentiating the value itself, the encoder would not learn."""
    model, x = make(), EVERY_X[:8]

    def naive(model):
        h, _ = antithetic_bits(jax.random.key(0), model.encode(x))
        return -model.log_joint(h, x).mean()

    gradients = nnx.jit(nnx.grad(naive))(model)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradients["encoder"]))
    loss_gradients = nnx.jit(nnx.grad(description_length))(model, x, jax.random.key(0))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(loss_gradients["encoder"]))


def test_the_loss_is_the_description_length_and_its_weight_is_that_of_the_divergence():
    model, x = make(), EVERY_X[:16]
    for weight in (1.0, 0.25):
        keys = jax.random.split(jax.random.key(9), 4000)
        losses = jax.jit(jax.vmap(partial(description_length, model, x, kl_weight=weight)))(keys)
        table, q = model.log_joint_table(x), jnp.exp(log_q_table(model, x))
        log_prior = model.log_prior_and_likelihood(EVERY_H, x[0])[0]
        log_prior = jnp.broadcast_to(log_prior, q.shape)
        divergence = (q * (jnp.log(q) - log_prior)).sum(axis=-1)
        expected = (-(q * (table - log_prior)).sum(axis=-1) + weight * divergence).mean()
        assert within_standard_errors(losses.mean(), expected, losses.std() / len(losses) ** 0.5)


@every_depth
def test_hidden_bits_come_first_and_nothing_leaks(hidden_sizes):
    model = make(hidden_sizes)
    points = jax.random.uniform(jax.random.key(0), (64, K + D), minval=-1, maxval=2)
    jacobians = jax.jit(jax.vmap(jax.jacobian(model.joint.conditional_logits)))(points)
    np.testing.assert_array_equal((jacobians != 0).any(axis=0).T, np.triu(np.ones((K + D, K + D)), k=1))


def test_sampled_frequencies_agree_with_the_exact_probabilities():
    model, other, n = make(), make(seed=1), 20_000
    samples = np.asarray(model.sample(jax.random.key(4), (n,)), int)
    assert model.sample(jax.random.key(4), (2, 3)).shape == (2, 3, D)
    observed = np.bincount(samples @ 2 ** np.arange(D)[::-1], minlength=2**D)

    def rejects(probabilities):
        expected = n * np.asarray(probabilities, float)
        few = expected < 5
        pooled = [np.append(counts[~few], counts[few].sum()) for counts in (observed, expected)]
        keep = pooled[1] > 0
        statistic = ((pooled[0] - pooled[1])[keep] ** 2 / pooled[1][keep]).sum()
        return statistic > chi2.isf(1e-6, keep.sum() - 1)

    assert not rejects(jnp.exp(model.exact_log_prob(EVERY_X)))
    assert rejects(jnp.exp(other.exact_log_prob(EVERY_X)))


def test_training_uses_the_hidden_bit_that_explains_all_pixels():
    """Six copies of one coin: without arrows between pixels only h can carry it, and the bound becomes tight."""
    coin = jax.random.bernoulli(jax.random.key(0), 0.5, (256, 1)).astype(float)
    x = jnp.broadcast_to(coin, (256, D))
    model = Darn(D, 1, rngs=nnx.Rngs(1))
    layer = model.joint.layers[0]
    layer.mask[...] = layer.mask[...].at[1:].set(0.0)  # from h to all pixels, from no pixel to another
    settings = {"epochs": 100, "batch_size": 64, "optimizer": optax.adam(0.1), "progress": False}
    fit(model, description_length, x, key=jax.random.key(1), **settings)
    nats, bound = -model.exact_log_prob(x).mean(), -model.elbo(jax.random.key(2), x, 20).mean()
    assert np.log(2) - 0.05 < nats < np.log(2) + 0.05, "independent pixels take 6 log 2"
    assert nats - 1e-3 < bound < nats + 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.encode(np.zeros((2, 5))), r"x has shape \(2, 5\); Darn was built for"),
        (lambda m: m.exact_log_prob(np.zeros(5)), r"x has shape \(5,\); Darn was built for"),
        (lambda m: m.elbo(jax.random.key(0), np.full(D, 0.5)), "values from 0.5 to 0.5; a Bernoulli likelihood"),
        (lambda m: m.exact_log_prob(np.full(D, 3)), "values from 3 to 3"),
        (lambda m: m.log_joint(np.zeros(4), np.zeros(D)), "the latent layer of Darn"),
        (lambda m: m.log_joint(np.full(K, 0.5), np.zeros(D)), "h has values from 0.5"),
        (lambda m: m.iwae(jax.random.key(0), np.zeros(D), 0), "num_samples is 0"),
        (lambda m: Darn(0, 3, rngs=nnx.Rngs(0)), "num_inputs is 0"),
        (lambda m: Darn(3, 0, rngs=nnx.Rngs(0)), "num_latents is 0"),
        (lambda m: Darn(3, 2, encoder_sizes=(0,), rngs=nnx.Rngs(0)), "an encoder size is 0"),
        (lambda m: Darn(3, 21, rngs=nnx.Rngs(0)).exact_log_prob(np.zeros(3)), "n is 21"),
    ],
)
def test_bad_inputs_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(make())
