"""Functions of a model, compiled: the model's arrays go in, its structure is part of the program."""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
from flax import nnx


def compiled(function: Callable[..., Any] | None = None, *, static: tuple[str, ...] = ()) -> Callable[..., Any]:
    """A decorator: `function(model, …)`, or a method, as one compiled program. It may not change the model.

    The program is compiled anew for another structure of the model, for other shapes, and for another value of an
    argument that `static` names; not for other parameters.
    """
    if function is None:
        return partial(compiled, static=static)
    names = list(inspect.signature(function).parameters)
    numbers = (0, *(names.index(name) + 1 for name in static))  # the model is two arguments of the program

    @partial(jax.jit, static_argnums=numbers, static_argnames=static)
    def program(graphdef: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        return function(nnx.merge(graphdef, state), *args, **kwargs)

    @wraps(function)
    def call(model: nnx.Module, *args: Any, **kwargs: Any) -> Any:
        return program(*nnx.split(model), *args, **kwargs)

    return call
