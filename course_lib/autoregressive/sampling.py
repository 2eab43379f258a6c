"""Ancestral sampling that computes each unit once: what a sample must respect, and the loop for masked networks."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.validation import as_floats, is_concrete, require_binary, require_positive, whole_number


class Request(NamedTuple):
    """What n samples of d pixels must respect."""

    temperature: Float[Array, ""]
    given: Float[Array, "n d"]
    known: Float[Array, " d"]
    label: Int[Array, " n"] | None = None


class Choice(NamedTuple):
    """One step of a sampler, or all steps along the first axis: uniform numbers, and what is given beforehand."""

    uniform: Float[Array, "*steps n"]
    known: Float[Array, "*steps"]
    given: Float[Array, "*steps n"]


def make_request(
    num_inputs: int, shape: tuple[int, ...], temperature: ArrayLike, given: ArrayLike | None, known: ArrayLike | None,
    check: Callable[[Array, str], None],
) -> Request:  # fmt: skip
    """Check the arguments of `sample` and give them the shapes of a `Request`; values where `known` is 0 are dropped.

    Args: check: raises ValueError for values that no pixel can have.
    Raises: ValueError: a temperature that is not positive; only one of given and known; wrong shapes; what `check`
        refuses among the known values.
    """
    n = math.prod(whole_number(size, "an entry of shape", 0) for size in shape)
    temperature = as_floats(temperature, "temperature")
    if temperature.shape:
        raise ValueError(f"temperature has shape {temperature.shape}; expected one number.")
    if is_concrete(temperature):
        require_positive(float(temperature), "temperature")
    if (given is None) != (known is None):
        raise ValueError("given holds values and known says which of them to keep; give both or neither.")
    if given is None or known is None:
        given, known = jnp.zeros(num_inputs), jnp.zeros(num_inputs)
    known, given = as_floats(known, "known"), as_floats(given, "given")
    if known.shape != (num_inputs,):
        raise ValueError(f"known has shape {known.shape}; expected ({num_inputs},), one entry for each pixel.")
    require_binary(known, "known")
    known = known > 0
    if given.shape not in ((num_inputs,), (*shape, num_inputs)):
        raise ValueError(f"given has shape {given.shape}; expected ({num_inputs},) or {(*shape, num_inputs)}.")
    given = jnp.where(jnp.broadcast_to(known, given.shape), given, 0.0)
    check(given, "given")
    given = jnp.broadcast_to(given, (*shape, num_inputs)).reshape(n, num_inputs)
    return Request(temperature, given, known.astype(given.dtype))


def choices(key: Key[Array, ""], ordering: Int[Array, " d"], request: Request) -> Choice:
    """The random numbers of all steps, one for each pixel and sample: those that `sample_in_order` uses."""
    n, d = request.given.shape
    uniform = jax.vmap(lambda step_key: jax.random.uniform(step_key, (n,)))(jax.random.split(key, d))
    return Choice(uniform, request.known[ordering], request.given.T[ordering])


def choose(logit: Float[Array, " n"], now: Choice, temperature: Float[Array, ""]) -> Float[Array, " n"]:
    """A pixel: the given one if it is known, else 1 where u < σ(logit / temperature)."""
    drawn = (now.uniform < jax.nn.sigmoid(logit / temperature)).astype(float)
    return jnp.where(now.known > 0, now.given, drawn)


def largest_groups(degrees: Sequence[Any]) -> tuple[int, ...]:
    """The most units of one degree in each hidden layer; all units while JAX traces and has no values."""
    return tuple(int(np.bincount(np.asarray(m)).max()) if is_concrete(m) else m.size for m in degrees[1:])


def sample_masked_network(
    layers: Sequence[tuple[Array, Array]],
    degrees: Sequence[Array],
    groups: Sequence[int],
    pick: Callable[[Float[Array, "outputs n"], Any], Float[Array, " n"]],
    steps: Any,
) -> Float[Array, "n d"]:
    """Samples of a network with MADE's masks; every hidden unit is computed when its last input is there.

    After pixel o_t is drawn, the units of degree t have all they will ever see: t = 1, …, D − 1. Sorted by degree they
    are neighbours in their layer, so that step t computes a slice of each layer, and then one output.

    Args:
        layers: for each layer its masked kernel (in, out) and the rest of its pre-activation (n, out). The last one
            may have several outputs for each pixel, and the inputs after the hidden units as inputs (`direct`).
        degrees: of the inputs and of each hidden layer.
        groups: width of the slices, `largest_groups(degrees)`. A slice may reach into units whose turn comes later;
            until then the masks keep everybody from listening to them.
        pick: from the outputs that belong to a pixel, and a row of `steps`, to its n values.
        steps: what `pick` needs, along the ordering.

    Taught in: 02_autoregressive, "Sampling in order"
    """
    num_inputs, n = degrees[0].size, layers[0][1].shape[0]
    order = [jnp.argsort(m, stable=True) for m in degrees]
    starts = [jnp.searchsorted(m[o], jnp.arange(1, num_inputs + 1)) for m, o in zip(degrees, order, strict=True)][1:]
    hidden = []
    for (kernel, rest), before, after in zip(layers, order, order[1:], strict=False):
        hidden.append((kernel[before][:, after].T, rest[:, after].T))
    kernel, rest = layers[-1]
    listens = jnp.concatenate([order[-1], order[-1].size + order[0]])[: kernel.shape[0]]
    outputs = kernel.shape[1] // num_inputs
    kernel = kernel[listens].reshape(listens.size, num_inputs, outputs)[:, order[0]].transpose(1, 2, 0)
    rest = rest.reshape(n, num_inputs, outputs)[:, order[0]].transpose(1, 2, 0)

    def step(values: list[Array], now: tuple) -> tuple[list[Array], Array]:
        t, weights, output, begins, choice = now
        top = values[-1].shape[0]
        output = output + weights[:, :top] @ values[-1]
        if weights.shape[1] > top:
            output = output + weights[:, top:] @ values[0]
        x_t = pick(output, choice)
        values = [values[0].at[t].set(x_t), *values[1:]]
        for depth, ((w, b), begin, width) in enumerate(zip(hidden, begins, groups, strict=True)):
            part = [jax.lax.dynamic_slice_in_dim(a, begin, width) for a in (w, b)]
            h = jax.nn.relu(part[0] @ values[depth] + part[1])
            values[depth + 1] = jax.lax.dynamic_update_slice_in_dim(values[depth + 1], h, begin, 0)
        return values, x_t

    values = [jnp.zeros((m.size, n)) for m in degrees]
    _, x = jax.lax.scan(step, values, (jnp.arange(num_inputs), kernel, rest, starts, steps))
    return x.T[:, degrees[0] - 1]
