"""Primitives that change a shape: most are another look at the same numbers, and cost nothing."""

from itertools import pairwise
from typing import Any

import numpy as np

from course_lib.explorers.live.lowering import Lowering, Unsupported, Value
from course_lib.explorers.live.memory import View
from course_lib.explorers.live.rules import first, is_key, reshaped, result, rule


@rule("reshape", "squeeze", "expand_dims")
def _reshape(low: Lowering, eqn: Any, x: Value) -> View:
    shape, view = result(eqn)[0], low.view(x)
    if view.uniform and view.array.size:
        return view.seen(np.broadcast_to(first(view.array), shape))
    return reshaped(low, view, shape)


@rule("broadcast_in_dim")
def _broadcast(low: Lowering, eqn: Any, x: Value, *_: Any) -> View:
    shape, view = result(eqn)[0], low.view(x)
    dims = list(eqn.params["broadcast_dimensions"]) + ([len(shape) - 1] if is_key(eqn) else [])
    aligned = [view.shape[dims.index(i)] if i in dims else 1 for i in range(len(shape))]
    return view.seen(np.broadcast_to(np.reshape(view.array, aligned, copy=False), shape))


@rule("transpose")
def _transpose(low: Lowering, eqn: Any, x: Value) -> View:
    view = low.view(x)
    axes = list(eqn.params["permutation"])
    return view.seen(view.array.transpose([*axes, len(axes)] if is_key(eqn) else axes))


@rule("slice")
def _slice(low: Lowering, eqn: Any, x: Value) -> View:
    p, view = eqn.params, low.view(x)
    steps = p["strides"] or [1] * len(p["start_indices"])
    ranges = zip(p["start_indices"], p["limit_indices"], steps, strict=True)
    return view.seen(view.array[tuple(slice(*r) for r in ranges)])


@rule("dynamic_slice")
def _dynamic_slice(low: Lowering, eqn: Any, x: Value, *starts: Value) -> View:
    if any(isinstance(s, View) for s in starts):
        raise Unsupported("at a place that is computed in the page; take rows by indices instead: x[i].")
    view = low.view(x)
    sizes = eqn.params["slice_sizes"]
    at = [min(max(int(np.asarray(s)), 0), n - k) for s, n, k in zip(starts, view.shape, sizes, strict=False)]
    return view.seen(view.array[tuple(slice(s, s + k) for s, k in zip(at, sizes, strict=True))])


@rule("rev")
def _rev(low: Lowering, eqn: Any, x: Value) -> View:
    view = low.view(x)
    return view.seen(np.flip(view.array, eqn.params["dimensions"]))


@rule("concatenate")
def _concatenate(low: Lowering, eqn: Any, *parts: Value) -> View:
    return low.joined(parts, eqn.params["dimension"])


@rule("stack")
def _stack(low: Lowering, eqn: Any, *parts: Value) -> View:
    axis = eqn.params.get("axis", eqn.params.get("dimension", 0))
    views = [low.view(p) for p in parts]
    return low.joined([v.seen(np.expand_dims(v.array, axis)) for v in views], axis)


@rule("split")
def _split(low: Lowering, eqn: Any, x: Value) -> list[Value]:
    view, axis = low.view(x), eqn.params["axis"]
    ends = np.cumsum([0, *eqn.params["sizes"]])
    places = [(slice(None),) * axis + (slice(a, b),) for a, b in pairwise(ends)]
    return [view.seen(view.array[place]) for place in places]


@rule("unstack")
def _unstack(low: Lowering, eqn: Any, x: Value) -> list[Value]:
    view, axis = low.view(x), eqn.params["axis"]
    return [view.seen(view.array[(slice(None),) * axis + (i, ...)]) for i in range(view.shape[axis])]


@rule("pad")
def _pad(low: Lowering, eqn: Any, x: Value, filling: Value) -> View:
    shape, dtype = result(eqn)
    view, out = low.view(x), View.new(shape, dtype)
    low.copy(low.view(filling).seen(np.broadcast_to(low.view(filling).array, shape)), out)
    inner, target = view.array, out.array
    for axis, (before, after, between) in enumerate(eqn.params["padding_config"]):
        ahead = (slice(None),) * axis
        if (before < 0 or after < 0) and between:
            raise Unsupported("with gaps and a cut edge")
        inner = inner[(*ahead, slice(max(-before, 0), inner.shape[axis] - max(-after, 0)))]
        start = max(before, 0)
        target = target[
            (*ahead, slice(start, start + max((inner.shape[axis] - 1) * (between + 1) + 1, 0), between + 1))
        ]
    if inner.size:
        low.copy(view.seen(inner), out.seen(target))
    return out


@rule("iota")
def _iota(low: Lowering, eqn: Any, *_: Value) -> Value:
    raise Unsupported("of a size that changes")
