"""Coupling: one part of the coordinates stays and decides how the other part is stretched and shifted."""

from collections.abc import Sequence
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Shaped

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.flows.conditioner import with_context
from course_lib.validation import require_event_shape, require_positive

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


class AffineCoupling(Bijection):
    """A coupling layer whose shift and log-scale come from a multilayer perceptron with tanh units.

    As `coupling_forward` and `coupling_inverse`, with (b, r) = MLP(m ⊙ z) and s = c tanh(r / c).
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
        self.num_context, sizes = num_context, [self.num_dims + num_context, *hidden_sizes]
        self.hidden = nnx.List([nnx.Linear(i, o, rngs=rngs) for i, o in pairwise(sizes)])
        self.last = nnx.Linear(sizes[-1], 2 * self.num_dims, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def shift_and_log_scale(self, x: Points, context: Context = None) -> tuple[Points, Points]:
        """The conditioner: b and s from the kept coordinates of `x` (z will do: there they are equal)."""
        h = with_context(x * jnp.broadcast_to(jnp.asarray(self.mask), x.shape), context, self.num_context)
        for layer in self.hidden:
            h = jnp.tanh(layer(h))
        shift, raw = jnp.split(self.last(h), 2, axis=-1)
        return shift, self.max_log_scale * jnp.tanh(raw / self.max_log_scale)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        require_event_shape(z, (self.num_dims,), "AffineCoupling")
        return coupling_forward(z, *self.shift_and_log_scale(z, context), jnp.asarray(self.mask))

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        require_event_shape(x, (self.num_dims,), "AffineCoupling")
        return coupling_inverse(x, *self.shift_and_log_scale(x, context), jnp.asarray(self.mask))
