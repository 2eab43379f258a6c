"""Checks at the boundary of the library: what came, what was expected, and the mend.

Shapes and dtypes are always checked. Values are checked only when the array is concrete: inside
``jax.jit`` there are no values yet, so a check there would have nothing to look at. `refuse_bad_values`
looks at them when the compiled program runs.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Int


def is_concrete(x: ArrayLike) -> bool:
    """True if `x` has values to look at, False while JAX is tracing."""
    return not isinstance(x, Tracer)


_noted: ContextVar[tuple[Any, list, list] | None] = ContextVar("noted", default=None)  # trace, values, their checks


def looks_at_values(check: Callable[..., None]) -> Callable[..., None]:
    """`check(x, *args)` at once if `x` has values; under `refuse_bad_values` when it gets them; else never."""

    @wraps(check)
    def checked(x: Any, *args: Any) -> None:
        if is_concrete(x):
            check(np.asarray(x), *args)
        elif (noted := _noted.get()) is not None and x._trace is noted[0]:
            noted[1].append(x)
            noted[2].append(lambda values: check(values, *args))

    return checked


def refuse_bad_values(function: Callable[..., Any], *args: Any) -> None:
    """Run the checks inside of `function(*args)`, in one compiled program that computes what they look at, no more.

    Not checked, as they cannot leave it: values made inside of an inner `jit`, `vmap`, `grad` or `scan`.
    Raises: ValueError: what the first check that failed says.
    """
    checks = []

    def looked_at(*args: Any) -> list[Any]:
        token = _noted.set((jax.tree.leaves(args)[0]._trace, values := [], checks))
        try:
            function(*args)
        finally:
            _noted.reset(token)
        return values

    for value, check in zip(jax.jit(looked_at)(*args), checks, strict=True):
        check(np.asarray(value))


def require_event_shape(x: ArrayLike, event_shape: Sequence[int], owner: str) -> None:
    """The trailing axes of `x` must be `event_shape`; any batch axes may come before them."""
    shape, event_shape = np.shape(x), tuple(event_shape)
    if len(shape) < len(event_shape) or shape[len(shape) - len(event_shape) :] != event_shape:
        raise ValueError(
            f"x has shape {shape}; {owner} was built for inputs of shape (*batch, "
            f"{', '.join(map(str, event_shape))}). Reshape x or build the model for this size."
        )


@looks_at_values
def require_finite(x: np.ndarray, name: str = "x") -> None:
    """No NaN and no infinity."""
    if bad := int((~np.isfinite(x)).sum()):
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite, of {np.size(x)}; "
            "all must be finite. Find them with jnp.isfinite and remove or replace those rows."
        )


@looks_at_values
def require_binary(values: np.ndarray, name: str = "x") -> None:
    """Every value is 0 or 1, as a Bernoulli likelihood needs."""
    require_finite(values, name)
    if not ((values == 0) | (values == 1)).all():
        raise ValueError(
            f"{name} has values from {values.min():g} to {values.max():g}; a Bernoulli likelihood "
            "needs 0 and 1 only. Scale images to 0…1 and use course_lib.data.binarize."
        )


@looks_at_values
def require_unit_interval(values: np.ndarray, name: str = "x") -> None:
    """Every value lies in [0, 1]."""
    require_finite(values, name)
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ValueError(
            f"{name} has values from {values.min():g} to {values.max():g}; expected 0 to 1. "
            "Divide an image of grey levels 0…255 by 255."
        )


def require_classes(labels: ArrayLike, num_classes: int, name: str = "label") -> None:
    """Integers from 0 to `num_classes` − 1."""
    dtype = labels.dtype if isinstance(labels, jax.Array) else np.asarray(labels).dtype
    if not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(f"{name} has dtype {dtype}; expected integers from 0 to {num_classes - 1}.")
    _require_range(labels, num_classes, name)


@looks_at_values
def _require_range(labels: np.ndarray, num_classes: int, name: str) -> None:
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(f"{name} has values from {labels.min()} to {labels.max()}; expected 0 to {num_classes - 1}.")


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
