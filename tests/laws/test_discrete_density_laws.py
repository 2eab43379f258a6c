"""What every density over binary vectors must satisfy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from benchmarks.density.redrawn_masks import Ensemble
from course_lib.autoregressive import (
    ensemble_log_prob,
    enumerate_binary,
    exact_conditionals,
    negative_log_likelihood,
)
from course_lib.probability import bernoulli_log_prob
from tests.laws.registry import DISCRETE_DENSITIES, perturbed
from tests.tolerances import FLOAT32

D = 12
every_density = pytest.mark.parametrize("build", DISCRETE_DENSITIES.values(), ids=DISCRETE_DENSITIES.keys())
SHUFFLED = {name: build for name, build in DISCRETE_DENSITIES.items() if "in order" not in name}
every_kind = pytest.mark.parametrize("build", SHUFFLED.values(), ids=SHUFFLED.keys())


def chi_square_rejects(samples, probabilities, false_alarm=1e-6) -> bool:
    """Pearson's test of samples against exact probabilities; cells that expect fewer than 5 are pooled."""
    n, d = samples.shape
    rows = (np.asarray(samples, int) * 2 ** np.arange(d)[::-1]).sum(axis=1)
    observed, expected = np.bincount(rows, minlength=2**d), n * np.asarray(probabilities, float)
    few = expected < 5
    if few.any():
        observed = np.append(observed[~few], observed[few].sum())
        expected = np.append(expected[~few], expected[few].sum())
    return bool(((observed - expected) ** 2 / expected).sum() > stats.chi2.isf(false_alarm, len(expected) - 1))


@every_density
def test_total_probability_is_one(build):
    log_p = build(D, 0).log_prob(enumerate_binary(D))
    assert abs(float(jnp.exp(log_p).sum()) - 1) < 1e-5
    assert float(log_p.max() - log_p.min()) > 2, "a nearly uniform model would make this law easy to meet"


def test_total_probability_of_the_ensemble_over_orderings_is_one():
    x = enumerate_binary(D)
    log_ps = jnp.stack([build(D, seed).log_prob(x) for seed, build in enumerate(SHUFFLED.values())])
    assert abs(float(jnp.exp(ensemble_log_prob(log_ps)).sum()) - 1) < 1e-5
    for wrong in (log_ps.mean(axis=0), jax.nn.logsumexp(log_ps, axis=0)):
        assert abs(float(jnp.exp(wrong).sum()) - 1) > 1e-2


@pytest.mark.parametrize("kind", ["Nade", "Made"])
def test_averaging_the_logits_of_two_orderings_is_no_distribution(kind):
    names = (f"{kind}, in order", f"{kind}, shuffled")
    models = [perturbed(DISCRETE_DENSITIES[name](D), seed=1, scale=4.0) for name in names]
    x = enumerate_binary(D)
    logits = jnp.stack([model.conditional_logits(x) for model in models]).mean(axis=0)
    assert abs(float(jnp.exp(bernoulli_log_prob(x, logits).sum(axis=1)).sum()) - 1) > 1e-2


@pytest.mark.parametrize(("name", "scale"), [("Made with everything", 0.7), ("DeepNADE", 0.3)])
def test_readings_of_one_model_average_their_probabilities(name, scale):
    """Every reading is a distribution, and so is their mean; the distribution of the mean logit is none."""
    x, keys = enumerate_binary(D), jax.random.split(jax.random.key(2), 6)
    ensemble = Ensemble(perturbed(DISCRETE_DENSITIES[name](D), seed=2, scale=scale), jax.random.clone(keys))
    readings = [ensemble.model.redrawn(key) for key in keys]
    log_p = ensemble.log_prob(x)
    assert abs(float(jnp.exp(log_p).sum()) - 1) < 1e-5
    each = jnp.stack([model.log_prob(x) for model in readings])
    assert float(jnp.abs(each[0] - each[1]).max()) > 1
    expected = np.log(np.exp(np.asarray(each, float)).mean(axis=0))  # float64: some probabilities are below 1e-38
    np.testing.assert_allclose(log_p, expected, rtol=1e-4)  # sums of twelve logits, compiled in two ways
    logits = jnp.stack([model.conditional_logits(x) for model in readings]).mean(axis=0)
    assert abs(float(jnp.exp(bernoulli_log_prob(x, logits).sum(axis=1)).sum()) - 1) > 1e-3


@every_kind
def test_conditionals_are_those_of_the_tabulated_joint(build):
    model, x = build(D, 0), enumerate_binary(D)
    exact = exact_conditionals(jnp.exp(model.log_prob(x)), model.ordering[...])
    # The table is a sum of up to 4096 rounded float32 probabilities.
    np.testing.assert_allclose(jnp.exp(bernoulli_log_prob(x, model.conditional_logits(x))), exact, rtol=5e-5)


@every_kind
def test_batch_equals_vmap_and_single(build):
    model = build(D, 0)
    x = jax.random.bernoulli(jax.random.key(0), 0.5, (3, 5, D)).astype(float)
    log_p = model.log_prob(x)
    assert log_p.shape == (3, 5)
    np.testing.assert_allclose(log_p, jax.jit(jax.vmap(jax.vmap(model.log_prob)))(x), **FLOAT32)
    np.testing.assert_allclose(np.asarray(log_p)[1, 2], model.log_prob(np.asarray(x)[1, 2]), **FLOAT32)
    np.testing.assert_allclose(log_p, model.log_prob(np.asarray(x, np.uint8)), **FLOAT32)


@every_kind
def test_sampled_frequencies_agree_with_the_probabilities(build):
    model, other = build(4, 3), build(4, 8)
    samples = model.sample(jax.random.key(1), (20_000,))
    assert set(np.unique(samples)) <= {0.0, 1.0}
    assert not chi_square_rejects(samples, jnp.exp(model.log_prob(enumerate_binary(4))))
    assert chi_square_rejects(samples, jnp.exp(other.log_prob(enumerate_binary(4))))


@every_kind
def test_sample_shapes_and_keys(build):
    model = build(D, 0)
    samples = model.sample(jax.random.key(0), (2, 30))
    assert samples.shape == (2, 30, D)
    np.testing.assert_array_equal(samples, model.sample(jax.random.key(0), (60,)).reshape(2, 30, D))
    assert (samples != np.asarray(model.sample(jax.random.key(1), (2, 30)))).any()


@every_kind
def test_loss_is_the_mean_negative_log_probability_and_has_gradients(build):
    model, x = build(D, 0), enumerate_binary(D)
    loss, gradients = nnx.jit(nnx.value_and_grad(negative_log_likelihood))(model, x, None)
    np.testing.assert_allclose(loss, -np.asarray(model.log_prob(x)).mean(), **FLOAT32)
    leaves = jax.tree.leaves(gradients)
    assert all(np.isfinite(g).all() for g in leaves)
    assert all((np.asarray(g) != 0).any() for g in leaves)


@every_kind
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5)), r"x has shape \(2, 5\); (Nade|(Redrawn)?Made|OrderlessNade) was built for"),
        (np.full((2, D), 255), "values from 255 to 255; a Bernoulli likelihood"),
        (np.full(D, np.nan), f"{D} values that are NaN or infinite"),
    ],
)
def test_bad_inputs_are_named(build, x, message):
    with pytest.raises(ValueError, match=message):
        build(D, 0).log_prob(x)
