"""Flow: density, samples, loss, gradients, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from course_lib.flows import Affine, Flow, RealNVP, negative_log_likelihood
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32


def flow(num_dims: int = 2) -> RealNVP:
    return perturbed(RealNVP(num_dims, 4, [8], rngs=nnx.Rngs(0)), 0)


def test_affine_flow_is_a_normal_distribution():
    x = np.linspace(-4, 4, 9).reshape(-1, 1).astype(np.float32)
    log_p = Flow(1, Affine([0.5], [2.0])).log_prob(x)
    np.testing.assert_allclose(log_p, stats.norm(0.5, 2.0).logpdf(x[:, 0]), **FLOAT32)


def test_a_new_real_nvp_is_the_standard_normal():
    x = jax.random.normal(jax.random.key(0), (5, 3))
    log_p = RealNVP(3, 4, [8], rngs=nnx.Rngs(0)).log_prob(x)
    np.testing.assert_allclose(log_p, stats.multivariate_normal(np.zeros(3)).logpdf(x), **FLOAT32)


def test_shapes_of_samples_and_densities():
    model = flow(3)
    for shape in ((), (4,), (2, 5)):
        x = model.sample(jax.random.key(0), shape)
        assert x.shape == (*shape, 3)
        assert model.log_prob(x).shape == shape


def test_samples_depend_on_the_key_alone():
    model = flow()
    np.testing.assert_array_equal(model.sample(jax.random.key(1), (3,)), model.sample(jax.random.key(1), (3,)))
    assert (model.sample(jax.random.key(1), (3,)) != model.sample(jax.random.key(2), (3,))).all()


def test_the_loss_is_the_mean_negative_log_density():
    model, x = flow(), jax.random.normal(jax.random.key(0), (6, 2))
    np.testing.assert_allclose(negative_log_likelihood(model, x, None), -np.mean(model.log_prob(x)), **FLOAT32)


def test_density_is_the_same_inside_jit_and_for_numpy_arrays():
    model, x = flow(), np.random.default_rng(0).normal(size=(4, 2))
    np.testing.assert_allclose(model.log_prob(x), nnx.jit(lambda m, t: m.log_prob(t))(model, jnp.asarray(x)), **FLOAT32)


@pytest.mark.parametrize("num_layers", [4, 12])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e2, 1e4])
def test_values_and_gradients_stay_finite_far_from_the_data(num_layers, size):
    model = perturbed(RealNVP(2, num_layers, [8], rngs=nnx.Rngs(0)), 0)
    x = size * jnp.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [0.0, 1.0]])
    loss, gradients = nnx.jit(nnx.value_and_grad(negative_log_likelihood))(model, x, None)
    in_x = jax.jit(jax.grad(lambda t: model.log_prob(t).sum()))(x)
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))
    assert np.isfinite(in_x).all()
    assert any((np.asarray(g) != 0).any() for g in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((8, 3), np.float32), r"x has shape \(8, 3\); RealNVP was built for inputs of shape \(\*batch, 2\)"),
        (np.array([[0.0, np.nan]]), "x holds 1 values that are NaN"),
        (np.array([np.inf, 0.0]), "NaN or infinite"),
    ],
)
def test_bad_points_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        flow().log_prob(x)


def test_a_base_of_another_size_is_refused():
    with pytest.raises(ValueError, match="the base has 3 dimensions, the bijection 1"):
        Flow(3, Affine([0.0], [1.0]))
