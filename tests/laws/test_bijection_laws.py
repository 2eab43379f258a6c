"""What every bijection must obey, in several dimensions, with broken ones that must be caught."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.flows import Bijection, Chain, Coupling, coupling_forward
from tests.laws.bijections import BIJECTIONS, DATA_DOMAIN, Bend, alternating
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT64, ROUND_TRIP

D = 7  # two dimensions, where a coupling moves one by the other, are tested in float64; three in batches
every_bijection = pytest.mark.parametrize("name", BIJECTIONS)


def points(d: int, n: int = 6):
    return 1.5 * jax.random.normal(jax.random.key(7), (n, d))


def data_points(name: str, d: int):
    return DATA_DOMAIN.get(name, lambda x: x)(points(d))


def evaluate(bijection: Bijection, z, x=None) -> dict:
    """All that the laws look at, in one compiled call: both directions there and back, log-dets and Jacobians.

    The Jacobian and the value come from one trace; that points do not mix is a law of its own.

    Forward starts at z, inverse at x (None: at z).
    """

    def direction(there, back, start):
        jacobians, (value, log_det) = jax.vmap(jax.jacfwd(lambda t: (there(t)[0], there(t)), has_aux=True))(start)
        returned, log_det_back = back(value)
        seen = {"log_det": log_det, "returned": returned, "log_det_back": log_det_back, "jacobians": jacobians}
        return seen | {"start": start, "value": value}

    forward, inverse = bijection.forward, bijection.inverse
    x = z if x is None else x
    return jax.jit(lambda: {"forward": direction(forward, inverse, z), "inverse": direction(inverse, forward, x)})()


def law_round_trip(seen, tolerance):
    for direction in ("forward", "inverse"):
        np.testing.assert_allclose(seen[direction]["returned"], seen[direction]["start"], **tolerance)


def law_log_det_is_that_of_the_jacobian(seen, tolerance):
    for direction in ("forward", "inverse"):
        exact = np.linalg.slogdet(np.asarray(seen[direction]["jacobians"]))[1]
        np.testing.assert_allclose(seen[direction]["log_det"], exact, **tolerance)


def law_inverse_log_det_is_minus_forward(seen, tolerance):
    for direction in ("forward", "inverse"):
        np.testing.assert_allclose(seen[direction]["log_det_back"], -seen[direction]["log_det"], **tolerance)


LAWS = (law_round_trip, law_log_det_is_that_of_the_jacobian, law_inverse_log_det_is_minus_forward)


def check_all_in_float64():
    """Run in its own process, with jax_enable_x64 set: the laws hold to 1e-9."""
    z = points(2)
    assert z.dtype == jnp.float64
    for name, constructor in BIJECTIONS.items():
        seen = evaluate(constructor(2), z, data_points(name, 2))
        for law in LAWS:
            law(seen, FLOAT64)


@every_bijection
def test_laws_in_float32(name):
    seen = evaluate(BIJECTIONS[name](D), points(D), data_points(name, D))
    for law in LAWS:
        law(seen, ROUND_TRIP)
    moved = np.asarray(seen["forward"]["value"]) - np.asarray(points(D))
    assert np.abs(moved).max() > 0.1  # or the laws would hold for nothing


def test_laws_in_float64():
    code = "from tests.laws.test_bijection_laws import check_all_in_float64; check_all_in_float64()"
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr[-3000:]


@every_bijection
def test_any_batch_shape_is_the_map_point_by_point(name):
    bijection = BIJECTIONS[name](3)
    z, domain = points(3, 8), DATA_DOMAIN.get(name, lambda x: x)
    both = jax.jit(
        lambda: [
            (method(t.reshape(2, 4, 3)), jax.lax.map(method, t))
            for method, t in ((bijection.forward, z), (bijection.inverse, domain(z)))
        ]
    )
    for (value, log_det), (single, single_log_det) in both():
        assert value.shape == (2, 4, 3)
        assert log_det.shape == (2, 4)
        assert single_log_det.shape == (8,)
        np.testing.assert_allclose(value.reshape(8, 3), single, **ROUND_TRIP)
        np.testing.assert_allclose(log_det.reshape(8), single_log_det, **ROUND_TRIP)


@every_bijection
def test_composition_follows_the_list_order_and_adds_log_dets(name):
    first, second, z = BIJECTIONS[name](3), Bend(3, 0.4), points(3)

    @jax.jit
    def all_of_them():
        middle, log_det_1 = first.forward(z)
        end, log_det_2 = second.forward(middle)
        swapped, _ = Chain([second, first]).forward(z)
        return Chain([first, second]).forward(z), (end, log_det_1 + log_det_2), swapped

    (x, log_det), (end, sum_of_log_dets), swapped = all_of_them()
    np.testing.assert_allclose(x, end, **ROUND_TRIP)
    np.testing.assert_allclose(log_det, sum_of_log_dets, **ROUND_TRIP)
    if name != "permutation":  # which commutes with a map that treats all coordinates alike
        apart = np.asarray(swapped) - np.asarray(x)
        assert np.abs(apart).max() > 1e-2  # the order matters, so the lines above mean something


# --- negative controls: each is broken in one way, and a law must say so ---
class Broken(Bijection):
    """A sound coupling until a subclass breaks it."""

    def __init__(self, d: int):
        self.num_dims, self.inner = d, BIJECTIONS["coupling"](d)

    def forward(self, z):
        return self.inner.forward(z)

    def inverse(self, x):
        return self.inner.inverse(x)


class WithoutLogDet(Broken):
    def forward(self, z):
        return self.inner.forward(z)[0], jnp.zeros(z.shape[:-1])

    def inverse(self, x):
        return self.inner.inverse(x)[0], jnp.zeros(x.shape[:-1])


class WrongSign(Broken):
    def inverse(self, x):
        z, log_det = self.inner.inverse(x)
        return z, -log_det


class NoInverse(Broken):
    def inverse(self, x):
        return x, self.inner.inverse(x)[1]


class ReadsWhatItMoves(Coupling):
    """A coupling whose conditioner sees every coordinate."""

    def parameters(self, x, context=None):
        leak = jnp.tanh(jnp.flip(x, axis=-1) + x)[..., np.flatnonzero(np.asarray(self.mask) == 0)]
        return super().parameters(x, context) + jnp.stack([leak, 0.5 * leak], axis=-1)


def broken_coupling(d):
    return perturbed(ReadsWhatItMoves(alternating(d), [8], rngs=nnx.Rngs(0)), 0)


def laws_broken(bijection, d) -> list[bool]:
    """For each law in turn: does it catch this bijection?"""
    z, broken = points(d), []
    seen = evaluate(bijection, z)
    for law in LAWS:
        try:
            law(seen, ROUND_TRIP)
            broken.append(False)
        except AssertionError:
            broken.append(True)
    return broken


@pytest.mark.parametrize("d", [2, D])
def test_laws_catch_broken_bijections(d):
    assert laws_broken(Broken(d), d) == [False, False, False]
    assert laws_broken(WithoutLogDet(d), d) == [False, True, False]
    assert laws_broken(WrongSign(d), d) == [False, True, True]
    assert laws_broken(NoInverse(d), d) == [True, True, False]
    assert laws_broken(broken_coupling(d), d) == [True, True, True]


@pytest.mark.parametrize("d", [2, D])
def test_the_triangular_determinant_needs_a_conditioner_that_reads_kept_coordinates_only(d):
    mask = jnp.asarray(alternating(d))

    def layer(z, reads):
        log_scale = jnp.tanh(jnp.roll(reads * z, 1) + reads * z)
        return coupling_forward(z, jnp.sin(log_scale), log_scale, mask)

    z = points(d)[0]
    for reads, sound in ((mask, True), (jnp.ones(d), False)):
        x, log_det = layer(z, reads)
        jacobian = np.asarray(jax.jacfwd(lambda t, reads=reads: layer(t, reads)[0])(z))
        assert x.shape == z.shape
        assert np.allclose(log_det, np.linalg.slogdet(jacobian)[1], **ROUND_TRIP) is sound
        kept_rows = jacobian[np.asarray(mask) == 1]
        np.testing.assert_array_equal(kept_rows, np.eye(d)[np.asarray(mask) == 1])
