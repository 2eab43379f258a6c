"""Coupling layers and RealNVP against distrax and flowjax, with the same parameters."""

import warnings

import equinox
import flowjax.bijections as flowjax_bijections
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from paramax import unwrap

from course_lib.flows import Affine, Chain, Coupling, RealNVP, coupling_forward, coupling_inverse
from tests.flows.affine_coupling import shift_and_log_scale
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32

with warnings.catch_warnings():  # distrax 0.1.9 touches names that jax has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import distrax

POINTS = jax.random.normal(jax.random.key(3), (64, 4))


def in_distrax(layer: Coupling) -> distrax.MaskedCoupling:
    """The same layer: distrax keeps where its mask is True and calls the generative direction forward, as we do."""
    return distrax.MaskedCoupling(
        mask=jnp.asarray(layer.mask, bool),
        conditioner=lambda x: shift_and_log_scale(layer, x),
        bijector=lambda parameters: distrax.ScalarAffine(shift=parameters[0], log_scale=parameters[1]),
    )


def test_coupling_and_real_nvp_against_distrax():
    model = perturbed(RealNVP(4, 5, [8], rngs=nnx.Rngs(0)), 0)
    layers = [in_distrax(layer) for layer in model.bijection.bijections]
    theirs = distrax.Chain(layers[::-1])  # distrax lists the last map first
    with warnings.catch_warnings(), jax.numpy_rank_promotion("allow"):  # distrax broadcasts between ranks
        warnings.simplefilter("ignore", DeprecationWarning)
        pairs = [
            (model.bijection.forward(POINTS), theirs.forward_and_log_det(POINTS)),
            (model.bijection.inverse(POINTS), theirs.inverse_and_log_det(POINTS)),
            (model.bijection.bijections[0].forward(POINTS), layers[0].forward_and_log_det(POINTS)),
        ]
        base = distrax.MultivariateNormalDiag(jnp.zeros(4), jnp.ones(4))
        density = distrax.Transformed(base, distrax.Block(theirs, 0)).log_prob(POINTS)
    for (value, log_det), (their_value, their_log_det) in pairs:
        np.testing.assert_allclose(value, their_value, **FLOAT32)
        np.testing.assert_allclose(log_det, their_log_det, **FLOAT32)
    np.testing.assert_allclose(model.log_prob(POINTS), density, **FLOAT32)


def test_affine_against_flowjax():
    ours, theirs = Affine([1.0, -2.0, 0.0, 3.0], [0.5, 2.0, 1.0, 3.0]), flowjax_bijections.Affine
    theirs = theirs(jnp.array([1.0, -2.0, 0.0, 3.0]), jnp.array([0.5, 2.0, 1.0, 3.0]))
    both = jax.vmap(theirs.transform_and_log_det)(POINTS), jax.vmap(theirs.inverse_and_log_det)(POINTS)
    for mine, their in zip((ours.forward(POINTS), ours.inverse(POINTS)), both, strict=True):
        np.testing.assert_allclose(mine[0], their[0], **FLOAT32)
        np.testing.assert_allclose(mine[1], their[1], **FLOAT32)


def their_coupling(seed: int) -> flowjax_bijections.Coupling:
    """Four dimensions, the first two kept."""
    return flowjax_bijections.Coupling(
        jax.random.key(seed),
        transformer=flowjax_bijections.Affine(),
        untransformed_dim=2,
        dim=4,
        nn_width=8,
        nn_depth=1,
    )


def ours_with_their_conditioner(theirs):
    """`coupling_forward` and `coupling_inverse`, fed with the shift and scale that flowjax's own network computes."""

    def parameters(point):
        flat = theirs.conditioner(point[:2]).reshape(2, -1)
        affine = unwrap(equinox.filter_vmap(theirs.transformer_constructor)(flat))
        zeros = jnp.zeros(2)
        return jnp.concatenate([zeros, affine.loc]), jnp.concatenate([zeros, jnp.log(affine.scale)])

    return jax.vmap(parameters)


@pytest.mark.parametrize("seed", [0, 1])
def test_coupling_functions_against_flowjax(seed):
    theirs, mask = their_coupling(seed), jnp.array([1, 1, 0, 0])
    shift, log_scale = ours_with_their_conditioner(theirs)(POINTS)
    assert float(jnp.abs(log_scale[:, 2:]).max()) > 0.01
    for function, method in (
        (coupling_forward, theirs.transform_and_log_det),
        (coupling_inverse, theirs.inverse_and_log_det),
    ):
        value, log_det = function(POINTS, shift, log_scale, mask)
        their_value, their_log_det = jax.vmap(method)(POINTS)
        np.testing.assert_allclose(value, their_value, **FLOAT32)
        np.testing.assert_allclose(log_det, their_log_det, **FLOAT32)


def test_chain_order_against_flowjax():
    ours = Chain([Affine([1.0], [1.0]), Affine([0.0], [2.0])])
    theirs = flowjax_bijections.Chain(
        [flowjax_bijections.Affine(jnp.ones(1), jnp.ones(1)), flowjax_bijections.Affine(jnp.zeros(1), jnp.full(1, 2.0))]
    )
    np.testing.assert_allclose(ours.forward(jnp.array([3.0]))[0], theirs.transform(jnp.array([3.0])), **FLOAT32)
