"""Output j may depend on input i only if i comes before j: forbidden derivatives are exactly 0, the others are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.autoregressive import enumerate_binary
from course_lib.networks import allowed_dependencies, is_autoregressive
from tests.laws.registry import DISCRETE_DENSITIES


def dependencies(model, num_inputs: int) -> np.ndarray:
    """Entry [i, j]: is ∂ logit_j / ∂ x_i non-zero at any of 64 relaxed inputs?"""
    x = jax.random.uniform(jax.random.key(0), (64, num_inputs), minval=-1, maxval=2)
    jacobians = jax.jit(jax.vmap(jax.jacobian(model.conditional_logits)))(x)
    return np.asarray((jacobians != 0).any(axis=0)).T


@pytest.mark.parametrize("build", DISCRETE_DENSITIES.values(), ids=DISCRETE_DENSITIES.keys())
@pytest.mark.parametrize("d", [2, 10])
def test_outputs_depend_on_all_predecessors_and_on_nothing_else(build, d):
    model = build(d, 0)
    allowed = allowed_dependencies(model.ordering[...])
    assert allowed.sum() == d * (d - 1) / 2
    np.testing.assert_array_equal(dependencies(model, d), allowed)


@pytest.mark.parametrize(
    "name", ["Made without hidden layer, in order", "Made, shuffled", "Made of three layers, shuffled"]
)
def test_one_flipped_mask_bit_is_found(name):
    """Every single bit that opens a forbidden path makes the law fail, in every layer of the network."""
    d = 10
    model = DISCRETE_DENSITIES[name](d, 1)
    ordering, masks = model.ordering[...], [layer.mask[...] for layer in model.layers]
    for layer in model.layers:
        # Every relu open, so that no connection hides behind a unit at rest.
        layer.kernel[...], layer.bias[...] = jnp.abs(layer.kernel[...]), layer.bias[...] + 50.0
    allowed = allowed_dependencies(ordering)
    assert is_autoregressive(masks, ordering)
    for depth, mask in enumerate(masks):
        found = 0
        closed = np.argwhere(np.asarray(mask) == 0)
        for i, j in closed[:: max(len(closed) // 5, 1)]:
            flipped = mask.at[i, j].set(1.0)
            leaks = not is_autoregressive([*masks[:depth], flipped, *masks[depth + 1 :]], ordering)
            model.layers[depth].mask[...] = flipped
            assert (dependencies(model, d) & ~allowed).any() == leaks
            found += leaks
        model.layers[depth].mask[...] = mask
        assert found > 0


def test_a_single_pixel_depends_on_nothing():
    assert not any(dependencies(DISCRETE_DENSITIES[name](1), 1).any() for name in ("Nade, in order", "Made, in order"))


def test_a_leak_breaks_total_probability():
    model = DISCRETE_DENSITIES["Made without hidden layer, in order"](10, 0)
    model.layers[0].mask[...] = jnp.ones((10, 10))
    assert abs(float(jnp.exp(model.log_prob(enumerate_binary(10))).sum()) - 1) > 1e-2
