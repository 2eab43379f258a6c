"""Conditioners: networks that say, from the coordinates a layer may look at, how it transforms the others."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float

from course_lib.autoregressive import MaskedLinear, made_masks
from course_lib.flows.bijection import Context, Points
from course_lib.initial_weights import fan_in_normal, linear, zeros
from course_lib.validation import as_floats


def with_context(x: Points, context: Context, num_context: int) -> Float[Array, "*batch d_plus_c"]:
    """x with the context appended to its last axis; one context serves a whole batch.

    Raises: ValueError: a context that is missing, not expected, or of another length or batch.
    """
    if context is None and num_context == 0:
        return x
    context = None if context is None else as_floats(context, "context")
    shape = None if context is None else context.shape
    if context is None or num_context == 0 or shape not in ((num_context,), (*x.shape[:-1], num_context)):
        wanted = f"({num_context},) or {(*x.shape[:-1], num_context)}" if num_context else "none"
        raise ValueError(
            f"context has shape {shape}; the flow was built with num_context={num_context}: give {wanted}."
        )
    return jnp.concatenate([x, jnp.broadcast_to(context, (*x.shape[:-1], num_context))], axis=-1)


class Perceptron(nnx.Module):
    """x ↦ (d, P) numbers by tanh layers. The last layer starts at zero, so that a new flow layer is the identity."""

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_outputs: int, *, rngs: nnx.Rngs):
        sizes = [num_inputs, *hidden_sizes]
        self.hidden = nnx.List([linear(i, o, rngs) for i, o in pairwise(sizes)])
        self.last = linear(sizes[-1], num_outputs, rngs, start_at_zero=True)

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        h = x
        for layer in self.hidden:
            h = jnp.tanh(layer(h))
        return self.last(h)


class MaskedConditioner(nnx.Module):
    """MADE for real numbers: P parameters for each coordinate, computed from its predecessors and the context.

    h_1 = a(b + x (W ⊙ M) + V context), …; output d of P numbers sees x_j only if j comes before d in the ordering.

    Args: ordering: coordinate o_d is the d-th; num_outputs: P; num_context; activation: a, with a bound (tanh) the
        parameters stay bounded for any x.
    Source: Papamakarios, Pavlakou & Murray, arXiv:1705.07057, §3.
    Taught in: 03a_masked_and_spline_flows, "MADE becomes MAF".
    """

    def __init__(
        self, ordering: ArrayLike, hidden_sizes: Sequence[int], num_outputs: int, *,
        num_context: int = 0, activation: Callable[[Array], Array] = jnp.tanh, rngs: nnx.Rngs,
    ):  # fmt: skip
        *masks, last = made_masks(ordering, hidden_sizes)
        self.num_outputs, self.num_context, self.activation = num_outputs, num_context, activation
        self.hidden = nnx.List([MaskedLinear(mask, rngs=rngs) for mask in masks])
        self.last = MaskedLinear(jnp.asarray(np.repeat(last, num_outputs, axis=1)), rngs=rngs)
        self.last.kernel[...] = zeros(None, self.last.kernel.shape)
        width = masks[0].shape[1] if masks else self.last.bias.size
        start = fan_in_normal if masks else zeros
        self.reader = (
            nnx.Linear(num_context, width, use_bias=False, kernel_init=start, rngs=rngs) if num_context else None
        )

    def __call__(self, x: Points, context: Context = None) -> Float[Array, "*batch d outputs"]:
        h, told = x, with_context(x, context, self.num_context)[..., x.shape[-1] :]
        for depth, layer in enumerate([*self.hidden, self.last]):
            h = layer(h)
            if depth == 0 and self.reader is not None:
                h = h + self.reader(told)
            if depth < len(self.hidden):
                h = self.activation(h)
        return h.reshape(*x.shape, self.num_outputs)
