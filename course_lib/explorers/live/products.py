"""Primitives that bring numbers together, take rows, or draw."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from course_lib.explorers.live.lowering import Lowering, Unsupported, Value, shape_and_dtype
from course_lib.explorers.live.memory import View
from course_lib.explorers.live.rules import NUMPY, reshaped, result, rule


@rule("dot_general")
def _dot(low: Lowering, eqn: Any, x: Value, y: Value) -> View:
    """C = A B for each entry of the batch; any order of A and B in memory will do."""
    shape, dtype = result(eqn)
    if dtype != "f":
        raise Unsupported(f"of {NUMPY[dtype]}; the page multiplies float32 alone.")
    (x_sum, y_sum), (x_batch, y_batch) = eqn.params["dimension_numbers"]
    a, b = low.view(x), low.view(y)
    x_free = [i for i in range(len(a.shape)) if i not in (*x_sum, *x_batch)]
    y_free = [i for i in range(len(b.shape)) if i not in (*y_sum, *y_batch)]
    count = lambda view, axes: int(np.prod([view.shape[i] for i in axes]))  # noqa: E731
    n_batch, m, k, n = count(a, x_batch), count(a, x_free), count(a, x_sum), count(b, y_free)
    a = reshaped(low, a.seen(a.array.transpose([*x_batch, *x_free, *x_sum])), (n_batch, m, k))
    b = reshaped(low, b.seen(b.array.transpose([*y_batch, *y_sum, *y_free])), (n_batch, k, n))
    (a0, am, ak), (b0, bk, bn) = a.strides, b.strides
    out = low.emit("matmul", (n_batch, m, n), "f", a, am, ak, b, bk, bn, m, n, k, n_batch, a0, b0)
    return out.seen(out.array.reshape(shape))


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_prod", "argmax")
def _reduce(low: Lowering, eqn: Any, x: Value) -> View:
    shape, dtype = result(eqn)
    view, axes, name = low.view(x), list(eqn.params["axes"]), eqn.primitive.name
    kind = shape_and_dtype(eqn.invars[0].aval)[1]
    kept = [i for i in range(len(view.shape)) if i not in axes]
    n_kept, n_summed = int(np.prod(shape)), int(np.prod([view.shape[i] for i in axes]))
    both = reshaped(low, view.seen(view.array.transpose([*kept, *axes])), (n_kept, n_summed))
    out = low.emit(
        f"{'' if kind == 'f' else 'i.'}{name}",
        (n_kept,),
        dtype,
        both,
        n_kept,
        both.strides[0],
        n_summed,
        both.strides[1],
    )
    return out.seen(out.array.reshape(shape))


@rule("gather")
def _gather(low: Lowering, eqn: Any, x: Value, index: Value) -> View:
    """Rows by their numbers, x[i]: no other form."""
    numbers, view, at = eqn.params["dimension_numbers"], low.whole(x), low.whole(index)
    shape, dtype = result(eqn)
    row = view.shape[1:]
    simple = (
        numbers.collapsed_slice_dims == (0,) and numbers.start_index_map == (0,) and at.shape[-1] == 1
        and tuple(eqn.params["slice_sizes"]) == (1, *row) and not numbers.operand_batching_dims
        and tuple(numbers.offset_dims) == tuple(range(len(shape) - len(row), len(shape)))
    )  # fmt: skip
    if not simple:
        raise Unsupported("other than of whole rows by their numbers, x[i].")
    size = int(np.prod(row))
    return low.emit("rows", shape, dtype, view, at, int(np.prod(at.shape)), size, view.shape[0])


def _draw(low: Lowering, kernel: str, key: Value, shape: Sequence[int], each: int, *more: Any) -> View:
    keys = low.whole(key)
    return low.emit(kernel, shape, "u", keys, int(np.prod(keys.shape[:-1])), each, *more)


@rule("random_bits")
def _bits(low: Lowering, eqn: Any, key: Value) -> View:
    if eqn.params["bit_width"] != 32:
        raise Unsupported(f"of {eqn.params['bit_width']} bits; the page draws 32.")
    return _draw(low, "random_bits", key, result(eqn)[0], int(np.prod(eqn.params["shape"])))


@rule("random_split")
def _split_key(low: Lowering, eqn: Any, key: Value) -> View:
    return _draw(low, "random_split", key, result(eqn)[0], int(np.prod(eqn.params["shape"])))


@rule("random_fold_in")
def _fold_in(low: Lowering, eqn: Any, key: Value, data: Value) -> View:
    numbers = low.whole(data)
    return _draw(low, "random_fold_in", key, result(eqn)[0], int(np.prod(numbers.shape)), numbers)
