"""Every structure with every distribution: total probability 1, samples that follow it, no leaks, equal samplers."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from course_lib.autoregressive import (
    Autoregressive,
    Darn,
    Made,
    Nade,
    OrderlessNade,
    PixelCNN,
    SingleStackPixelCNN,
    negative_log_likelihood,
    orderless_loss,
)
from course_lib.autoregressive.sampling import chooser, make_request
from course_lib.distributions import (
    Bernoulli,
    Categorical,
    Gaussian,
    GaussianMixture,
    Logistic,
    LogisticMixture,
)
from course_lib.probability import mean_and_error
from course_lib.vae import M2, ConvolutionalVae, Vae
from tests.compiled import ENVIRONMENT
from tests.laws.registry import perturbed
from tests.places.people import environment, python
from tests.tolerances import FLOAT32

LEVELS = {
    "bits": Bernoulli(), "softmax": Categorical(3), "logistic": Logistic(3), "logistic mixture": LogisticMixture(3, 2)
}  # fmt: skip
REALS = {"Gaussian": Gaussian(), "Gaussian of given width": Gaussian(0.7), "Gaussian mixture": GaussianMixture(2)}
ORDER = [2, 0, 3, 1]
STRUCTURES = {
    "Made": lambda p: Made(4, (9,), likelihood=p, ordering=ORDER, rngs=nnx.Rngs(0)),
    "Made, direct": lambda p: Made(4, (6, 5), likelihood=p, direct=True, rngs=nnx.Rngs(0)),
    "Nade": lambda p: Nade(4, 5, likelihood=p, ordering=ORDER, rngs=nnx.Rngs(0)),
    "OrderlessNade": lambda p: OrderlessNade(4, (7, 6), likelihood=p, ordering=ORDER, rngs=nnx.Rngs(0)),
    "PixelCNN": lambda p: PixelCNN((2, 2), 4, (1,), likelihood=p, first_radius=1, rngs=nnx.Rngs(0)),
    "SingleStackPixelCNN": lambda p: SingleStackPixelCNN((2, 2), 4, (1,), likelihood=p, rngs=nnx.Rngs(0)),
}
N = 4000  # samples in each test of a pair: one compiled sampler serves them all
every_structure = pytest.mark.parametrize("structure", STRUCTURES)


def built(structure, likelihood):
    """Away from the start; a little only where a number is the logarithm of a width without bound."""
    return perturbed(STRUCTURES[structure](likelihood), 1, 0.1 if likelihood in REALS.values() else 0.4)


def every_image(model):
    """All vectors of levels, of the model's shape."""
    levels = model.likelihood.levels
    table = np.array(list(itertools.product(range(levels), repeat=model.num_inputs))) / (levels - 1)
    return table.astype(np.float32).reshape(-1, *model.event_shape)


def counts_of(samples, levels):
    rows = np.round(np.asarray(samples).reshape(len(samples), -1) * (levels - 1)).astype(int)
    return np.bincount(rows @ levels ** np.arange(rows.shape[1])[::-1], minlength=levels ** rows.shape[1])


def rejects(counts, p, false_alarm=1e-6):
    """Pearson's test; cells that expect fewer than 5 are pooled."""
    expected, few = counts.sum() * np.asarray(p, float), counts.sum() * np.asarray(p) < 5
    observed, expected = (np.append(a[~few], a[few].sum() + 1e-9) for a in (counts, expected))
    return ((observed - expected) ** 2 / expected).sum() > stats.chi2.isf(false_alarm, len(expected) - 1)


@every_structure
@pytest.mark.parametrize("likelihood", LEVELS.values(), ids=LEVELS)
def test_total_probability_is_one_and_samples_follow_it(structure, likelihood):
    model = built(structure, likelihood)
    x = every_image(model)
    p = np.exp(np.asarray(model.log_prob(x), float))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    samples = model.sample(jax.random.key(0), (N,))
    assert not rejects(counts_of(samples, likelihood.levels), p)
    assert rejects(counts_of(samples, likelihood.levels), np.roll(p, 1))  # negative control


