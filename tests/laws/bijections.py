"""Constructors of the bijections that the laws run over: a new one is added here, and every law applies to it.

Parameters are drawn away from their initial values: a coupling starts as the identity, which would make a law vacuous.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.flows import (
    IAF,
    MAF,
    Affine,
    AffineTransformer,
    Bijection,
    Chain,
    Coupling,
    InverseAutoregressive,
    InvertibleLinear,
    Logit,
    MaskedAutoregressive,
    Permutation,
    Planar,
    RealNVP,
    SplineFlow,
    SplineTransformer,
    Stack,
)
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


class Given(Bijection):
    """A conditional bijection with its context held fixed."""

    def __init__(self, bijection: Bijection, context):
        self.num_dims, self.bijection, self.context = bijection.num_dims, bijection, nnx.Variable(jnp.asarray(context))

    def forward(self, z):
        return self.bijection.forward(z, self.context[...])

    def inverse(self, x):
        return self.bijection.inverse(x, self.context[...])


def alternating(num_dims: int) -> list[int]:
    return [i % 2 for i in range(num_dims)]


CONTEXT = np.array([0.5, -1.0, 2.0], np.float32)
AUTOREGRESSIVE = {"MAF layer": MaskedAutoregressive, "IAF layer": InverseAutoregressive}


def autoregressive(kind: str, d: int, scale: float = 0.4, **options) -> Bijection:
    ordering = np.random.default_rng(d).permutation(d)
    return perturbed(AUTOREGRESSIVE[kind](d, [9], ordering=ordering, rngs=nnx.Rngs(6), **options), 6, scale=scale)


# name → constructor of a bijection of d ≥ 2 dimensions
BIJECTIONS: dict[str, Callable[[int], Bijection]] = {
    "affine": lambda d: perturbed(Affine(np.zeros(d), np.ones(d)), 0),
    "bend": lambda d: Bend(d, 0.7),
    "coupling": lambda d: perturbed(Coupling(alternating(d), [8], rngs=nnx.Rngs(1)), 1),
    "coupling, deep, first coordinate kept": lambda d: perturbed(
        Coupling([1] + [0] * (d - 1), [8, 8], transformer=AffineTransformer(1), rngs=nnx.Rngs(2)), 2
    ),
    "coupling, linear conditioner": lambda d: perturbed(Coupling(alternating(d), [], rngs=nnx.Rngs(3)), 3),
    "chain": lambda d: Chain([BIJECTIONS["affine"](d), BIJECTIONS["coupling"](d), Bend(d, 0.3)]),
    "real_nvp": lambda d: perturbed(RealNVP(d, 4, [8], rngs=nnx.Rngs(5)), 5, scale=0.3).bijection,
    "real_nvp, stacked": lambda d: (
        perturbed(RealNVP(d, 5, [8], stacked=True, rngs=nnx.Rngs(5)), 5, scale=0.3).bijection
    ),
    "stack": lambda d: perturbed(Stack([Affine(np.zeros(d), np.ones(d)) for _ in range(3)]), 4, scale=0.3),
    "permutation": lambda d: Permutation(np.roll(np.arange(d), 1)),
    "invertible linear": lambda d: perturbed(InvertibleLinear(d, rngs=nnx.Rngs(0)), 1, scale=0.2),
    "planar": lambda d: perturbed(Planar(d, rngs=nnx.Rngs(0)), 2),
    "planar, steep": lambda d: perturbed(Planar(d, rngs=nnx.Rngs(3)), 3, scale=1.2),
    "logit": lambda d: Logit(d, 0.05),
    "spline coupling": lambda d: perturbed(
        Coupling(alternating(d), [8], transformer=SplineTransformer(bound=3), rngs=nnx.Rngs(7)), 7, scale=0.3
    ),
    "spline flow": lambda d: (
        perturbed(SplineFlow(d, 3, [8], num_bins=5, bound=3, rngs=nnx.Rngs(7)), 7, scale=0.3).bijection
    ),
    "MAF layer": lambda d: autoregressive("MAF layer", d),
    "IAF layer": lambda d: autoregressive("IAF layer", d),
    "MAF layer, relu": lambda d: autoregressive("MAF layer", d, activation=jax.nn.relu),
    "MAF layer, spline": lambda d: autoregressive("MAF layer", d, transformer=SplineTransformer(6, 3.0)),
    "MAF": lambda d: perturbed(MAF(d, 3, [9], rngs=nnx.Rngs(8)), 8, scale=0.3).bijection,
    "IAF": lambda d: perturbed(IAF(d, 3, [9, 9], rngs=nnx.Rngs(8)), 8, scale=0.3).bijection,
    "coupling, conditional": lambda d: Given(
        perturbed(Coupling(alternating(d), [8], num_context=3, rngs=nnx.Rngs(1)), 1), CONTEXT
    ),
    "spline flow, conditional": lambda d: Given(
        perturbed(SplineFlow(d, 2, [8], bound=3, num_context=3, rngs=nnx.Rngs(1)), 1, scale=0.3).bijection, CONTEXT
    ),
    "MAF, conditional": lambda d: Given(
        perturbed(MAF(d, 2, [9], num_context=3, rngs=nnx.Rngs(1)), 1, scale=0.3).bijection, CONTEXT
    ),
}
# maps of the line onto a part of it: the law starts the inverse there
DATA_DOMAIN: dict[str, Callable] = {"logit": jax.nn.sigmoid}
