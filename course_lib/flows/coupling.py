"""Coupling: one part of the coordinates stays and decides how the other part is stretched and shifted."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Shaped

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.flows.conditioner import with_context
from course_lib.initial_weights import linear
from course_lib.validation import events, require_positive

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


class AffineCoupling(Bijection):
    """A coupling layer whose shift and log-scale come from a multilayer perceptron with tanh units.

    As `coupling_forward` and `coupling_inverse`, with (b, r) = MLP(kept z) and s = c tanh(r / c).
    The perceptron's last layer starts at zero, so a new layer is the identity.

    Args:
        mask: m, 0 or 1 for each coordinate (1 = kept), at least one of each.
        hidden_sizes: widths of the hidden layers; none makes the conditioner linear.
        max_log_scale: c > 0; a layer stretches by a factor between exp(−c) and exp(c).
        num_context: length of the context that the perceptron also reads; 0: none.
    Raises: ValueError: a mask that is not 0/1, keeps all or keeps nothing; c not positive.
    Numerics: b is bounded with a hidden layer, s always; log-density and gradient stay finite for |x| up to 1e4.
    Source: Dinh et al., arXiv:1605.08803, §3.
    Taught in: 03_normalizing_flow, "A coupling layer".
    """

    def __init__(
        self,
        mask: ArrayLike | Sequence,
        hidden_sizes: Sequence[int],
        *,
        rngs: nnx.Rngs,
        max_log_scale: float | int = 2.0,
        num_context: int = 0,
    ):
        given = np.asarray(mask)
        if given.ndim != 1 or set(given.tolist()) != {0, 1}:
            raise ValueError(
                f"mask is {given.tolist()}; expected one 0 or 1 for each coordinate, with at least one of each: "
                "the kept coordinates (1) decide how the others (0) move."
            )
        require_positive(max_log_scale, "max_log_scale")
        self.num_dims, self.mask, self.max_log_scale = len(given), tuple(map(int, given)), float(max_log_scale)
        kept = sum(self.mask)
        self.num_context, sizes, moved = num_context, [kept + num_context, *hidden_sizes], self.num_dims - kept
        self.hidden = nnx.List([linear(i, o, rngs) for i, o in pairwise(sizes)])
        self.last = linear(sizes[-1], 2 * moved, rngs, start_at_zero=True)

    def shift_and_log_scale(self, x: Points, context: Context = None) -> tuple[Points, Points]:
        """The conditioner: b and s from the kept coordinates of `x` (z will do: there they are equal); 0 for these."""
        kept = np.asarray(self.mask) == 1
        h = with_context(x[..., _places(kept)], context, self.num_context)
        for layer in self.hidden:
            h = jnp.tanh(layer(h))
        both = _widened(self.last(h).reshape(*x.shape[:-1], 2, self.num_dims - sum(self.mask)), ~kept)
        return both[..., 0, :], self.max_log_scale * jnp.tanh(both[..., 1, :] / self.max_log_scale)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "AffineCoupling")
        return coupling_forward(z, *self.shift_and_log_scale(z, context), jnp.asarray(self.mask))

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "AffineCoupling")
        return coupling_inverse(x, *self.shift_and_log_scale(x, context), jnp.asarray(self.mask))
