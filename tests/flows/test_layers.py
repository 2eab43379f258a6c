"""Affine, coupling and chain: values by hand, starting points, and errors at the boundary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.flows import (
    Affine,
    AffineTransformer,
    Bijection,
    Chain,
    Coupling,
    RealNVP,
    coupling_forward,
    coupling_inverse,
)
from tests.flows.affine_coupling import shift_and_log_scale
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32


def test_affine_by_hand():
    layer = Affine([1.0, -2.0], np.array([2.0, 0.5]))
    x, log_det = layer.forward(jnp.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(x, [[7.0, 0.0], [1.0, -2.0]], **FLOAT32)
    np.testing.assert_allclose(log_det, [0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(Affine([0.0], [3.0]).inverse(jnp.array([6.0]))[1], -np.log(3), **FLOAT32)


def test_coupling_by_hand():
    z, shift, log_scale = jnp.array([3.0, 5.0]), jnp.array([10.0, 20.0]), jnp.log(jnp.array([7.0, 2.0]))
    x, log_det = coupling_forward(z, shift, log_scale, jnp.array([1, 0]))
    np.testing.assert_allclose(x, [3.0, 30.0], **FLOAT32)
    np.testing.assert_allclose(log_det, np.log(2), **FLOAT32)
    back, log_det_back = coupling_inverse(x, shift, log_scale, np.array([1, 0]))
    np.testing.assert_allclose(back, z, **FLOAT32)
    np.testing.assert_allclose(log_det_back, -np.log(2), **FLOAT32)


@pytest.mark.parametrize("mask", [[1, 0], (False, True), np.array([1.0, 0.0])])
def test_masks_may_be_lists_booleans_or_floats_and_keep_their_coordinates(mask):
    layer, z = perturbed(Coupling(mask, [4], rngs=nnx.Rngs(0)), 0), jax.random.normal(jax.random.key(0), (5, 2))
    x, _ = layer.forward(z)
    kept = np.asarray(mask, bool)
    np.testing.assert_array_equal(x[:, kept], z[:, kept])
    assert (x[:, ~kept] != z[:, ~kept]).all()


def test_coupling_and_real_nvp_start_as_the_identity():
    z = jax.random.normal(jax.random.key(0), (4, 3))
    for bijection in (Coupling([0, 1, 0], [8], rngs=nnx.Rngs(0)), RealNVP(3, 5, [8], rngs=nnx.Rngs(0)).bijection):
        for value, log_det in (bijection.forward(z), bijection.inverse(z)):
            np.testing.assert_array_equal(value, z)
            np.testing.assert_array_equal(log_det, jnp.zeros(4))


def test_log_scale_never_leaves_its_bounds():
    layer = perturbed(Coupling([1, 0], [4], transformer=AffineTransformer(0.7), rngs=nnx.Rngs(0)), 0, scale=100.0)
    _, log_scale = shift_and_log_scale(layer, 1e4 * jax.random.normal(jax.random.key(0), (50, 2)))
    assert 0.69 < float(jnp.abs(log_scale).max()) <= 0.7001


def test_real_nvp_masks_alternate_and_every_coordinate_moves():
    masks = [layer.mask for layer in RealNVP(3, 3, [4], rngs=nnx.Rngs(0)).bijection.bijections]
    assert masks == [(1, 0, 1), (0, 1, 0), (1, 0, 1)]
    z = jax.random.normal(jax.random.key(0), (4, 3))
    assert (perturbed(RealNVP(3, 2, [4], rngs=nnx.Rngs(0)), 0).bijection.forward(z)[0] != z).all()


def test_chain_index_convention():
    """[g_1, g_2]: g_1 touches z first; f_2 touches x first."""
    add, double = Affine([1.0], [1.0]), Affine([0.0], [2.0])
    z = jnp.array([3.0])
    np.testing.assert_allclose(Chain([add, double]).forward(z)[0], [8.0])
    np.testing.assert_allclose(Chain([double, add]).forward(z)[0], [7.0])
    np.testing.assert_allclose(Chain([add, double]).inverse(jnp.array([8.0]))[0], z)


def test_a_chain_of_chains_trains_as_one_module():
    chain = Chain([Chain([Affine([0.0, 0.0], [1.0, 1.0])]), Coupling([1, 0], [4], rngs=nnx.Rngs(0))])
    assert len(jax.tree.leaves(nnx.state(chain, nnx.Param))) == 6


def test_the_law_cannot_be_instantiated_without_both_directions():
    class Half(Bijection):
        def forward(self, z):
            return z, jnp.zeros(z.shape[:-1])

    with pytest.raises(TypeError, match="inverse"):
        Half()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Affine([0.0, 0.0], [1.0, 0.0]), r"scale is \[1.0, 0.0\]; every entry must be greater than 0"),
        (lambda: Affine([0.0], [-1.0]), "greater than 0"),
        (lambda: Affine([0.0], [1.0, 2.0]), r"shapes \(1,\) and \(2,\)"),
        (lambda: Affine(0.0, 1.0), r"shapes \(\) and \(\)"),
        (lambda: Affine([np.nan], [1.0]), "shift holds 1 values that are NaN"),
        (lambda: Affine([0.0], [np.inf]), "scale holds 1 values that are NaN or infinite"),
        (lambda: Coupling([1, 1], [4], rngs=nnx.Rngs(0)), "at least one of each"),
        (lambda: Coupling([0, 0, 0], [4], rngs=nnx.Rngs(0)), "at least one of each"),
        (lambda: Coupling([0, 2], [4], rngs=nnx.Rngs(0)), r"mask is \[0, 2\]"),
        (lambda: Coupling([0.5, 1, 0], [4], rngs=nnx.Rngs(0)), "expected one 0 or 1"),
        (lambda: Coupling([], [4], rngs=nnx.Rngs(0)), "expected one 0 or 1"),
        (lambda: Coupling(np.eye(2), [4], rngs=nnx.Rngs(0)), "expected one 0 or 1"),
        (lambda: AffineTransformer(0), "max_log_scale is 0"),
        (lambda: Chain([]), r"num_dims \[\]; expected at least one bijection"),
        (lambda: Chain([Affine([0.0], [1.0]), Affine([0.0, 0.0], [1.0, 1.0])]), r"num_dims \[1, 2\]"),
        (lambda: RealNVP(1, 4, [8], rngs=nnx.Rngs(0)), "RealNVP needs at least 2 and 1"),
        (lambda: RealNVP(2, 0, [8], rngs=nnx.Rngs(0)), "num_layers 0"),
    ],
)
def test_impossible_layers_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    "build", [lambda: Affine([0.0] * 3, [1.0] * 3), lambda: Coupling([0, 1, 0], [4], rngs=nnx.Rngs(0))]
)
def test_wrong_dimensions_are_refused_in_both_directions(build):
    layer = build()
    for owner in (layer, Chain([layer])):
        message = rf"x has shape \(8, 2\); {type(owner).__name__} was built for inputs of shape \(\*batch, 3\)"
        for method in (owner.forward, owner.inverse):
            with pytest.raises(ValueError, match=message):
                method(jnp.zeros((8, 2)))
