"""Many layers of one shape as a loop: the compiler sees one layer, however deep the flow."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.compiled import compiled
from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.flows.chain import Chain
from course_lib.flows.context import as_context
from course_lib.validation import events, is_concrete


class Stack(Bijection):
    """The same map as `Chain` of the given layers, which must differ in the values of their arrays alone.

    The parameters of the N layers lie in arrays with a leading axis of length N; `lax.scan` walks along it.
    forward: from the first layer to the last; inverse: from the last to the first. Equations: see `Chain`.

    Raises: ValueError: no layers, or layers of different structure.
    Numerics: compile time does not grow with N; a step runs about as fast as the unrolled chain.
    Taught in: 03a_masked_and_spline_flows, "Deep flows compile once".
    """

    def __init__(self, layers: Sequence[Bijection]):
        parts = [nnx.split(layer) for layer in layers]
        shapes = [(graph, [leaf.shape for leaf in jax.tree.leaves(state)]) for graph, state in parts]
        if not parts or any(shape != shapes[0] for shape in shapes):
            raise ValueError(f"{len(parts)} layers; a Stack needs at least one, all of equal structure. Use Chain.")
        self.num_dims, self.num_layers = layers[0].num_dims, len(parts)
        stacked = jax.tree.map(lambda *leaves: _stacked(leaves), *[state for _, state in parts])
        self.layers = nnx.merge(parts[0][0], stacked)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        return _walk(self.layers, "forward", events(z, (self.num_dims,), "Stack"), as_context(context))

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        return _walk(self.layers, "inverse", events(x, (self.num_dims,), "Stack"), as_context(context))


@compiled(static=("direction",))
def _walk(layers: Bijection, direction: str, start: Points, context: Context) -> MappedPoints:
    graph, states = nnx.split(layers)
    given = () if context is None else (context,)
    step = lambda t, state: getattr(nnx.merge(graph, state), direction)(t, *given)  # noqa: E731
    end, log_dets = jax.lax.scan(step, start, states, reverse=direction == "inverse")
    return end, log_dets.sum(axis=0)


def _stacked(leaves: Sequence[Any]) -> Any:
    """Leaves along a new first axis; by numpy, which compiles nothing, where they have values."""
    if all(is_concrete(leaf) for leaf in leaves):
        return jnp.asarray(np.stack(leaves))
    return jnp.stack(leaves)


def alternating_layers(build: Callable[[np.ndarray], Bijection], num_dims: int, num_layers: int) -> Bijection:
    """Layers g_1, …, g_N of alternating masks as a `Stack` of pairs; a last one of odd N follows alone.

    Raises: ValueError: d < 2 or N < 1.
    """
    if num_dims < 2 or num_layers < 1:
        raise ValueError(f"num_dims is {num_dims} and num_layers {num_layers}; a coupling flow needs at least 2 and 1.")
    layers = [build((np.arange(num_dims) + i) % 2) for i in range(1, num_layers + 1)]
    pairs = [Chain(layers[i : i + 2]) for i in range(0, num_layers - 1, 2)]
    parts = [*([Stack(pairs)] if pairs else []), *([layers[-1]] if num_layers % 2 else [])]
    return parts[0] if len(parts) == 1 else Chain(parts)
