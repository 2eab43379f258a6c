"""Construction, errors and learning of the binary autoregressive models."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from course_lib.autoregressive import (
    Autoregressive,
    Made,
    Nade,
    enumerate_binary,
    exact_conditionals,
    negative_log_likelihood,
)
from course_lib.networks import Fixed, MaskedLinear, masked_linear

BUILDERS = {
    "Nade": lambda d, **more: Nade(d, 8, rngs=nnx.Rngs(0), **more),
    "Made": lambda d, **more: Made(d, (32, 32), rngs=nnx.Rngs(0), **more),
}
both = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())


@both
@pytest.mark.parametrize("ordering", [[0, 1, 1], (1, 2, 3), np.arange(4), jnp.arange(2)])
def test_orderings_must_be_permutations(build, ordering):
    with pytest.raises(ValueError, match="no permutation of 0, …, 2"):
        build(3, ordering=ordering)


@both
def test_sizes_must_be_positive(build):
    with pytest.raises(ValueError, match="num_inputs is 0"):
        build(0)
    with pytest.raises(ValueError, match="num_hidden is 0"):
        Nade(3, 0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="a hidden size is -1"):
        Made(3, (-1,), rngs=nnx.Rngs(0))


@both
def test_conditionals_accept_relaxed_inputs_but_not_wrong_shapes(build):
    model = build(5)
    assert model.conditional_logits(np.full((2, 5), 0.3)).shape == (2, 5)
    with pytest.raises(ValueError, match=r"x has shape \(4,\)"):
        model.conditional_logits(np.zeros(4))


@both
def test_shapes_are_checked_under_jit_too(build):
    model = build(5)
    assert jax.jit(model.log_prob)(jnp.zeros((3, 5))).shape == (3,)
    with pytest.raises(ValueError, match="was built for"):
        jax.jit(model.log_prob)(jnp.zeros((3, 4)))


@both
def test_training_finds_a_small_distribution(build):
    """Fitted to a table of 8 probabilities, the mean negative log-likelihood comes down to the entropy."""
    joint = jnp.array([0.3, 0.02, 0.05, 0.13, 0.01, 0.24, 0.2, 0.05])
    x, model = enumerate_binary(3), build(3, ordering=[2, 0, 1])
    optimizer = nnx.Optimizer(model, optax.adam(0.03), wrt=nnx.Param)

    def loss(model):
        return -(joint * model.log_prob(x)).sum()

    @nnx.jit
    def epoch(model, optimizer):
        def step(carry, _):
            model, optimizer = carry
            optimizer.update(model, nnx.grad(loss)(model))
            return carry, None

        return nnx.scan(step, length=400)((model, optimizer), None)

    before = loss(model)
    epoch(model, optimizer)
    entropy = -(joint * jnp.log(joint)).sum()
    assert before > entropy + 0.2
    assert entropy - 1e-5 < loss(model) < entropy + 0.01


@both
def test_masks_and_orderings_are_no_parameters(build):
    model = build(4)
    assert not any(
        "mask" in str(path) or "ordering" in str(path) for path, _ in nnx.iter_graph(nnx.state(model, nnx.Param))
    )
    assert len(jax.tree.leaves(nnx.state(model, Fixed))) > 0
    gradients = nnx.grad(negative_log_likelihood)(model, enumerate_binary(4), None)
    assert jax.tree.structure(gradients) == jax.tree.structure(nnx.state(model, nnx.Param))


def test_models_of_different_orderings_stack():
    """Orderings and masks are arrays, so K models can be evaluated in one vmap."""
    models = [Made(4, (6,), ordering=o, rngs=nnx.Rngs(i)) for i, o in enumerate([[0, 1, 2, 3], [3, 1, 0, 2]])]
    graphdef = nnx.graphdef(models[0])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(nnx.state(m) for m in models))
    x = enumerate_binary(4)
    log_ps = jax.vmap(lambda state: nnx.merge(graphdef, state).log_prob(x))(stacked)
    for log_p, model in zip(log_ps, models, strict=True):
        np.testing.assert_allclose(log_p, model.log_prob(x), rtol=1e-5)


def test_masked_linear_ignores_what_the_mask_removes():
    mask = jnp.array([[1.0, 0.0], [0.0, 0.0]])
    layer = MaskedLinear(mask, rngs=nnx.Rngs(0))
    y = layer(jnp.array([[1.0, jnp.inf]]).at[0, 1].set(5.0))
    np.testing.assert_allclose(y, [[float(layer.kernel[0, 0]), 0.0]], rtol=1e-6)
    np.testing.assert_allclose(masked_linear(jnp.ones(2), jnp.ones((2, 2)), jnp.array([3.0, 4.0]), mask), [4.0, 4.0])


def test_base_class_leaves_the_conditionals_to_others():
    with pytest.raises(NotImplementedError):
        Autoregressive((3,)).log_prob(np.zeros(3))


@pytest.mark.parametrize("n", [0, 21])
def test_enumeration_says_when_there_are_too_many(n):
    with pytest.raises(ValueError, match=f"n is {n}; all 2"):
        enumerate_binary(n)


@pytest.mark.parametrize("size", [0, 1, 6, 7])
def test_exact_conditionals_need_a_power_of_two(size):
    with pytest.raises(ValueError, match="joint has shape"):
        exact_conditionals(np.ones(size), np.arange(2))


def test_exact_conditionals_of_impossible_predecessors_are_one_half():
    conditionals = exact_conditionals(np.array([0.5, 0.5, 0.0, 0.0]), np.array([0, 1]))
    np.testing.assert_allclose(conditionals, [[1.0, 0.5], [1.0, 0.5], [0.0, 0.5], [0.0, 0.5]])
