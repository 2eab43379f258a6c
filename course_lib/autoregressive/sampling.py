"""What a sample must respect, and the choice of one value: the same for all autoregressive models."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.distributions import Distribution
from course_lib.validation import as_floats, is_concrete, require_binary, require_positive, whole_number

Choose = Callable[[Float[Array, "n p"], Any], Float[Array, " n"]]


class Request(NamedTuple):
    """What n samples of d variables must respect."""

    temperature: Float[Array, ""]
    given: Float[Array, "n d"]
    known: Float[Array, " d"]
    label: Int[Array, " n"] | None = None


def make_request(
    event_shape: tuple[int, ...],
    shape: tuple[int, ...],
    temperature: ArrayLike,
    given: ArrayLike | None,
    known: ArrayLike | None,
    likelihood: Distribution,
) -> Request:
    """Check the arguments of `sample` and give them the shapes of a `Request`; values where `known` is 0 are dropped.

    Raises: ValueError: a temperature that is not positive; only one of given and known; wrong shapes; known values
        that the likelihood does not have.
    """
    n, d = math.prod(whole_number(size, "an entry of shape", 0) for size in shape), math.prod(event_shape)
    temperature = as_floats(temperature, "temperature")
    if temperature.shape:
        raise ValueError(f"temperature has shape {temperature.shape}; expected one number.")
    if is_concrete(temperature):
        require_positive(float(temperature), "temperature")
    if (given is None) != (known is None):
        raise ValueError("given holds values and known says which of them to keep; give both or neither.")
    if given is None or known is None:
        given, known = np.zeros(event_shape), np.zeros(event_shape)
    known, given = as_floats(known, "known"), as_floats(given, "given")
    if known.shape != event_shape:
        raise ValueError(f"known has shape {known.shape}; expected {event_shape}, one entry for each pixel.")
    require_binary(known, "known")
    if given.shape not in (event_shape, (*shape, *event_shape)):
        raise ValueError(f"given has shape {given.shape}; expected {event_shape} or {(*shape, *event_shape)}.")
    given = jnp.where(jnp.broadcast_to(known, given.shape) > 0, given, 0.0)
    likelihood.check(given, "given")
    given = jnp.broadcast_to(given, (*shape, *event_shape)).reshape(n, d)
    return Request(temperature, given, known.reshape(d))


def chooser(likelihood: Distribution, key: Key[Array, ""], order: Int[Array, " d"], request: Request) -> Choose:
    """A function: from the numbers (n, p) of variable o_t, and t, to its n values; a known one is as given.

    The random numbers of all steps are drawn beforehand, so that any two ways to compute the conditionals draw the
    same samples. For bits they are those of `sample_in_order`.
    """
    n, d = request.given.shape
    noise = jax.vmap(lambda step_key: likelihood.noise(step_key, (n,)))(jax.random.split(key, d))
    known, given = request.known[order] > 0, request.given.T[order]

    def choose(parameters: Float[Array, "n p"], t: Any) -> Float[Array, " n"]:
        drawn = likelihood.draw(jax.tree.map(lambda a: a[t], noise), parameters, request.temperature)
        return jnp.where(known[t], given[t], drawn)

    return choose
