"""The boundary of the toy densities; their mathematics is checked in tests/oracles/test_data_toy.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.data import toy_density
from course_lib.data.toy import CHECKERBOARD, RING, SPIRALS, TOY_DENSITIES


def test_the_six_by_name():
    assert set(TOY_DENSITIES) == {"ring", "two_moons", "pinwheel", "checkerboard", "eight_gaussians", "spirals"}
    assert toy_density("ring") is RING


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match="'torus'; choose one of ring, two_moons"):
        toy_density("torus")


@pytest.mark.parametrize("density", TOY_DENSITIES.values(), ids=lambda d: d.name)
def test_shapes_keys_and_gradients(density):
    points = density.sample(jax.random.key(0), 7)
    assert points.shape == (7, 2)
    assert points.dtype == jnp.float32
    assert np.array_equal(points, density.sample(jax.random.key(0), 7))
    assert not np.array_equal(points, density.sample(jax.random.key(1), 7))
    batch = density.log_prob(points.reshape(7, 1, 2))
    one_by_one = jnp.stack([density.log_prob(p) for p in points])
    assert batch.shape == (7, 1)
    np.testing.assert_allclose(batch[:, 0], one_by_one, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(density.log_prob)(points), one_by_one, rtol=1e-5, atol=1e-5)
    for where in (jnp.zeros(2), jnp.array([0.3, -1.2])):
        assert np.isfinite(jax.grad(density.log_prob)(where)).all()


def test_outside_the_checkerboard_there_is_nothing():
    assert CHECKERBOARD.log_prob(jnp.array([5.0, 0.5])) == -jnp.inf
    assert CHECKERBOARD.log_prob(jnp.array([-1.0, 0.5])) == -jnp.inf
    assert CHECKERBOARD.log_prob(jnp.array([1.0, 0.5])) == pytest.approx(-np.log(32))


def test_bad_points_are_refused():
    with pytest.raises(ValueError, match="spirals"):
        SPIRALS.log_prob(np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="NaN"):
        RING.log_prob(np.array([np.nan, 0.0], np.float32))