@every_structure
@pytest.mark.parametrize("likelihood", [*LEVELS.values(), *REALS.values()], ids=[*LEVELS, *REALS])
def test_a_variable_s_numbers_depend_on_all_of_its_predecessors_and_on_nothing_else(structure, likelihood):
    model = built(structure, likelihood)
    x = jax.random.normal(jax.random.key(1), (16, *model.event_shape))
    numbers = lambda x: model.parameters(x).reshape(4, -1)  # noqa: E731
    slopes = np.asarray(jax.jit(jax.vmap(jax.jacobian(numbers)))(x)).reshape(16, 4, -1, 4)
    found = (slopes != 0).any(axis=(0, 2))  # [d, j]: do the numbers of variable d depend on x_j?
    position = np.argsort(model.ordering[...])
    np.testing.assert_array_equal(found, position[None, :] < position[:, None])


@partial(jax.jit, static_argnums=0)
def full_passes(graphdef, state, key, request):
    model = nnx.merge(graphdef, state)
    order = model.order_for(request.known)
    choose = chooser(model.likelihood, key, order, request)
    return Autoregressive.draw(model, choose, order, len(request.given), None, None)


@every_structure
@pytest.mark.parametrize("likelihood", [*LEVELS.values(), *REALS.values()], ids=[*LEVELS, *REALS])
def test_the_fast_sampler_draws_what_full_passes_draw(structure, likelihood):
    model = built(structure, likelihood)
    first = np.asarray(model.ordering[...])[:2]
    known = np.isin(np.arange(4), first).astype(float).reshape(model.event_shape)
    given = np.asarray(model.sample(jax.random.key(2), (N,)))
    for temperature, kept in ((1.0, np.zeros_like(known)), (0.6, known)):  # one program for both
        fast = model.sample(jax.random.key(3), (N,), temperature=temperature, given=given, known=kept)
        request = make_request(model.event_shape, (N,), temperature, given, kept, model.likelihood)
        slow = full_passes(*nnx.split(model), jax.random.key(3), request).reshape(fast.shape)
        tolerance = {"rtol": 1e-4, "atol": 1e-4} if likelihood in REALS.values() else {"rtol": 0, "atol": 0}
        np.testing.assert_allclose(fast, slow, **tolerance)
        np.testing.assert_array_equal(np.asarray(fast)[:, kept > 0], given[:, kept > 0])


@every_structure
@pytest.mark.parametrize("likelihood", REALS.values(), ids=REALS)
def test_densities_of_reals_follow_the_probability_integral_transform(structure, likelihood):
    """u_d = P(X_d ≤ x_d | its predecessors) of samples is uniform; log_prob is the sum of the conditionals."""
    model = built(structure, likelihood)
    x = model.sample(jax.random.key(4), (N,))
    numbers = np.asarray(nnx.jit(lambda model: model.parameters(x))(model), float).reshape(N, 4, -1)
    if isinstance(likelihood, GaussianMixture):
        logits, mean, log_sigma = np.split(numbers, 3, axis=-1)
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    else:
        mean = numbers[..., :1]
        log_sigma = numbers[..., 1:] if likelihood.sigma is None else np.full_like(mean, np.log(likelihood.sigma))
        weights = np.ones_like(mean)
    flat = np.asarray(x, float).reshape(N, 4, 1)
    u = (weights * stats.norm.cdf(flat, mean, np.exp(log_sigma))).sum(-1)
    density = (weights * stats.norm.pdf(flat, mean, np.exp(log_sigma))).sum(-1)
    np.testing.assert_allclose(model.log_prob(x), np.log(density).sum(-1), rtol=1e-3, atol=1e-3)
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-5
    assert stats.kstest(u[:, 0] ** 1.2, "uniform").pvalue < 1e-5  # negative control


