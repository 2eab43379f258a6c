"""Constructors of the bijections that the laws run over: a new one is added here, and every law applies to it.

Parameters are drawn away from their initial values: a coupling starts as the identity, which would make a law vacuous.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.flows import Affine, AffineCoupling, Bijection, Chain, RealNVP
from tests.laws.registry import perturbed


class Bend(Bijection):
    """x = −(z cosh b + √(1 + z²) sinh b) in each coordinate: a curved, decreasing map that the library lacks."""

    def __init__(self, num_dims: int, bend: float):
        self.num_dims, self.bend = num_dims, nnx.Param(jnp.asarray(bend))

    def _curve(self, t, b):
        root = jnp.sqrt(1 + t**2)
        log_slope = jnp.log(jnp.cosh(b) + t / root * jnp.sinh(b)).sum(axis=-1)
        return t * jnp.cosh(b) + root * jnp.sinh(b), log_slope

    def forward(self, z):
        x, log_det = self._curve(z, self.bend[...])
        return -x, log_det

    def inverse(self, x):
        return self._curve(-x, -self.bend[...])


def alternating(num_dims: int) -> list[int]:
    return [i % 2 for i in range(num_dims)]


# name → constructor of a bijection of d ≥ 2 dimensions
BIJECTIONS: dict[str, Callable[[int], Bijection]] = {
    "affine": lambda d: perturbed(Affine(np.zeros(d), np.ones(d)), 0),
    "bend": lambda d: Bend(d, 0.7),
    "coupling": lambda d: perturbed(AffineCoupling(alternating(d), [8], rngs=nnx.Rngs(1)), 1),
    "coupling, deep, first coordinate kept": lambda d: perturbed(
        AffineCoupling([1] + [0] * (d - 1), [8, 8], rngs=nnx.Rngs(2), max_log_scale=1), 2
    ),
    "coupling, linear conditioner": lambda d: perturbed(AffineCoupling(alternating(d), [], rngs=nnx.Rngs(3)), 3),
    "chain": lambda d: Chain([BIJECTIONS["affine"](d), BIJECTIONS["coupling"](d), Bend(d, 0.3)]),
    "real_nvp": lambda d: perturbed(RealNVP(d, 4, [8], rngs=nnx.Rngs(5)), 5, scale=0.3).bijection,
}
