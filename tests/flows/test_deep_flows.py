"""MAF, IAF, splines, stacks, contexts, planar maps: starting points, extreme values, conditioning, errors."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.flows import (
    IAF,
    MAF,
    Affine,
    Chain,
    Coupling,
    Flow,
    InvertibleLinear,
    MaskedAutoregressive,
    Permutation,
    Planar,
    RealNVP,
    SplineFlow,
    SplineTransformer,
    Stack,
    conditional_negative_log_likelihood,
    constrained_direction,
    negative_log_likelihood,
    rational_quadratic_forward,
    spline_knots,
)
from course_lib.flows.spline import rational_quadratic_inverse
from course_lib.probability import standard_normal_log_prob
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32, ROUND_TRIP

FLOWS = {
    "MAF": lambda d=2, **more: MAF(d, 3, [8], rngs=nnx.Rngs(0), **more),
    "MAF, spline": lambda d=2, **more: MAF(d, 2, [8], transformer=SplineTransformer(), rngs=nnx.Rngs(0), **more),
    "IAF": lambda d=2, **more: IAF(d, 3, [8], rngs=nnx.Rngs(0), **more),
    "SplineFlow": lambda d=2, **more: SplineFlow(d, 3, [8], rngs=nnx.Rngs(0), **more),
    "RealNVP, stacked": lambda d=2, **more: RealNVP(d, 4, [8], stacked=True, rngs=nnx.Rngs(0), **more),
}
OTHERS = {
    "planar": lambda: Flow(2, Planar(2, rngs=nnx.Rngs(0))),
    "linear": lambda: Flow(2, InvertibleLinear(2, rngs=nnx.Rngs(0))),
}
every_flow = pytest.mark.parametrize("name", FLOWS)


@every_flow
def test_a_new_flow_is_the_standard_normal(name):
    x = jax.random.normal(jax.random.key(0), (5, 3))
    np.testing.assert_allclose(jax.jit(FLOWS[name](3).log_prob)(x), standard_normal_log_prob(x), **FLOAT32)


@pytest.mark.parametrize("name", [*FLOWS, *OTHERS])
def test_values_and_gradients_stay_finite_far_from_the_data(name):
    model = perturbed((FLOWS | OTHERS)[name](), 0)
    sizes = jnp.repeat(jnp.array([0.0, 1.0, 5.0, 1e2, 1e4]), 3)[:, None]
    x = jnp.broadcast_to(sizes, (15, 2)) * jnp.tile(jnp.array([[1.0, 1.0], [-1.0, 1.0], [0.0, -1.0]]), (5, 1))
    loss, (gradients, in_x) = nnx.jit(nnx.value_and_grad(negative_log_likelihood, argnums=(0, 1)))(model, x)
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))
    assert np.isfinite(in_x).all()
    assert any((np.asarray(g) != 0).any() for g in jax.tree.leaves(gradients))


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_splines_are_the_identity_far_outside(size):
    model, x = perturbed(FLOWS["SplineFlow"](), 0), jnp.array([[size, -size]])
    z, log_det = jax.jit(model.bijection.inverse)(x)
    np.testing.assert_array_equal(z, x)
    np.testing.assert_array_equal(log_det, jnp.zeros(1))


@hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
@hypothesis.given(
    st.sampled_from([(), (3,), (2, 1, 3)]), st.sampled_from([1, 2, 9]), st.floats(0.5, 20), st.integers(0, 1000)
)  # few shapes: each is compiled
def test_splines_of_any_shape_come_back_and_increase(batch, num_bins, bound, seed):
    rng = np.random.default_rng(seed)
    z = jnp.asarray(rng.normal(size=batch) * bound, jnp.float32)
    knots = spline_knots(jnp.asarray(rng.normal(size=(*batch, 3 * num_bins - 1)), jnp.float32), bound)
    assert all(k.shape == (*batch, num_bins + 1) for k in knots)
    assert all((np.diff(k) > 0).all() for k in knots[:2])
    x, log_slope = rational_quadratic_forward(z, *knots)
    back, log_slope_back = rational_quadratic_inverse(x, *knots)
    slack = {"rtol": 1e-4, "atol": 1e-4 * bound * max(1, float(np.exp(-np.min(log_slope))))}  # flat pieces lose digits
    np.testing.assert_allclose(back, z, **slack)
    assert log_slope_back.shape == batch
    assert np.isfinite(log_slope).all()


def test_a_spline_goes_through_its_knots_with_its_slopes():
    knots_z, knots_x, slopes = jnp.array([-1.0, 0.0, 2.0]), jnp.array([0.0, 3.0, 4.0]), jnp.array([2.0, 0.5, 1.0])
    rows = [jnp.broadcast_to(k, (3, 3)) for k in (knots_z, knots_x, slopes)]
    x, log_slope = rational_quadratic_forward(knots_z, *rows)
    np.testing.assert_allclose(x, knots_x, **FLOAT32)
    np.testing.assert_allclose(log_slope, jnp.log(slopes), **FLOAT32)
    outside, _ = rational_quadratic_forward(jnp.array([-3.0]), *[row[:1] for row in rows])
    np.testing.assert_allclose(outside, [0.0 - 2 * 2.0], **FLOAT32)


def test_a_stack_is_the_chain_of_its_layers():
    layers = [perturbed(Coupling([1, 0], [8], rngs=nnx.Rngs(i)), i) for i in range(4)]
    z, stack, chain = jax.random.normal(jax.random.key(0), (6, 2)), Stack(layers), Chain(layers)
    for ours, theirs in ((stack.forward(z), chain.forward(z)), (stack.inverse(z), chain.inverse(z))):
        np.testing.assert_allclose(ours[0], theirs[0], **ROUND_TRIP)
        np.testing.assert_allclose(ours[1], theirs[1], **ROUND_TRIP)


def test_the_compiled_program_does_not_grow_with_depth():
    def size(model):
        return len(jax.jit(lambda x: model.log_prob(x)).lower(jnp.zeros((4, 2))).as_text().splitlines())

    for build in (MAF, SplineFlow):
        assert size(build(2, 32, [4], rngs=nnx.Rngs(0))) == size(build(2, 4, [4], rngs=nnx.Rngs(0)))
    unrolled = [size(RealNVP(2, n, [4], rngs=nnx.Rngs(0))) for n in (4, 32)]
    assert unrolled[1] > 4 * unrolled[0]


def test_one_direction_of_maf_is_the_other_of_iaf():
    """With the same parameters IAF's forward is MAF's inverse, if the curves are turned round: τ_IAF = τ_MAF⁻¹."""
    layer, x = (
        perturbed(MaskedAutoregressive(4, [8], rngs=nnx.Rngs(0)), 0),
        jax.random.normal(jax.random.key(0), (3, 4)),
    )
    z, _ = layer.inverse(x)
    moved = layer.inverse(x.at[:, 2].add(1.0))[0] != z
    np.testing.assert_array_equal(moved, np.broadcast_to([False, False, True, True], (3, 4)))


@every_flow
def test_a_context_changes_the_density_and_one_serves_a_batch(name):
    model = perturbed(FLOWS[name](3, num_context=2), 0, scale=0.4)
    x, context = jax.random.normal(jax.random.key(0), (4, 3)), jnp.array([1.0, -1.0])
    log_prob, many = jax.jit(model.log_prob), jnp.broadcast_to(context, (4, 2))
    log_p = log_prob(x, context)
    np.testing.assert_allclose(log_p, log_prob(x, many), **FLOAT32)
    assert (jnp.abs(log_p - log_prob(x, -context)) > 1e-4).all()
    assert jax.jit(lambda key: model.sample(key, (4,), context))(jax.random.key(1)).shape == (4, 3)
    loss = jax.jit(lambda x, c: conditional_negative_log_likelihood(model, (x, c)))(x, many)
    np.testing.assert_allclose(loss, -log_p.mean(), **FLOAT32)
    for wrong in (None, jnp.zeros(3), jnp.zeros((2, 2))):
        with pytest.raises(ValueError, match="was built with num_context=2: give"):
            model.log_prob(x, wrong)
    with pytest.raises(ValueError, match="num_context=0: give none"):
        FLOWS[name](3).log_prob(x, context)


def test_planar_constraint_holds_for_any_direction_and_the_naive_map_folds():
    w = jnp.array([2.0, 1.0])
    for size in (-50.0, -5.0, 0.0, 5.0):
        assert float(constrained_direction(size * w, w) @ w) >= -1 - 1e-5
    fold = lambda t: t - 2 * jnp.tanh(t)  # noqa: E731 - u·w = −2: not increasing at 0
    assert float(fold(0.5)) < float(fold(0.0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Permutation([0, 0, 1]), "is no permutation"),
        (lambda: InvertibleLinear(0, rngs=nnx.Rngs(0)), "num_dims is 0"),
        (lambda: Planar(0, rngs=nnx.Rngs(0)), "num_dims is 0"),
        (lambda: Coupling([1, 1], [4], rngs=nnx.Rngs(0)), "at least one of each"),
        (lambda: SplineFlow(1, 2, [4], rngs=nnx.Rngs(0)), "needs at least 2 and 1"),
        (lambda: MAF(2, 0, [4], rngs=nnx.Rngs(0)), "num_layers is 0"),
        (lambda: MaskedAutoregressive(2, [4], ordering=[0, 2], rngs=nnx.Rngs(0)), "is no permutation"),
        (lambda: Stack([]), "0 layers; a Stack needs at least one"),
        (lambda: Stack([Affine([0.0], [1.0]), Affine([0.0] * 2, [1.0] * 2)]), "all of equal structure"),
    ],
)
def test_impossible_layers_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