@pytest.mark.parametrize("likelihood", LEVELS.values(), ids=LEVELS)
def test_a_darn_of_any_levels_has_total_probability_one_and_samples_that_follow_it(likelihood):
    model = perturbed(Darn(3, 2, (6,), likelihood=likelihood, rngs=nnx.Rngs(0)), 0, 0.5)
    x = np.array(list(itertools.product(range(likelihood.levels), repeat=3)), np.float32) / (likelihood.levels - 1)
    p = np.exp(np.asarray(model.exact_log_prob(x), float))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    counts = counts_of(model.sample(jax.random.key(0), (20_000,)), likelihood.levels)
    assert not rejects(counts, p)
    assert rejects(counts, np.roll(p, 1))
    bounds = jax.jit(jax.vmap(lambda key: model.elbo(key, x[:2], 4)))(jax.random.split(jax.random.key(1), 400))
    mean, error = np.asarray(bounds).mean(0), np.asarray(bounds).std(0, ddof=1) / 20
    assert (mean < np.log(p[:2]) + 5 * error).all()


@pytest.mark.parametrize("likelihood", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("build", [Vae, ConvolutionalVae], ids=["dense", "convolutional"])
def test_a_vae_of_any_levels_has_total_probability_one_by_quadrature_over_its_code(build, likelihood):
    sizes = (4, [5], 1) if build is Vae else ((2, 2), (3,), 1)
    model = perturbed(build(*sizes, likelihood=likelihood, rngs=nnx.Rngs(0)), 0, 0.15)
    x = np.array(list(itertools.product(range(likelihood.levels), repeat=4)), np.float32) / (likelihood.levels - 1)
    z = np.linspace(-7, 7, 281, dtype=np.float32)
    per_code = jax.jit(lambda z: model.log_likelihood(x, jnp.broadcast_to(z, (len(x), 1))))
    joint = np.exp(np.stack([per_code(one) for one in z[:, None]]).astype(float)) * stats.norm.pdf(z)[:, None]
    p = np.trapezoid(joint, z, axis=0)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-4)
    one_weight = jax.jit(lambda keys: jax.lax.map(lambda key: model.iwae(key, x[:20], 1), keys))
    weights = np.exp(np.asarray(one_weight(jax.random.split(jax.random.key(0), 4000)), float))  # p(x, z) / q(z|x)
    mean, error = mean_and_error(weights)
    assert (np.abs(mean - p[:20]) < 5 * error).all()
    assert not (np.abs(1.3 * mean - p[:20]) < 5 * error).all()  # negative control
    counts = counts_of(model.sample(jax.random.key(0), (20_000,)), likelihood.levels)
    assert not rejects(counts, p)
    assert rejects(counts, np.roll(p, 1))


