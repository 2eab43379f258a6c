"""Samples of a MADE at the cost of about one pass: each hidden unit is computed when its last input is there."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from course_lib.autoregressive.sampling import Choose
from course_lib.networks import MaskedNetwork
from course_lib.validation import is_concrete


def largest_groups(degrees: Sequence[Any]) -> tuple[int, ...]:
    """The most units of one degree in each hidden layer; all units while JAX traces and has no values."""
    return tuple(int(np.bincount(np.asarray(m)).max()) if is_concrete(m) else m.size for m in degrees[1:])


def sample_masked_network(
    network: MaskedNetwork,
    groups: Sequence[int],
    choose: Choose,
    as_input: Callable[[Array], Array],
    num_samples: int,
    label: Int[Array, " n"] | None,
) -> Float[Array, "n d"]:
    """Samples of a network with MADE's masks, variable by variable.

    After variable o_t is drawn, the units of degree t have all they will ever see: t = 1, …, D − 1. Sorted by degree
    they are neighbours in their layer, so that step t computes a slice of each layer, and then one variable's numbers.

    Args:
        groups: width of the slices, `largest_groups(degrees)`. A slice may reach into units whose turn comes later;
            until then the masks keep everybody from listening to them.
        choose: from the numbers (n, p) of variable o_t, and t, to its n values; as_input: what the network reads then.

    Taught in: 02_autoregressive, "Sampling in order"
    """
    degrees, n = [m[...] for m in network.degrees], num_samples
    layers = []  # for each its masked kernel (in, out), and the rest of its pre-activation (n, out)
    for layer in network.layers:
        rest = jnp.broadcast_to(layer.offset(), (n, layer.bias.size))
        rest = rest if layer.label_kernel is None else rest + layer.label_kernel[...][label]
        layers.append((layer.kernel[...] * layer.mask[...], rest))
    num_inputs = degrees[0].size
    order = [jnp.argsort(m, stable=True) for m in degrees]
    starts = [jnp.searchsorted(m[o], jnp.arange(1, num_inputs + 1)) for m, o in zip(degrees, order, strict=True)][1:]
    hidden = []
    for (kernel, rest), before, after in zip(layers, order, order[1:], strict=False):
        hidden.append((kernel[before][:, after].T, rest[:, after].T))
    kernel, rest = layers[-1]
    # The last layer may have several outputs a variable, and after the hidden units the inputs as inputs (`direct`).
    listens = jnp.concatenate([order[-1], order[-1].size + order[0]])[: kernel.shape[0]]
    kernel = kernel[listens].reshape(listens.size, num_inputs, network.outputs)[:, order[0]].transpose(1, 2, 0)
    rest = rest.reshape(n, num_inputs, network.outputs)[:, order[0]].transpose(1, 2, 0)

    def step(values: list[Array], now: tuple) -> tuple[list[Array], Array]:
        t, weights, output, begins = now
        top = values[-1].shape[0]
        output = output + weights[:, :top] @ values[-1]
        if weights.shape[1] > top:
            output = output + weights[:, top:] @ values[0]
        x_t = choose(output.T, t)
        values = [values[0].at[t].set(as_input(x_t)), *values[1:]]
        for depth, ((w, b), begin, width) in enumerate(zip(hidden, begins, groups, strict=True)):
            part = [jax.lax.dynamic_slice_in_dim(a, begin, width) for a in (w, b)]
            h = network.activation(part[0] @ values[depth] + part[1])
            values[depth + 1] = jax.lax.dynamic_update_slice_in_dim(values[depth + 1], h, begin, 0)
        return values, x_t

    values = [jnp.zeros((m.size, n)) for m in degrees]
    _, x = jax.lax.scan(step, values, (jnp.arange(num_inputs), kernel, rest, starts))
    return x.T[:, degrees[0] - 1]
