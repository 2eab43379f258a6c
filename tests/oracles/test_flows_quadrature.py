"""A flow's density integrates to one and is the density of its own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats

from course_lib.flows import (
    IAF,
    MAF,
    Affine,
    Chain,
    Flow,
    InvertibleLinear,
    MaskedAutoregressive,
    Planar,
    RealNVP,
    SplineFlow,
    SplineTransformer,
    negative_log_likelihood,
)
from course_lib.probability import standard_normal_log_prob
from tests.laws.bijections import Bend
from tests.laws.registry import perturbed


def curved_line() -> Flow:
    """One dimension: affine, bend, affine, bend."""
    return Flow(1, Chain([Affine([0.3], [0.8]), Bend(1, 0.9), Affine([-1.0], [1.5]), Bend(1, -0.6)]))


def random_plane(seed: int) -> RealNVP:
    return perturbed(RealNVP(2, 4, [8], rngs=nnx.Rngs(seed)), seed, scale=0.4)


def trained_plane() -> RealNVP:
    """Fitted for 300 full-batch steps to a half circle with noise."""
    angle_key, noise_key = jax.random.split(jax.random.key(0))
    angle = jnp.pi * jax.random.uniform(angle_key, (500,))
    data = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1) + 0.15 * jax.random.normal(noise_key, (500, 2))
    model = RealNVP(2, 6, [16], rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        loss, gradients = nnx.value_and_grad(negative_log_likelihood)(model, data)
        optimizer.update(model, gradients)
        return loss

    losses = [float(step(model, optimizer)) for _ in range(300)]
    assert losses[-1] < losses[0] - 0.8  # it did learn something far from the standard normal
    return model


def planar_and_linear() -> Flow:
    planar, linear = Planar(2, rngs=nnx.Rngs(0)), InvertibleLinear(2, rngs=nnx.Rngs(1))
    return Flow(2, Chain([perturbed(planar, 0, scale=1.0), perturbed(linear, 1, scale=0.3)]))


def spline_on_the_line() -> Flow:
    layer = MaskedAutoregressive(1, [], transformer=SplineTransformer(6, 3.0), rngs=nnx.Rngs(0))
    return Flow(1, perturbed(layer, 0, scale=1.0))


def total_1d(log_prob) -> float:
    x = np.linspace(-200, 200, 400_001).astype(np.float32)
    return float(np.trapezoid(np.exp(np.asarray(log_prob(x[:, None]), np.float64)), x.astype(np.float64)))


def total_2d(log_prob, reach: float, cells: int = 800) -> float:
    """Midpoint rule on a square grid."""
    width = 2 * reach / cells
    axis = jnp.asarray(-reach + width * (np.arange(cells) + 0.5), jnp.float32)
    grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return float(np.exp(np.asarray(jax.jit(log_prob)(grid), np.float64)).sum() * width**2)


PLANES = {
    "random 0": lambda: (random_plane(0), 25),
    "random 1": lambda: (random_plane(1), 25),
    "trained": lambda: (trained_plane(), 8),
    "MAF": lambda: (perturbed(MAF(2, 3, [8], rngs=nnx.Rngs(0)), 0, scale=0.4), 25),
    "IAF": lambda: (perturbed(IAF(2, 2, [8], rngs=nnx.Rngs(0)), 0, scale=0.4), 25),
    "SplineFlow": lambda: (perturbed(SplineFlow(2, 2, [8], rngs=nnx.Rngs(0)), 0, scale=0.25), 6.5),
    "planar and linear": lambda: (planar_and_linear(), 12),
}


@pytest.mark.parametrize("build", [curved_line, spline_on_the_line, lambda: Flow(1, Planar(1, rngs=nnx.Rngs(0)))])
def test_total_probability_in_one_dimension(build):
    model = perturbed(build(), 3, scale=0.3)
    assert abs(total_1d(model.log_prob) - 1) < 1e-3
    without_log_det = total_1d(lambda x: standard_normal_log_prob(model.bijection.inverse(jnp.asarray(x))[0]))
    assert abs(without_log_det - 1) > 0.1


@pytest.mark.parametrize("name", PLANES)
def test_total_probability_in_the_plane(name):
    model, reach = PLANES[name]()
    assert abs(total_2d(model.log_prob, reach) - 1) < 1e-3

    def wrong_sign(x):
        z, log_det = model.bijection.inverse(x)
        return standard_normal_log_prob(z) - log_det

    def without_log_det(x):
        return standard_normal_log_prob(model.bijection.inverse(x)[0])

    assert abs(total_2d(without_log_det, reach) - 1) > 0.02
    assert abs(total_2d(wrong_sign, reach) - 1) > 0.02


def cell_counts_rejected(samples, log_prob, low, high, cells=12, false_alarm=1e-6) -> bool:
    """Pearson's test: samples counted in the cells of a grid, and one cell for the rest, against the density."""
    d, fine = samples.shape[1], 16
    centres = low + (high - low) * (np.arange(cells * fine) + 0.5) / (cells * fine)
    grid = np.stack(np.meshgrid(*[centres] * d, indexing="ij"), axis=-1).astype(np.float32)
    p = np.exp(np.asarray(jax.jit(log_prob)(jnp.asarray(grid)), np.float64)) * ((high - low) / (cells * fine)) ** d
    for axis in range(d):
        p = np.add.reduceat(p, np.arange(0, cells * fine, fine), axis=axis)
    observed, _ = np.histogramdd(np.asarray(samples), bins=cells, range=[(low, high)] * d)
    observed, expected = observed.ravel(), len(samples) * p.ravel()
    if expected.sum() > 1.001 * len(samples):
        return True  # more than one sample expected for each one drawn
    full = expected >= 5
    observed = np.append(observed[full], len(samples) - observed[full].sum())
    expected = np.append(expected[full], len(samples) - expected[full].sum())
    assert len(observed) > cells
    return bool(((observed - expected) ** 2 / expected).sum() > stats.chi2.isf(false_alarm, len(observed) - 1))


@pytest.mark.parametrize("build", [curved_line, lambda: random_plane(0), trained_plane])
def test_samples_follow_the_density(build):
    model = build()
    samples = model.sample(jax.random.key(1), (40_000,))
    low, high = (float(q) for q in np.quantile(np.asarray(samples), [0.005, 0.995]))
    assert not cell_counts_rejected(samples, model.log_prob, low, high)

    def without_log_det(x):
        return standard_normal_log_prob(model.bijection.inverse(x)[0])

    assert cell_counts_rejected(samples, without_log_det, low, high)
    assert cell_counts_rejected(1.1 * samples, model.log_prob, low, high)
