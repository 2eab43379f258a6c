"""Checks at the boundary of the library: what came, what was expected, and the mend.

Shapes and dtypes are always checked. Values are checked only when the array is concrete: inside
``jax.jit`` there are no values yet, so a check there would have nothing to look at.
"""

from collections.abc import Sequence

import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Int


def is_concrete(x: ArrayLike) -> bool:
    """True if `x` has values to look at, False while JAX is tracing."""
    return not isinstance(x, Tracer)


def require_event_shape(x: ArrayLike, event_shape: Sequence[int], owner: str) -> None:
    """The trailing axes of `x` must be `event_shape`; any batch axes may come before them."""
    shape, event_shape = np.shape(x), tuple(event_shape)
    if len(shape) < len(event_shape) or shape[len(shape) - len(event_shape) :] != event_shape:
        raise ValueError(
            f"x has shape {shape}; {owner} was built for inputs of shape (*batch, "
            f"{', '.join(map(str, event_shape))}). Reshape x or build the model for this size."
        )


def require_finite(x: ArrayLike, name: str = "x") -> None:
    """No NaN and no infinity."""
    if is_concrete(x) and not np.isfinite(np.asarray(x)).all():
        bad = int((~np.isfinite(np.asarray(x))).sum())
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite, of {np.size(x)}; "
            "all must be finite. Find them with jnp.isfinite and remove or replace those rows."
        )


def require_binary(x: ArrayLike, name: str = "x") -> None:
    """Every value is 0 or 1, as a Bernoulli likelihood needs."""
    if not is_concrete(x):
        return
    require_finite(x, name)
    values = np.asarray(x)
    if not ((values == 0) | (values == 1)).all():
        raise ValueError(
            f"{name} has values from {values.min():g} to {values.max():g}; a Bernoulli likelihood "
            "needs 0 and 1 only. Scale images to 0…1 and use course_lib.data.binarize."
        )


def require_unit_interval(x: ArrayLike, name: str = "x") -> None:
    """Every value lies in [0, 1]."""
    if not is_concrete(x):
        return
    require_finite(x, name)
    values = np.asarray(x)
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ValueError(
            f"{name} has values from {values.min():g} to {values.max():g}; expected 0 to 1. "
            "Divide an image of grey levels 0…255 by 255."
        )


def require_permutation(ordering: Sequence | np.ndarray | Int[Array, "..."], size: int) -> np.ndarray:
    """`ordering` holds each of 0, …, size-1 exactly once; returned as an integer array."""
    given = np.asarray(ordering)
    if given.shape != (size,) or not np.array_equal(np.sort(given), np.arange(size)):
        raise ValueError(
            f"ordering {given.tolist()} is no permutation of 0, …, {size - 1}: it must name each "
            "input exactly once. jax.random.permutation(key, size) draws one."
        )
    return given.astype(np.int32)


def require_positive(value: float | int, name: str) -> None:
    """A strictly positive finite number (a size, a width, a learning rate)."""
    if is_concrete(value) and not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}; expected a finite number greater than 0.")
