"""A function of JAX → a flat list of calls of the page's kernels. What the page cannot do is refused here, in Python.

`Lowering.function` traces with `jax.make_jaxpr`, opens inner calls, unrolls short scans, computes now what depends on
constants alone, and leaves out what nothing needs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex

from course_lib.explorers.live.memory import DTYPES, Buffer, Op, View

Value = View | np.ndarray
MOST_UNROLLED = 128
CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
INLINED = {
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "remat",
    "remat2",
    "checkpoint",
}


class Unsupported(NotImplementedError):
    """The page has no kernel for something that the function does; the message names it and the line of Python."""


def line_of(eqn: Any) -> str:
    """File and line of the user's code that an equation comes from; empty inside of a function of JAX's own."""
    frames = eqn.source_info.traceback.frames if eqn.source_info.traceback is not None else ()
    for frame in frames:
        if not any(
            part in frame.file_name for part in ("/jax/", "\\jax\\", "/flax/", "\\flax\\", "/optax/", "\\optax\\")
        ):
            return f"{frame.file_name}:{frame.line_num}, in {frame.function_name}"
    return ""


def holds_keys(value: Any) -> bool:
    """Whether an array, or the shape of one, is of JAX's keys."""
    return jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def shape_and_dtype(aval: Any, where: str = "an argument") -> tuple[tuple[int, ...], str]:
    """As the page sees it: a key is two words, and has a last axis more.

    Raises: Unsupported: a dtype that is neither float32, int32, uint32 nor bool.
    """
    if holds_keys(aval):
        return (*aval.shape, 2), "u"
    if str(aval.dtype) not in DTYPES:
        raise Unsupported(f"{aval.dtype} ({where}) does not run in the page; expected one of {', '.join(DTYPES)}.")
    return tuple(aval.shape), DTYPES[str(aval.dtype)]


