"""`live_training`: a training step written in Python becomes a figure in which the reader's browser trains."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Key

from course_lib.explorers.controls import Choice, Control
from course_lib.explorers.live.lowering import Lowering, shape_and_dtype
from course_lib.explorers.live.memory import Op, place

OWN = "my own points"
CAPACITY = 2048  # points that a reader can draw
CHUNK = 100  # steps that run in Python as one program
FIRST, BATCH, NOISE, VIEW = range(4)  # what the key of a run is folded with, for each of its uses

Functions = Mapping[str, Callable[..., Any]]


def own_points(key: Key[Array, ""], drawn: Float[Array, "n 2"], drawn_count: Array, size: int) -> Float[Array, "b 2"]:
    """A batch of what a reader has drawn: points at random, each moved a little (σ = 0.08)."""
    which, noise = jax.random.split(key)
    return drawn[jax.random.randint(which, (size,), 0, drawn_count)] + 0.08 * jax.random.normal(noise, (size, 2))


def given(fn: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that the function asks for by name."""
    names = inspect.signature(fn).parameters
    return {name: values[name] for name in names if name in values}


@dataclass
class Recipe:
    """A training as pure functions of arrays. The page and Python run the very same ones."""

    build: Callable[[nnx.Rngs], nnx.Module]
    loss: Callable[..., Any]
    optimizer: Callable[..., optax.GradientTransformation]
    sources: Functions
    views: Functions
    controls: Sequence[Control]

    def __post_init__(self) -> None:
        self.graphdef, _, rest = nnx.split(self.build(nnx.Rngs(0)), nnx.Param, ...)
        self.rest = nnx.as_pure(rest)
        self.start_values = {c.name: c.start for c in self.controls}
        self.inputs = {
            c.name: jnp.zeros((), jnp.int32 if isinstance(c, Choice) else jnp.float32) + c.start for c in self.controls
        } | {"drawn": jnp.zeros((CAPACITY, 2)), "drawn_count": jnp.ones((), jnp.int32)}

    def model(self, params: Any) -> Any:
        return nnx.merge(self.graphdef, params, self.rest)

    def first(self, key: Array, inputs: Mapping[str, Any]) -> tuple[Any, Any, Array]:
        """Parameters, the optimizer's state, and the number of steps taken."""
        model = self.build(nnx.Rngs(jax.random.fold_in(key, FIRST)))
        params = nnx.as_pure(nnx.state(model, nnx.Param))
        return params, self.optimizer(**given(self.optimizer, inputs)).init(params), jnp.zeros((), jnp.int32)

    def batch(self, source: str, key: Array, count: Array, inputs: Mapping[str, Any]) -> Any:
        draw = self.sources[source]
        return draw(jax.random.fold_in(jax.random.fold_in(key, BATCH), count), **given(draw, inputs))

    def step(
        self, params: Any, state: Any, count: Array, key: Array, batch: Any, inputs: Mapping[str, Any]
    ) -> tuple[tuple[Any, Any, Array], Array]:
        """One step θ ← θ + u(∇θ loss)."""
        noise = jax.random.fold_in(jax.random.fold_in(key, NOISE), count)
        more = given(self.loss, inputs)
        value, slope = jax.value_and_grad(lambda p: self.loss(self.model(p), batch, noise, **more))(params)
        change, state = self.optimizer(**given(self.optimizer, inputs)).update(slope, state, params)
        return (optax.apply_updates(params, change), state, count + 1), value

    def view(self, name: str, params: Any, key: Array, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        fn = self.views[name]
        return fn(self.model(params), **given(fn, {**inputs, "key": jax.random.fold_in(key, VIEW)}))

    def steps(self, length: int, source: str, state: Any, key: Array, inputs: Mapping[str, Any]) -> tuple[Any, Array]:
        """So many steps, each with its own batch, as one program; also the loss of each."""

        def one(state: Any, _: None) -> tuple[Any, Array]:
            return self.step(*state, key, self.batch(source, key, state[2], inputs), inputs)  # pyright: ignore[reportCallIssue]

        return jax.lax.scan(one, state, length=length)

    @cached_property
    def compiled(self) -> tuple[Any, Any, Any]:
        return jax.jit(self.first), jax.jit(self.batch, static_argnums=0), jax.jit(self.steps, static_argnums=(0, 1))

    def train(self, steps: int, seed: int = 0, source: str = "", **values: Any) -> "Run":
        """The run of the page, in Python: equal seeds give equal batches and, but for rounding, equal losses."""
        source, key = source or next(iter(self.sources)), jax.random.key(seed)
        inputs = self.inputs | {k: jnp.asarray(v, self.inputs[k].dtype) for k, v in values.items()}
        first, draw, take = self.compiled
        state, losses = first(key, inputs), []
        for length in [CHUNK] * (steps // CHUNK) + [1] * (steps % CHUNK):
            state, values = take(length, source, state, key, inputs)
            losses.append(values)
        batch = draw(source, key, jnp.maximum(state[2] - 1, 0), inputs)
        return Run(state[0], np.concatenate([np.zeros(0, np.float32), *losses]), batch, key, inputs)


@dataclass(frozen=True)
class Run:
    """Where a training in Python ended."""

    params: Any
    losses: np.ndarray
    batch: Any
    key: Array
    inputs: Mapping[str, Any]


def _names(tree: Any, stem: str) -> list[str]:
    return [f"{stem}{i}" for i in range(len(jax.tree.leaves(tree)))]


def lowered(recipe: Recipe) -> tuple[dict[str, Any], list[bytes]]:
    """The figure's programs (`first`, `step`, `batch: …`, `view: …`), its memory, and what the memory holds at first.

    Raises:
        Unsupported: the page cannot do something; the message names it and the line of Python.
    """
    low, places, programs, shows = Lowering(), {}, {}, {}
    key = jax.random.key(0)
    inputs = {name: low.slot(*shape_and_dtype(v)) for name, v in recipe.inputs.items()}
    key_place = low.slot((2,), "u")
    first = jax.eval_shape(recipe.first, key, recipe.inputs)
    state = [low.slot(*shape_and_dtype(leaf)) for leaf in jax.tree.leaves(first)]
    one = next(iter(recipe.sources))
    batch = jax.eval_shape(lambda *a: recipe.batch(one, *a), key, first[2], recipe.inputs)
    batch_places = [low.slot(*shape_and_dtype(leaf)) for leaf in jax.tree.leaves(batch)]
    places |= inputs | {"key": key_place, "count": state[-1]}
    params = state[: len(jax.tree.leaves(first[0]))]
    places |= dict(zip(_names(first[0], "parameter "), params, strict=True))
    places |= dict(zip(["batch", *_names(batch, "batch ")[1:]], batch_places, strict=True))

    given_all = [inputs[name] for name in sorted(inputs)]  # a dict's leaves are in the order of its keys
    programs["first"], *_ = low.function(recipe.first, (key, recipe.inputs), [key_place, *given_all], results=state)
    for name in recipe.sources:
        arguments = (key, first[2], recipe.inputs)
        fn = lambda *a, name=name: recipe.batch(name, *a)  # noqa: E731
        ops, *_ = low.function(fn, arguments, [key_place, state[-1], *given_all], results=batch_places)
        programs[f"batch: {name}"] = ops
    where = [*state, key_place, *batch_places, *given_all]
    programs["step"], written, _ = low.function(recipe.step, (*first, key, batch, recipe.inputs), where, results=state)
    places["loss"] = written[-1]
    for name in recipe.views:
        fn = lambda *a, name=name: recipe.view(name, *a)  # noqa: E731
        ops, written, shapes = low.function(fn, (first[0], key, recipe.inputs), [*params, key_place, *given_all])
        programs[f"view: {name}"], shows[f"view: {name}"] = ops, sorted(shapes)
        places |= dict(zip(sorted(shapes), written, strict=True))

    words = place(programs.values(), low.kept)
    kernels = sorted({op.kernel for ops in programs.values() for op in ops})
    blobs, start, offset = [], [], 0
    for buffer in low.kept:
        if buffer.start is not None:
            blobs.append(np.ascontiguousarray(buffer.start).tobytes())
            start.append([buffer.address, buffer.size, offset])
            offset += len(blobs[-1])
    terms = [op.args[9] for ops in programs.values() for op in ops if op.kernel == "matmul"]
    spec = {
        "words": words,
        "scratch": 8 * max(terms, default=0) + 32,
        "start": start,
        "places": {name: [v.buffer.address + v.offset, list(v.shape), v.dtype] for name, v in places.items()},
        "kernels": kernels,
        "shows": shows,
        "programs": {name: [_call(op, kernels) for op in ops] for name, ops in programs.items()},
    }
    return spec, blobs


def _call(op: Op, kernels: list[str]) -> list[int]:
    name, *numbers = op.numbers()
    return [kernels.index(name), *(int(n) for n in numbers)]
