"""Splines, MAF, IAF, planar maps, permutations and logits against distrax, flowjax and numpyro, at equal parameters."""

import warnings

import equinox
import flowjax.bijections as flowjax_bijections
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from numpyro.distributions import transforms as numpyro_transforms
from numpyro.distributions.flows import InverseAutoregressiveTransform

from course_lib.flows import (
    AffineTransformer,
    InverseAutoregressive,
    InvertibleLinear,
    Logit,
    MaskedAutoregressive,
    Permutation,
    Planar,
    rational_quadratic_forward,
    spline_knots,
)
from course_lib.flows.spline import rational_quadratic_inverse
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32, ROUND_TRIP

with warnings.catch_warnings():  # distrax 0.1.9 touches names that jax has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import distrax

POINTS = jax.random.normal(jax.random.key(3), (64, 4))


def agree(mine, theirs, tolerance=FLOAT32):
    for ours, their in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(ours, their, **tolerance)


@pytest.mark.parametrize("num_bins", [1, 2, 8])
def test_spline_against_distrax(num_bins):
    """Equal unnormalized parameters; a third of the points lies in the tails."""
    bound, z = 2.0, jnp.linspace(-3, 3, 301)
    raw = jax.random.normal(jax.random.key(num_bins), (3 * num_bins - 1,))
    widths, heights, slopes = jnp.split(raw, [num_bins, 2 * num_bins])
    ends = jnp.zeros(1)
    with warnings.catch_warnings(), jax.numpy_rank_promotion("allow"):  # distrax broadcasts between ranks
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = distrax.RationalQuadraticSpline(
            jnp.concatenate([widths, heights, ends, slopes, ends]),
            -bound,
            bound,
            boundary_slopes="identity",
            min_bin_size=1e-3,
            min_knot_slope=1e-3,
        )
        forward, inverse = theirs.forward_and_log_det(z), theirs.inverse_and_log_det(z)
    knots = spline_knots(jnp.broadcast_to(raw, (301, raw.size)), bound)
    # A sum of eight widths and the quotient of two small differences round differently in the two libraries.
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    agree(rational_quadratic_forward(z, *knots), forward, tolerance)
    agree(rational_quadratic_inverse(z, *knots), inverse, tolerance)


def test_spline_through_given_knots_against_flowjax():
    """flowjax keeps knots and slopes as they are: set them, and compare the curve itself."""
    theirs = flowjax_bijections.RationalQuadraticSpline(knots=5, interval=2.0)
    raw = jax.random.normal(jax.random.key(0), (14,))
    knots_z, knots_x, slopes = spline_knots(raw, 2.0)
    theirs = equinox.tree_at(lambda t: (t.x_pos, t.y_pos, t.derivatives), theirs, (knots_z, knots_x, slopes))
    z = jnp.linspace(-1.99, 1.99, 101)
    knots = [jnp.broadcast_to(k, (101, k.size)) for k in (knots_z, knots_x, slopes)]
    agree(rational_quadratic_forward(z, *knots), jax.vmap(theirs.transform_and_log_det)(z))
    agree(rational_quadratic_inverse(z, *knots), jax.vmap(theirs.inverse_and_log_det)(z), {"rtol": 1e-5, "atol": 1e-5})


@pytest.mark.parametrize("kind", [MaskedAutoregressive, InverseAutoregressive])
def test_autoregressive_layers_against_numpyro(kind):
    """numpyro's transform reads its own input: its `__call__` is IAF's forward, and its inverse MAF's forward."""
    layer = perturbed(kind(4, [16], rngs=nnx.Rngs(0)), 1, scale=0.5)
    transformer = layer.transformer
    assert isinstance(transformer, AffineTransformer)

    def mean_and_log_scale(x, _):
        parameters = layer.conditioner(x)
        log_scale = transformer.log_scale(parameters)
        if kind is InverseAutoregressive:
            return parameters[..., 0], log_scale
        return -parameters[..., 0] * jnp.exp(-log_scale), -log_scale  # z = (x − b) e^{−s} is their affine map

    theirs = InverseAutoregressiveTransform(
        lambda x: mean_and_log_scale(x, None), log_scale_min_clip=-50.0, log_scale_max_clip=50.0
    )
    ours = layer.forward if kind is InverseAutoregressive else layer.inverse
    back = layer.inverse if kind is InverseAutoregressive else layer.forward
    there, log_det = ours(POINTS)
    agree((there, log_det), (theirs(POINTS), theirs.log_abs_det_jacobian(POINTS, theirs(POINTS))))
    agree((back(there)[0],), (jax.vmap(theirs._inverse)(there),), ROUND_TRIP)


def test_planar_against_flowjax():
    """The same map; flowjax constrains u by another function m, so ours gets the u that leads to the same û."""
    ours, theirs = perturbed(Planar(4, rngs=nnx.Rngs(0)), 0), flowjax_bijections.Planar(jax.random.key(0), dim=4)
    w = ours.w[...]
    flat = jnp.concatenate([w, ours.u[...], ours.b[...][None]])
    theirs = equinox.tree_at(lambda t: t.params, theirs, flat)
    direction = theirs.get_planar().get_act_scale()
    dot = direction @ w
    ours.u[...] = direction + (jnp.log(jnp.expm1(1 + dot)) - dot) / (w @ w) * w
    agree(ours.forward(POINTS), jax.vmap(theirs.transform_and_log_det)(POINTS))


def test_permutation_and_logit_against_flowjax_and_numpyro():
    theirs = flowjax_bijections.Permute(jnp.array([2, 0, 3, 1]))
    agree(Permutation([2, 0, 3, 1]).forward(POINTS), jax.vmap(theirs.transform_and_log_det)(POINTS))
    sigmoid = numpyro_transforms.SigmoidTransform()
    x, log_det = Logit(4).forward(POINTS)
    agree((x, log_det), (sigmoid(POINTS), sigmoid.log_abs_det_jacobian(POINTS, x).sum(axis=-1)))


def test_invertible_linear_is_its_matrix():
    layer = perturbed(InvertibleLinear(4, rngs=nnx.Rngs(0)), 1, scale=0.3)
    permutation, lower, upper = (np.asarray(factor, np.float64) for factor in layer.factors())
    matrix = permutation @ lower @ upper
    x, log_det = layer.forward(POINTS)
    np.testing.assert_allclose(x, np.asarray(POINTS, np.float64) @ matrix.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(log_det, np.full(64, np.linalg.slogdet(matrix)[1]), **FLOAT32)
    z, _ = layer.inverse(POINTS)
    np.testing.assert_allclose(z, np.linalg.solve(matrix, np.asarray(POINTS, np.float64).T).T, rtol=1e-4, atol=1e-4)
    new = InvertibleLinear(5, rngs=nnx.Rngs(1))
    p, low, up = new.factors()
    rotation = p @ low @ up
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(5), atol=1e-5)
