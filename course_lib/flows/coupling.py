"""Coupling: one part of the coordinates stays and decides how each coordinate of the other part moves."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Shaped

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.flows.context import context_for
from course_lib.flows.transformer import AffineTransformer, Transformer
from course_lib.networks import dense
from course_lib.validation import events

Mask = Shaped[Array | np.ndarray, " d"]


def coupling_forward(z: Points, shift: Points, log_scale: Points, mask: Mask) -> MappedPoints:
    """Keep the coordinates where the mask m is 1; stretch by exp(s) and shift by b where it is 0.

    x = m ⊙ z + (1 − m) ⊙ (z ⊙ exp(s) + b),    log|det Dg| = Σ_i (1 − m_i) s_i

    The Jacobian is triangular, and this its determinant, only if b and s were computed from m ⊙ z alone.
    Args: z; shift b and log_scale s, ignored at kept coordinates; mask m of 0 and 1.
    Returns: x and log|det Dg|.
    Source: Dinh, Sohl-Dickstein & Bengio, arXiv:1605.08803, §3.2–3.4.
    Taught in: 03_normalizing_flow, "A coupling layer".
    """
    moved = jnp.broadcast_to(1 - mask, z.shape)
    x = z * jnp.exp(moved * log_scale) + moved * shift
    return x, jnp.sum(moved * log_scale, axis=-1)


def coupling_inverse(x: Points, shift: Points, log_scale: Points, mask: Mask) -> MappedPoints:
    """Undo `coupling_forward`; b and s are computed from m ⊙ x, which is m ⊙ z.

    z = m ⊙ x + (1 − m) ⊙ (x − b) ⊙ exp(−s),    log|det Df| = −Σ_i (1 − m_i) s_i

    Args, Source, Taught in: as `coupling_forward`. Returns: z and log|det Df|.
    """
    moved = jnp.broadcast_to(1 - mask, x.shape)
    z = (x - moved * shift) * jnp.exp(-moved * log_scale)
    return z, -jnp.sum(moved * log_scale, axis=-1)


def _places(mask: np.ndarray) -> slice | np.ndarray:
    """Where the mask is 1; as a slice if the places are equally far apart, since it is faster than an index."""
    places = np.flatnonzero(mask)
    steps = np.diff(places)
    return slice(places[0], places[-1] + 1, max(steps, default=1)) if len(set(steps.tolist())) < 2 else places


def _widened(values: Array, mask: np.ndarray) -> Array:
    """The values in the places where the mask is 1, and 0 in the others."""
    places, d = _places(mask), len(mask)
    none = (0, 0, 0)
    if isinstance(places, slice):
        sides = (places.start, d - places.stop, places.step - 1)
        return jax.lax.pad(values, jnp.zeros((), values.dtype), [*[none] * (values.ndim - 1), sides])
    return jnp.zeros((*values.shape[:-1], d), values.dtype).at[..., places].set(values)


class Coupling(Bijection):
    """Keep the coordinates where the mask m is 1; send each other one through a curve τ that the kept ones decide.

    forward:  x_i = τ(z_i; θ_i(m ⊙ z)),    log|det Dg| = Σ_i log τ′(z_i),   sums over m_i = 0
    inverse:  z_i = τ⁻¹(x_i; θ_i(m ⊙ x)),  log|det Df| = −Σ_i log τ′(z_i)

    θ comes from a perceptron with tanh units whose last layer starts at zero, so that a new layer is the identity.
    With the affine τ it is `coupling_forward` and `coupling_inverse`.

    Args:
        mask: m, 0 or 1 for each coordinate (1 = kept), at least one of each.
        hidden_sizes: widths of the hidden layers; none makes θ linear in the kept coordinates.
        transformer: τ, `AffineTransformer()` if None; `SplineTransformer()` bends more.
        num_context: length of the context that the perceptron also reads; 0: none.
    Raises: ValueError: a mask that is not 0/1, keeps all or keeps nothing.
    Numerics: with a hidden layer the affine τ has a bounded shift, and its scale is always bounded; log-density and
        gradient stay finite for |x| up to 1e4.
    Source: Dinh et al., arXiv:1605.08803, §3; splines: Durkan et al., arXiv:1906.04032, §3.
    Taught in: 03_normalizing_flow, "A coupling layer"; 03a_masked_and_spline_flows, "Splines".
    """

    def __init__(
        self,
        mask: ArrayLike | Sequence,
        hidden_sizes: Sequence[int],
        *,
        transformer: Transformer | None = None,
        num_context: int = 0,
        rngs: nnx.Rngs,
    ):
        given = np.asarray(mask)
        if given.ndim != 1 or set(given.tolist()) != {0, 1}:
            raise ValueError(
                f"mask is {given.tolist()}; expected one 0 or 1 for each coordinate, with at least one of each: "
                "the kept coordinates (1) decide how the others (0) move."
            )
        self.num_dims, self.mask, self.num_context = len(given), tuple(map(int, given)), num_context
        self.transformer, kept = transformer or AffineTransformer(), sum(self.mask)
        sizes = [kept + num_context, *hidden_sizes, (self.num_dims - kept) * self.transformer.num_parameters]
        self.conditioner = dense(sizes, rngs, activation=jnp.tanh, start_at_zero=True)

    def parameters(self, x: Points, context: Context = None) -> Float[Array, "*batch moved numbers"]:
        """θ of each moved coordinate, from the kept ones of `x` (z will do: there they are equal)."""
        told, read = context_for(x, context, self.num_context), x[..., _places(np.asarray(self.mask) == 1)]
        raw = self.conditioner(read if told is None else jnp.concatenate([read, told], axis=-1))
        by_number = raw.reshape(*x.shape[:-1], self.transformer.num_parameters, self.num_dims - sum(self.mask))
        return jnp.swapaxes(by_number, -1, -2)

    def _apply(self, curve: Callable, t: Points, context: Context) -> MappedPoints:
        t, kept = events(t, (self.num_dims,), "Coupling"), np.asarray(self.mask) == 1
        values, log_slopes = curve(t[..., _places(~kept)], self.parameters(t, context))
        return _widened(t[..., _places(kept)], kept) + _widened(values, ~kept), log_slopes.sum(axis=-1)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        return self._apply(self.transformer.forward, z, context)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        return self._apply(self.transformer.inverse, x, context)
