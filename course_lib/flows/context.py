"""What a conditional flow is told beside the point itself."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from course_lib.flows.bijection import Context, Points
from course_lib.validation import as_floats


def as_context(context: Context) -> Float[Array, "..."] | None:
    """The context as an array of floats, if there is one."""
    return None if context is None else as_floats(context, "context")


def context_for(x: Points, context: Context, num_context: int) -> Float[Array, "*batch c"] | None:
    """The context of every point of x; one context serves a whole batch, and without context there is none.

    Raises: ValueError: a context that is missing, not expected, or of another length or batch.
    """
    if context is None and num_context == 0:
        return None
    context = as_context(context)
    shape = None if context is None else context.shape
    if context is None or num_context == 0 or shape not in ((num_context,), (*x.shape[:-1], num_context)):
        wanted = f"({num_context},) or {(*x.shape[:-1], num_context)}" if num_context else "none"
        raise ValueError(
            f"context has shape {shape}; the flow was built with num_context={num_context}: give {wanted}."
        )
    return jnp.broadcast_to(context, (*x.shape[:-1], num_context))
