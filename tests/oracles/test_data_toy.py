"""Each toy density is a density, its sampler draws from it, and its entropy is the one of that density."""

import itertools

import jax
import numpy as np
import pytest
from scipy import integrate, special, stats

from course_lib.data.toy import (
    CHECKERBOARD,
    EIGHT_GAUSSIANS,
    PINWHEEL,
    RING,
    SPIRALS,
    TOY_DENSITIES,
    TWO_MOONS,
    ToyDensity,
)
from tests.tolerances import within_standard_errors

EVERY = pytest.mark.parametrize("density", TOY_DENSITIES.values(), ids=lambda d: d.name)


def grid(step: float = 0.04) -> np.ndarray:
    axis = np.arange(-4 + step / 2, 4, step, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis), axis=-1)


@EVERY
def test_total_probability_is_one(density):
    p = np.exp(np.asarray(density.log_prob(grid()), dtype=np.float64))
    assert p.sum() * 0.04**2 == pytest.approx(1.0, abs=1e-3)


def expected_counts(density: ToyDensity, n: int) -> np.ndarray:
    """Points expected in each of 32 × 32 cells of side 1/4, from the density at 5 × 5 places in each cell."""
    p = np.exp(np.asarray(density.log_prob(grid(0.05)), dtype=np.float64))
    return n * p.reshape(32, 5, 32, 5).sum(axis=(1, 3)) * 0.05**2


def chi_square_p_value(points: np.ndarray, expected: np.ndarray) -> float:
    seen, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=32, range=[[-4, 4], [-4, 4]])
    often = expected >= 5
    seen = np.append(seen[often], len(points) - seen[often].sum())
    expected = np.append(expected[often], max(len(points) - expected[often].sum(), 1e-9))
    if expected[-1] < 5:  # nearly nothing outside: join it to the cell before
        seen, expected = np.append(seen[:-2], seen[-2:].sum()), np.append(expected[:-2], expected[-2:].sum())
    return float(stats.chi2.sf(((seen - expected) ** 2 / expected).sum(), len(seen) - 1))


@EVERY
def test_the_sampler_draws_from_the_density(density):
    n = 20000
    points = np.asarray(density.sample(jax.random.key(7), n))
    assert chi_square_p_value(points, expected_counts(density, n)) > 1e-4
    turned = points @ np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    if density is not RING:  # negative control: the same points turned by 0.3 radians are not draws from it
        assert chi_square_p_value(turned, expected_counts(density, n)) < 1e-12


@EVERY
def test_entropy_is_the_mean_negative_log_density_of_samples(density):
    log_p = np.asarray(density.log_prob(density.sample(jax.random.key(3), 20000)), dtype=np.float64)
    if density is CHECKERBOARD:
        assert density.entropy() == pytest.approx(np.log(32), abs=1e-6)
        assert np.allclose(log_p, -np.log(32))
    else:
        assert within_standard_errors(-log_p.mean(), density.entropy(), log_p.std() / np.sqrt(len(log_p)))


def test_ring_against_its_closed_form():
    """Averaging N(x; c, σ²) over the circle of radius R gives exp(-(r-R)²/2σ²) · i0e(rR/σ²) / 2πσ²."""
    x = np.asarray(RING.sample(jax.random.key(0), 500), dtype=np.float64)
    r, variance = np.linalg.norm(x, axis=1), 0.2**2
    exact = -((r - 2) ** 2) / (2 * variance) + np.log(special.i0e(2 * r / variance)) - np.log(2 * np.pi * variance)
    np.testing.assert_allclose(RING.log_prob(x.astype(np.float32)), exact, atol=1e-4)


def test_eight_gaussians_against_scipy():
    x = np.asarray(EIGHT_GAUSSIANS.sample(jax.random.key(0), 500), dtype=np.float64)
    angles = np.arange(8) * np.pi / 4
    each = [stats.multivariate_normal(2 * np.array([np.cos(a), np.sin(a)]), 0.04 * np.eye(2)).pdf(x) for a in angles]
    np.testing.assert_allclose(EIGHT_GAUSSIANS.log_prob(x.astype(np.float32)), np.log(np.mean(each, axis=0)), atol=1e-4)
    apart = np.log(8) + np.log(2 * np.pi * np.e * 0.04)  # the entropy if the eight did not overlap at all
    assert apart - 0.01 < EIGHT_GAUSSIANS.entropy() < apart


def moons(s: float) -> np.ndarray:
    return 1.8 * np.array([np.cos(np.pi * s) - 0.5, np.sin(np.pi * s) - 0.25])


def spiral(s: float) -> np.ndarray:
    angle = 3 * np.pi * np.sqrt(s)
    return angle / np.pi * np.array([np.cos(angle), np.sin(angle)])


@pytest.mark.parametrize(("density", "curve", "noise"), [(TWO_MOONS, moons, 0.15), (SPIRALS, spiral, 0.12)])
def test_noise_about_a_curve_against_adaptive_quadrature(density, curve, noise):
    points = np.asarray(density.sample(jax.random.key(5), 12), dtype=np.float64)

    def exact(x: np.ndarray) -> float:
        def integrand(root: float) -> float:  # s = root², so that the spiral's square root does no harm
            c = curve(root**2)
            return root * sum(np.exp(-np.sum((x - sign * c) ** 2) / (2 * noise**2)) for sign in (1, -1))

        pieces = np.linspace(0, 1, 41)
        total = sum(integrate.quad(integrand, a, b)[0] for a, b in itertools.pairwise(pieces))
        return np.log(total / (2 * np.pi * noise**2))

    np.testing.assert_allclose(density.log_prob(points.astype(np.float32)), [exact(x) for x in points], atol=2e-4)


def test_the_pinwheel_s_twist_keeps_areas():
    from course_lib.data.toy import _rotate, _twist_angle

    jacobians = jax.vmap(jax.jacfwd(lambda x: _rotate(x, _twist_angle(x))))(PINWHEEL.sample(jax.random.key(1), 50))
    np.testing.assert_allclose(np.linalg.det(np.asarray(jacobians)), 1.0, rtol=1e-5)
