"""The planar flow: push points along one direction, by an amount that depends on another."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.validation import events, whole_number


def constrained_direction(u: Float[Array, " d"], w: Float[Array, " d"]) -> Float[Array, " d"]:
    """û = u + (m(u·w) − u·w) w / ‖w‖², m(a) = −1 + log(1 + eᵃ): then û·w > −1, and the planar map is invertible.

    Source: Rezende & Mohamed, arXiv:1505.05770, §A.1.
    Taught in: 03b_flows_for_inference, "What goes wrong: the layer folds".
    """
    dot = jnp.vdot(u, w)
    return u + (jax.nn.softplus(dot) - 1 - dot) / (jnp.vdot(w, w) + 1e-12) * w


class Planar(Bijection):
    """x = z + û tanh(w·z + b), with û·w > −1 (`constrained_direction`).

    forward:  log|det Dg(z)| = log(1 + (û·w) tanh′(w·z + b)), tanh′ = 1 − tanh²
    inverse:  t = w·z solves t + (û·w) tanh(t + b) = w·x, then z = x − û tanh(t + b)

    The inverse has no closed form, but only this one increasing equation in one number stands in the way: it is
    solved by bisection, so that a planar flow can be fitted to data and obeys every law of a bijection.
    Args: num_dims d. Starts near the identity. Raises: ValueError: d below 1.
    Numerics: bisection to the last digit, then a Newton step, which also carries the derivative.
    Source: Rezende & Mohamed, arXiv:1505.05770, §4.1.
    Taught in: 03b_flows_for_inference, "One planar layer, one ridge".
    """

    def __init__(self, num_dims: int, *, rngs: nnx.Rngs):
        whole_number(num_dims, "num_dims")
        start = nnx.initializers.normal(num_dims**-0.5)
        self.num_dims, self.b = num_dims, nnx.Param(jnp.zeros(()))
        self.w, self.u = (nnx.Param(start(rngs.params(), (num_dims,))) for _ in range(2))
        # m(a) = 0 at a = log(e − 1): u·w is set there, so that û is orthogonal to w and the new map keeps volumes.
        w, u = self.w[...], self.u[...]
        self.u[...] = u + (jnp.log(jnp.expm1(1.0)) - jnp.vdot(u, w)) / (jnp.vdot(w, w) + 1e-12) * w

    def _moved(self, points: Points, along: Float[Array, "*batch"], direction: Array, sign: int) -> MappedPoints:
        """points ± û tanh(t + b), t = `along`; and the log-determinant of that direction."""
        push = jnp.tanh(along + self.b[...])
        log_det = jnp.log1p(jnp.vdot(direction, self.w[...]) * (1 - push**2))
        return points + sign * push[..., None] * jnp.broadcast_to(direction, points.shape), sign * log_det

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "Planar")
        return self._moved(z, z @ self.w[...], constrained_direction(self.u[...], self.w[...]), 1)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "Planar")
        direction = constrained_direction(self.u[...], self.w[...])
        along = solve_planar(x @ self.w[...], jnp.vdot(direction, self.w[...]), self.b[...])
        return self._moved(x, along, direction, -1)


def solve_planar(y: Float[Array, "*batch"], c: Float[Array, ""], b: Float[Array, ""]) -> Float[Array, "*batch"]:
    """The t with t + c tanh(t + b) = y, c > −1; it lies in [y − |c|, y + |c|]."""
    known_y, known_c, known_b = (jax.lax.stop_gradient(t) for t in (y, c, b))

    def halve(_, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        too_low = middle + known_c * jnp.tanh(middle + known_b) < known_y
        return jnp.where(too_low, middle, low), jnp.where(too_low, high, middle)

    low, high = jax.lax.fori_loop(0, 60, halve, (known_y - jnp.abs(known_c), known_y + jnp.abs(known_c)))
    t = (low + high) / 2
    push = jnp.tanh(t + b)
    return t - (t + c * push - y) / jax.lax.stop_gradient(1 + c * (1 - push**2))