@pytest.mark.parametrize("likelihood", [*LEVELS.values(), *REALS.values()], ids=[*LEVELS, *REALS])
def test_m2_with_its_own_posterior_is_bounded_by_the_density_of_its_vae(likelihood):
    """With one class M2 is a Vae: the same numbers give the same bound."""
    m2 = M2(4, [5], 2, 1, likelihood=likelihood, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).integers(0, 2, (6, 4)).astype(np.float32)
    y = np.zeros(6, int)
    mean, log_sigma = m2.encode(x, y)
    z = mean + jnp.exp(log_sigma) * jax.random.normal(jax.random.key(0), mean.shape)
    numbers = m2.decoder(m2.with_class(z, y, 2))
    by_hand = likelihood.log_prob(x, numbers).sum(-1)
    kl = 0.5 * (mean**2 + jnp.exp(2 * log_sigma) - 1 - 2 * log_sigma).sum(-1)
    np.testing.assert_allclose(m2.labelled_bound(jax.random.key(0), x, y), by_hand - kl, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(m2.decode_mean(z, y), likelihood.mean(numbers), **FLOAT32)


@pytest.mark.parametrize("likelihood", [*LEVELS.values(), *REALS.values()], ids=[*LEVELS, *REALS])
def test_a_distribution_s_mean_and_tempered_draws_are_those_of_many_samples(likelihood):
    numbers = np.random.default_rng(1).normal(size=(3, likelihood.num_parameters))
    numbers = jnp.asarray(numbers, jnp.float32)
    many = jnp.broadcast_to(numbers[:, None], (3, 40_000, numbers.shape[1]))
    drawn = np.asarray(likelihood.sample(jax.random.key(0), many))
    error = drawn.std(axis=1, ddof=1) / 200
    assert (np.abs(drawn.mean(axis=1) - likelihood.mean(numbers)) < 5 * error).all()
    if not hasattr(likelihood, "levels"):
        return
    p = np.exp(2 * np.asarray(likelihood.level_log_probs(numbers), float))  # temperature 1/2
    p /= p.sum(axis=1, keepdims=True)
    cold = likelihood.draw(likelihood.noise(jax.random.key(1), (3, 40_000)), many, 0.5)
    for row, expected in zip(np.asarray(cold), p, strict=True):
        assert not rejects(
            np.bincount(np.round(row * (likelihood.levels - 1)).astype(int), minlength=likelihood.levels), expected
        )


@every_structure
@pytest.mark.parametrize("likelihood", [*LEVELS.values(), *REALS.values()], ids=[*LEVELS, *REALS])
def test_every_parameter_has_a_gradient(structure, likelihood):
    model = STRUCTURES[structure](likelihood)
    x = np.random.default_rng(0).integers(0, 2, (60, *model.event_shape)).astype(np.float32)
    loss = negative_log_likelihood
    if structure == "OrderlessNade":
        loss = orderless_loss
    gradients = nnx.jit(nnx.grad(lambda model: loss(model, x, jax.random.key(0))))(model)
    assert all(np.isfinite(g).all() and (np.asarray(g) != 0).any() for g in jax.tree.leaves(gradients))


WRONG_LIKELIHOODS = """
from flax import nnx
from course_lib.autoregressive import Darn, Made, Nade, OrderlessNade, PixelCNN
from course_lib.distributions import Bernoulli
from course_lib.vae import M2, ConvolutionalVae, Vae
builds = [
    lambda p: Made(4, (3,), likelihood=p, rngs=nnx.Rngs(0)), lambda p: Nade(4, 3, likelihood=p, rngs=nnx.Rngs(0)),
    lambda p: OrderlessNade(4, (3,), likelihood=p, rngs=nnx.Rngs(0)),
    lambda p: PixelCNN((2, 2), 3, (1,), likelihood=p, rngs=nnx.Rngs(0)),
    lambda p: Darn(4, 2, likelihood=p, rngs=nnx.Rngs(0)), lambda p: Vae(4, [3], 2, likelihood=p, rngs=nnx.Rngs(0)),
    lambda p: ConvolutionalVae((2, 2), (3,), 2, likelihood=p, rngs=nnx.Rngs(0)),
    lambda p: M2(4, [3], 2, 3, likelihood=p, rngs=nnx.Rngs(0)),
]
for build in builds:
    build(Bernoulli())
    for bad in ("bernoulli", Bernoulli, None, 2):
        try:
            build(bad)
        except ValueError as error:
            assert str(error).startswith("likelihood is"), error
        else:
            raise AssertionError(bad)
print(len(builds))
"""


def test_a_likelihood_must_be_a_distribution():
    """In a process of its own, as a learner runs it: the tests' checks of annotations would speak first."""
    done = python("-c", WRONG_LIKELIHOODS, env=environment(**ENVIRONMENT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["8"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": Bernoulli(), "scale": "common"}, "has no width to be learned"),
        ({"likelihood": Gaussian(0.5), "scale": "of the pixel"}, "has no width to be learned"),
        ({"likelihood": LogisticMixture(5), "scale": "common"}, "has no width to be learned"),
    ],
)
def test_a_width_must_be_there_to_be_learned(options, message):
    with pytest.raises(ValueError, match=message):
        Vae(4, [3], 2, rngs=nnx.Rngs(0), **options)
