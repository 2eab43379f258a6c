"""Output j may depend on input i only if i comes before j: forbidden derivatives are exactly 0, the others are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.autoregressive import allowed_dependencies, enumerate_binary, is_autoregressive
from tests.laws.registry import DISCRETE_DENSITIES


def dependencies(model, num_inputs: int) -> np.ndarray:
    """Entry [i, j]: is ∂ logit_j / ∂ x_i non-zero at any of 64 relaxed inputs?"""
    x = jax.random.uniform(jax.random.key(0), (64, num_inputs), minval=-1, maxval=2)
    jacobians = jax.vmap(jax.jacobian(model.conditional_logits))(x)
    return np.asarray((jacobians != 0).any(axis=0)).T


@pytest.mark.parametrize("build", DISCRETE_DENSITIES.values(), ids=DISCRETE_DENSITIES.keys())
@pytest.mark.parametrize("d", [1, 2, 7])
def test_outputs_depend_on_all_predecessors_and_on_nothing_else(build, d):
    model = build(d, 0)
    allowed = allowed_dependencies(model.ordering[...])
    assert allowed.sum() == d * (d - 1) / 2
    np.testing.assert_array_equal(dependencies(model, d), allowed)


@pytest.mark.parametrize("name", ["Made without hidden layer", "Made", "Made of three layers"])
@pytest.mark.parametrize("label", ["in order", "shuffled"])
def test_one_flipped_mask_bit_is_found(name, label):
    """Every single bit that opens a forbidden path makes the law fail, in every layer of the network."""
    d = 5
    model = DISCRETE_DENSITIES[f"{name}, {label}"](d, 1)
    ordering, masks = model.ordering[...], [layer.mask[...] for layer in model.layers]
    allowed = allowed_dependencies(ordering)
    assert is_autoregressive(masks, ordering)
    for depth, mask in enumerate(masks):
        found = 0
        closed = np.argwhere(np.asarray(mask) == 0)
        for i, j in closed[:: max(len(closed) // 6, 1)]:
            flipped = mask.at[i, j].set(1.0)
            leaks = not is_autoregressive([*masks[:depth], flipped, *masks[depth + 1 :]], ordering)
            model.layers[depth].mask[...] = flipped
            assert (dependencies(model, d) & ~allowed).any() == leaks
            found += leaks
        model.layers[depth].mask[...] = mask
        assert found > 0


def test_a_leak_breaks_total_probability():
    model = DISCRETE_DENSITIES["Made without hidden layer, in order"](6, 0)
    model.layers[0].mask[...] = jnp.ones((6, 6))
    assert abs(float(jnp.exp(model.log_prob(enumerate_binary(6))).sum()) - 1) > 1e-2