class Lowering:
    """What the programs of one figure share: the constants, and every buffer that is kept."""

    def __init__(self) -> None:
        self.kept: list[Buffer] = []
        self.constants: dict[tuple[bytes, str], View] = {}
        self.ops: list[Op] = []
        self.seen: dict[tuple[Any, ...], View] = {}
        self.line = ""

    def slot(self, shape: Sequence[int], dtype: str, start: np.ndarray | None = None) -> View:
        """A place that outlives the programs."""
        view = View.new(shape, dtype, kept=True, start=start)
        self.kept.append(view.buffer)
        return view

    def view(self, value: Value) -> View:
        """The value in memory; a constant gets its place."""
        if isinstance(value, View):
            return value
        dtype = DTYPES[str(value.dtype)]
        uniform = value.size > 0 and (value == value.flat[0]).all()
        stored = np.ascontiguousarray(value.flat[:1] if uniform else value)
        words = (stored.astype(np.int32) if dtype == "b" else stored).view(np.uint32).ravel()
        key = words.tobytes(), dtype
        if key not in self.constants:
            self.constants[key] = self.slot(words.shape, dtype, words)
        flat = self.constants[key]
        array = np.broadcast_to(flat.array.reshape(()), value.shape) if uniform else flat.array.reshape(value.shape)
        return flat.seen(array)

    def emit(self, kernel: str, shape: Sequence[int], dtype: str, *args: Any) -> View:
        """Call a kernel: its first argument is the address of what it writes. Equal calls are made once."""
        key = (kernel, tuple(shape), dtype, *(a.key() if isinstance(a, View) else a for a in args))
        if key not in self.seen:
            out = View.new(shape, dtype)
            self.ops.append(Op(kernel, out, (out, *args)))
            self.seen[key] = out
        return self.seen[key]

    def copy(self, source: View, target: View) -> None:
        """Any strides to any strides; neighbouring axes that can be one are made one."""
        axes = [(n, t, s) for n, t, s in zip(source.shape, target.strides, source.strides, strict=True) if n != 1]
        merged: list[tuple[int, int, int]] = []
        for n, t, s in axes:
            if merged and merged[-1][1] == n * t and merged[-1][2] == n * s:
                merged[-1] = (merged[-1][0] * n, t, s)
            else:
                merged.append((n, t, s))
        if len(merged) > 4:
            raise Unsupported(f"a copy of {len(merged)} axes; the page has loops for 4.")
        padded = [(1, 0, 0)] * (4 - len(merged)) + merged
        numbers = [number for column in zip(*padded, strict=True) for number in column]
        self.ops.append(Op("copy", target, (target, source, *numbers)))

    def whole(self, value: Value) -> View:
        """The value with its numbers one after another."""
        view = self.view(value)
        if view.whole:
            return view
        key = ("whole", *view.key())
        if key not in self.seen:
            self.seen[key] = View.new(view.shape, view.dtype)
            self.copy(view, self.seen[key])
        return self.seen[key]

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Value]) -> list[Value]:
        """The equations of a jaxpr, one after another."""
        from course_lib.explorers.live.primitives import RULES, constant_result

        env: dict[Any, Value] = {}

        def read(atom: Any) -> Value:
            return (
                np.asarray(atom.val, getattr(atom.aval, "dtype", None)) if isinstance(atom, jex.Literal) else env[atom]
            )

        env.update(zip(jaxpr.constvars, map(_as_value, consts), strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))
        for eqn in jaxpr.eqns:
            ins, name = [read(a) for a in eqn.invars], eqn.primitive.name
            self.line = line_of(eqn) or self.line
            if name in INLINED:
                inner = next(eqn.params[p] for p in CALLS if p in eqn.params)
                closed = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, [])
                outs = self.run(*closed, ins)
            elif name == "scan":
                outs = self.scan(eqn, ins)
            elif (known := constant_result(eqn, ins)) is not None:
                outs = known
            elif name not in RULES:
                raise Unsupported(
                    f"The page has no {name!r}, which {self.line} needs. Write it otherwise, or compute it in "
                    f"Python and pass the result. The page has {', '.join(sorted(RULES))}."
                )
            else:
                outs = self.applied(RULES[name], eqn, ins)
            env.update(zip(eqn.outvars, outs, strict=True))
        return [read(a) for a in jaxpr.outvars]

    def applied(self, rule: Callable, eqn: Any, ins: Sequence[Value]) -> Sequence[Value]:
        try:
            out = rule(self, eqn, *ins)
        except Unsupported as error:
            raise Unsupported(f"{eqn.primitive.name} ({self.line}): {error}") from None
        return out if isinstance(out, list) else [out]

    def scan(self, eqn: Any, ins: Sequence[Value]) -> list[Value]:
        """One copy of the body for each turn."""
        p = eqn.params
        length, n_consts, n_carry, body = p["length"], p["num_consts"], p["num_carry"], p["jaxpr"]
        if length > MOST_UNROLLED:
            raise Unsupported(f"a scan of {length} turns ({self.line}); the page unrolls {MOST_UNROLLED} at most.")
        consts, carry, xs = ins[:n_consts], list(ins[n_consts : n_consts + n_carry]), ins[n_consts + n_carry :]
        turns: list[list[Value]] = []
        for i in reversed(range(length)) if p["reverse"] else range(length):
            rows = [np.asarray(x[i]) if isinstance(x, np.ndarray) else x.seen(x.array[i, ...]) for x in xs]
            out = self.run(body.jaxpr, body.consts, [*consts, *carry, *rows])
            carry = out[:n_carry]
            turns.append(out[n_carry:])
        turns = turns[::-1] if p["reverse"] else turns
        return [*carry, *(self.joined([_with_axis(v) for v in parts], 0) for parts in zip(*turns, strict=True))]

    def joined(self, parts: Sequence[Value], axis: int) -> View:
        """Arrays beside each other along an axis."""
        views = [self.view(p) for p in parts]
        sizes = [v.shape[axis] for v in views]
        shape = list(views[0].shape)
        shape[axis] = sum(sizes)
        out, at = View.new(shape, views[0].dtype), 0
        for view, size in zip(views, sizes, strict=True):
            place = (slice(None),) * axis + (slice(at, at + size),)
            self.copy(view, out.seen(out.array[place]))
            at += size
        return out

    def function(
        self, fn: Callable[..., Any], arguments: Any, places: Sequence[View], *, results: Sequence[View | None] = ()
    ) -> tuple[list[Op], list[View], Any]:
        """Lower `fn(*arguments)`, whose leaves lie in `places`, into a program of its own.

        Args:
            arguments: shapes and dtypes (`jax.eval_shape`).
            results: where leaves of the result go at the end of the program; None or none: a new place that is kept.
        Returns: the calls, the places of the result's leaves, and the result's structure of shapes.
        """
        self.ops, self.seen = [], {}
        closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*arguments)
        outs = [self.view(v) for v in self.run(closed.jaxpr, closed.consts, list(places))]
        wanted = [*results, *[None] * (len(outs) - len(results))]
        # What is read off a place that is itself overwritten is put aside first.
        held = [
            self.whole_copy(out) if out.buffer.kept and place is not None and out.buffer is not place.buffer else out
            for out, place in zip(outs, wanted, strict=True)
        ]
        written = []
        for out, place in zip(held, wanted, strict=True):
            target = place if place is not None else self.slot(out.shape, out.dtype)
            if out.buffer is not target.buffer:
                self.copy(out, target)
            written.append(target)
        live = {target.buffer for target in written}
        needed: list[Op] = []
        for op in reversed(self.ops):
            if op.out.buffer in live:
                needed.append(op)
                live.update(op.reads())
        return needed[::-1], written, shapes

    def whole_copy(self, view: View) -> View:
        out = View.new(view.shape, view.dtype)
        self.copy(view, out)
        return out


def _as_value(constant: Any) -> Value:
    """A constant of the trace; a constant key as its two words."""
    if hasattr(constant, "dtype") and holds_keys(constant):
        constant = jax.random.key_data(constant)
    return np.asarray(constant)


def _with_axis(value: Value) -> Value:
    return value[None] if isinstance(value, np.ndarray) else value.seen(value.array[None])
