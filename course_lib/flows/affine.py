"""Stretch and shift each coordinate."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import ArrayLike

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.validation import events, is_concrete, require_finite


class Affine(Bijection):
    """A learned positive scale s and a learned shift b for each coordinate.

    forward:  x = s ⊙ z + b,    log|det Dg| = Σ_i log s_i
    inverse:  z = (x − b) / s,  log|det Df| = −Σ_i log s_i

    Args:
        shift: b, shape (d,).
        scale: s > 0, shape (d,). Training moves log s, so the scale never reaches zero.
    Raises: ValueError: shapes differ, a value is not finite, or a scale is not positive.
    Taught in: 03_normalizing_flow, "A chain of maps".
    """

    def __init__(self, shift: ArrayLike | Sequence, scale: ArrayLike | Sequence):
        shift, scale = jnp.asarray(shift, float), jnp.asarray(scale, float)
        if shift.ndim != 1 or shift.shape != scale.shape:
            raise ValueError(f"shift and scale have shapes {shift.shape} and {scale.shape}; expected (d,) twice.")
        require_finite(shift, "shift")
        require_finite(scale, "scale")
        if is_concrete(scale) and scale.min() <= 0:
            raise ValueError(
                f"scale is {scale.tolist()}; every entry must be greater than 0. "
                "A scale of zero presses its axis flat, and no inverse can undo that."
            )
        self.num_dims, self.shift, self.log_scale = shift.size, nnx.Param(shift), nnx.Param(jnp.log(scale))

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "Affine")
        shift, log_scale = (jnp.broadcast_to(p[...], z.shape) for p in (self.shift, self.log_scale))
        return z * jnp.exp(log_scale) + shift, log_scale.sum(axis=-1)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "Affine")
        shift, log_scale = (jnp.broadcast_to(p[...], x.shape) for p in (self.shift, self.log_scale))
        return (x - shift) * jnp.exp(-log_scale), -log_scale.sum(axis=-1)
