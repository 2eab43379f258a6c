"""How a primitive of JAX becomes calls of the page's kernels: the register of rules, and what most of them need."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from course_lib.explorers.live.lowering import Lowering, Value, holds_keys, shape_and_dtype
from course_lib.explorers.live.memory import DTYPES, View

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}
NUMPY = {short: long for long, short in DTYPES.items()}


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def result(eqn: Any, number: int = 0) -> tuple[tuple[int, ...], str]:
    return shape_and_dtype(eqn.outvars[number].aval)


def constant_result(eqn: Any, ins: Sequence[Value]) -> list[Value] | None:
    """Computed now, if it depends on nothing that changes."""
    keys = any(holds_keys(v.aval) for v in (*eqn.invars, *eqn.outvars))
    if keys or any(isinstance(v, View) for v in ins):
        return None
    with jax.ensure_compile_time_eval():
        out = eqn.primitive.bind(*ins, **eqn.params)
    return [np.asarray(v) for v in (out if eqn.primitive.multiple_results else [out])]


def is_key(eqn: Any) -> bool:
    return holds_keys(eqn.outvars[0].aval)


def elementwise(
    low: Lowering, kernel: str, shape: Sequence[int], dtype: str, *ins: Value, more: Sequence[int] = ()
) -> View:
    """kernel(out, n, a, step of a, b, step of b, …): a step of 0 sees one number n times.

    Where every operand is one number, so is the result, seen many times.
    """
    views = [low.view(v) for v in ins]
    views = [v.seen(np.broadcast_to(v.array, shape)) for v in views]
    if all(v.uniform for v in views) and np.prod(shape) > 0:
        firsts = [w for v in views for w in (v.seen(first(v.array)), 0)]
        one = low.emit(kernel, (), dtype, 1, *firsts, *more)
        return one.seen(np.broadcast_to(one.array, shape))
    pairs = [w for v in views for w in ((v, 0) if v.uniform else (low.whole(v), 1))]
    return low.emit(kernel, shape, dtype, int(np.prod(shape)), *pairs, *more)


def first(array: np.ndarray) -> np.ndarray:
    """The first number, as an array without axes that is still a view."""
    return array[(slice(0, 1),) * array.ndim].reshape(()) if array.ndim else array


def reshaped(low: Lowering, view: View, shape: Sequence[int]) -> View:
    try:
        return view.seen(np.reshape(view.array, shape, copy=False))
    except ValueError:  # only with its numbers in another order
        whole = low.whole(view)
        return whole.seen(whole.array.reshape(shape))
