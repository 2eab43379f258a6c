"""The mixture-of-Gaussians MADE against quadrature, closed forms and its own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from course_lib.autoregressive import Made, negative_log_likelihood
from course_lib.distributions import GaussianMixture
from course_lib.networks import Fixed, allowed_dependencies
from course_lib.probability import standard_normal_log_prob
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32


def model_of(d, **options):
    """Weights small enough that no component is wider than the grid or narrower than its steps."""
    model = perturbed(Made(d, (12,), likelihood=GaussianMixture(3), rngs=nnx.Rngs(0), **options), 1, scale=0.05)
    nnx.update(model, jax.tree.map(lambda p: 0.4 * p, nnx.state(model, nnx.Param)))
    return model


def components(model, x):
    """(ln π, μ, ln σ) of every conditional."""
    scores, mean, log_sigma = jnp.split(model.parameters(x), 3, axis=-1)
    return jax.nn.log_softmax(scores, axis=-1), mean, log_sigma


GRID = jnp.linspace(-14, 14, 561)


def test_the_density_of_one_number_integrates_to_one():
    log_p = model_of(1).log_prob(GRID[:, None])
    np.testing.assert_allclose(jnp.trapezoid(jnp.exp(log_p), GRID), 1.0, **FLOAT32)


def integral_over_the_plane(model):
    p = np.asarray(jnp.exp(model.log_prob(jnp.stack(jnp.meshgrid(GRID, GRID), axis=-1))))
    return np.trapezoid(np.trapezoid(p, np.asarray(GRID)), np.asarray(GRID))


@pytest.mark.parametrize("ordering", [[0, 1], [1, 0]])
def test_the_density_of_two_numbers_integrates_to_one(ordering):
    model = model_of(2, ordering=ordering, direct=True)
    np.testing.assert_allclose(integral_over_the_plane(model), 1.0, rtol=1e-4)  # narrow components, steps of 0.05
    for layer in model.network.layers:
        layer.mask[...] = jnp.ones_like(layer.mask[...])
    assert abs(integral_over_the_plane(model) - 1) > 1e-2


def test_samples_have_the_density():
    """The first coordinate against its distribution function; the second by the probability integral transform."""
    model = model_of(2, ordering=[1, 0])
    x = model.sample(jax.random.key(0), (4000,))
    log_weights, means, log_sigmas = map(np.asarray, components(model, x))
    u = (np.exp(log_weights) * stats.norm.cdf(np.asarray(x)[..., None], means, np.exp(log_sigmas))).sum(axis=-1)
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    assert abs(stats.spearmanr(u[:, 0], u[:, 1]).statistic) < 5 / 4000**0.5
    assert stats.kstest(u[:, 0] ** 1.2, "uniform").pvalue < 1e-4
    assert model.sample(jax.random.key(1)).shape == (2,)
    assert model.sample(jax.random.key(1), (2, 3)).shape == (2, 3, 2)


@pytest.mark.parametrize("direct", [False, True])
def test_a_component_depends_on_all_predecessors_and_on_nothing_else(direct):
    model = model_of(6, ordering=np.array([3, 0, 5, 1, 4, 2]), mask_key=jax.random.key(0), direct=direct)
    x = jax.random.normal(jax.random.key(1), (64, 6))
    for part in range(3):
        jacobians = jax.jit(jax.vmap(jax.jacobian(lambda x, part=part: components(model, x)[part])))(x)
        found = np.asarray((jacobians != 0).any(axis=(0, 2))).T
        np.testing.assert_array_equal(found, allowed_dependencies(model.ordering[...]))


def test_one_component_with_weights_zero_is_a_standard_normal():
    model = Made(5, (), likelihood=GaussianMixture(1), rngs=nnx.Rngs(0))
    nnx.update(model, jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param)))
    x = jax.random.normal(jax.random.key(0), (7, 5))
    np.testing.assert_allclose(model.log_prob(x), standard_normal_log_prob(x), **FLOAT32)
    assert len(jax.tree.leaves(nnx.state(model, Fixed))) > 0


def test_the_loss_has_gradients_and_components_start_apart():
    model = Made(3, (8,), likelihood=GaussianMixture(4), rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (7, 3))
    loss, gradients = nnx.value_and_grad(negative_log_likelihood)(model, x, None)
    np.testing.assert_allclose(loss, -model.log_prob(x).mean(), **FLOAT32)
    assert all(np.isfinite(g).all() and (np.asarray(g) != 0).any() for g in jax.tree.leaves(gradients))
    assert float(components(model, x)[1].std(axis=-1).min()) > 0.01


def test_errors():
    with pytest.raises(ValueError, match="components is 0"):
        GaussianMixture(0)
    model = Made(3, (4,), likelihood=GaussianMixture(), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="has no logits of bits"):
        model.conditional_logits(np.zeros(3))
    with pytest.raises(ValueError, match="Made was built for"):
        model.log_prob(np.zeros(4))
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.log_prob(np.full(3, np.nan))
