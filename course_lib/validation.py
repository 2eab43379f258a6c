"""Checks at the boundary of the library: what came, what was expected, and the mend.

Shapes and dtypes are always checked. Values are checked only when the array is concrete: inside
``jax.jit`` there are no values yet, so a check there would have nothing to look at. `refuse_bad_values`
looks at them when the compiled program runs.
"""

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import get_opaque_trace_state
from jaxtyping import Array, ArrayLike, Float, Int


def is_concrete(x: ArrayLike) -> bool:
    """True if `x` has values to look at, False while JAX is tracing."""
    return not isinstance(x, Tracer)


_noted: ContextVar[tuple[Any, list, list] | None] = ContextVar("noted", default=None)  # trace, values, their checks


def _trace() -> Any:
    """Which of JAX's transformations the code runs in."""
    return get_opaque_trace_state(convention="flax")


def looks_at_values(check: Callable[..., None]) -> Callable[..., None]:
    """`check(x, *args)` at once if `x` has values; under `refuse_bad_values` when it gets them; else never."""

    @wraps(check)
    def checked(x: Any, *args: Any) -> None:
        if is_concrete(x):
            check(np.asarray(x), *args)
        elif (noted := _noted.get()) is not None and _trace() == noted[0]:
            noted[1].append(x)
            noted[2].append(lambda values: check(values, *args))

    return checked


def refuse_bad_values(function: Callable[..., Any], *args: Any, batches: Any = ()) -> None:
    """Run the checks inside of `function(*args)`, in one compiled program that computes what they look at, no more.

    Not checked, as they cannot leave it: values met inside of an inner `jit`, `vmap`, `grad` or `scan`.
    Args: batches: if given, `function(*args, batch)` for each of them; they must be equal in shapes.
    Raises: ValueError: what the first check that failed says.
    """
    checks = []

    def looked_at(*args: Any) -> list[Any]:
        token = _noted.set((_trace(), values := [], checks))
        try:
            function(*args)
        finally:
            _noted.reset(token)
        return values

    compiled = jax.jit(looked_at)
    for given in [(*args, batch) for batch in batches] or [args]:
        for value, check in zip(compiled(*given), checks, strict=True):
            check(np.asarray(value))


def as_floats(x: Any, name: str = "x") -> Float[Array, "..."]:
    """Real numbers of any kind (integers, booleans, float16, lists, frames, …) in the dtype that models compute in.

    Raises: ValueError: complex numbers, text, objects; a ragged list; an array with masked entries.
    """
    dtype, values = jax.dtypes.canonicalize_dtype(float), real_numbers(x, name)
    if isinstance(values, jax.Array):
        return values.astype(dtype)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return jnp.asarray(values.astype(dtype))


def on_floats(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the arguments of these names are converted `as_floats`, and the formula has no other lines.

    Raises: ValueError: shapes that do not broadcast together; and as `as_floats`.
    """

    def decorate(formula: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(formula)

        @wraps(formula)
        def converted(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            floats = {name: as_floats(given.arguments[name], name) for name in names}
            require_broadcastable(floats)
            given.arguments |= floats
            return formula(*given.args, **given.kwargs)

        return converted

    return decorate


def require_broadcastable(arrays: dict[str, Array]) -> None:
    """Their shapes agree from the right, axis by axis, up to axes of length 1. Raises: ValueError: they do not."""
    try:
        np.broadcast_shapes(*(x.shape for x in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {x.shape}" for name, x in arrays.items())
        raise ValueError(f"shapes that do not broadcast together: {shapes}. Give one entry of each to each.") from None


def as_doubles(x: Any, name: str = "x") -> Float[np.ndarray, "..."]:
    """`as_floats` for what computes in numpy and in double precision."""
    return np.asarray(real_numbers(x, name)).astype(np.float64)


def real_numbers(x: Any, name: str = "x") -> Any:
    """The numbers as an array, of whatever real dtype they are. Raises: ValueError: as `as_floats`."""
    if isinstance(x, jax.Array):
        if not (jnp.issubdtype(x.dtype, jnp.number) or x.dtype == bool) or jnp.issubdtype(x.dtype, jnp.complexfloating):
            raise ValueError(f"{name} has dtype {x.dtype}; expected real numbers.")
        return x
    if x is None:
        raise ValueError(f"{name} is None; expected real numbers.")
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} has masked entries, which no model can leave out: numpy.ma.filled({name}) fills them."
        )
    try:
        values = np.asarray(x)
    except ValueError:
        raise ValueError(f"{name} is a ragged list: its rows differ in length. Give rows of equal length.") from None
    if values.dtype == object:  # a frame whose columns differ in kind, say
        try:
            values = values.astype(float)
        except (TypeError, ValueError):
            raise ValueError(f"{name} holds Python objects; expected real numbers.") from None
    if values.dtype.kind not in "biuf" and not jnp.issubdtype(values.dtype, jnp.floating):
        raise ValueError(f"{name} has dtype {values.dtype}; expected real numbers.")
    return values


def events(x: Any, event_shape: Sequence[int], owner: str, name: str = "x") -> Float[Array, "..."]:
    """`as_floats(x)`, whose trailing axes must be `event_shape`; any batch axes may come before them.

    Raises: ValueError: another shape; and as `as_floats`.
    """
    x, event_shape = as_floats(x, name), tuple(event_shape)
    if x.ndim < len(event_shape) or x.shape[x.ndim - len(event_shape) :] != event_shape:
        raise ValueError(
            f"{name} has shape {x.shape}; {owner} was built for inputs of shape (*batch, "
            f"{', '.join(map(str, event_shape))}). Reshape {name} or build the model for this size."
        )
    return x


def whole_number(value: Any, name: str, least: int = 1, most: int | None = None) -> int:
    """An integer from `least` to `most`: a size, a count. Raises: ValueError: anything else, 2.0 and True too."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or int(value) < least or (most is not None and int(value) > most):
        wanted = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(f"{name} is {value!r}; expected a whole number {wanted}.")
    return int(value)


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
