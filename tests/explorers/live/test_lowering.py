"""What the page cannot do is refused in Python, with the primitive's name and the line that asked for it."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.explorers.live import Unsupported
from course_lib.explorers.live.lowering import Lowering, shape_and_dtype


def lower(fn, *arguments):
    low = Lowering()
    return low.function(fn, arguments, [low.slot(*shape_and_dtype(jax.typeof(a))) for a in arguments])


def sorts(x):
    return 2 * jnp.sort(x)


def test_an_unsupported_primitive_names_itself_and_its_line():
    line = inspect.getsourcelines(sorts)[1] + 1
    with pytest.raises(Unsupported, match=f"no 'sort', which .*test_lowering.py:{line}, in sorts"):
        lower(sorts, jnp.ones(3))


@pytest.mark.parametrize(
    ("fn", "argument", "message"),
    [
        (lambda x: x * 2, np.ones(3, np.int8), "int8 .* does not run in the page; expected one of float32"),
        (lambda x: x.at[0].set(1.0), jnp.ones(3), "no 'scatter'"),
        (lambda x: jax.lax.fori_loop(0, 200, lambda i, c: c + x, x), jnp.ones(3), "scan of 200 turns .* unrolls 128"),
        (lambda x: x[jnp.argmax(x) :: 1] if x.ndim == 2 else x[:, jnp.argmax(x[0])], jnp.ones((2, 3)), "slic|gather"),
        (lambda x: jnp.dot(x, x), jnp.ones(3, jnp.int32), "of int32; the page multiplies float32 alone"),
        (
            lambda x: jnp.sqrt(x).astype(jnp.int32) ^ jnp.sin(x).astype(jnp.int16).astype(jnp.int32),
            jnp.ones(3),
            "int16",
        ),
    ],
)
def test_what_is_refused(fn, argument, message):
    with pytest.raises((Unsupported, TypeError, IndexError), match=message):
        lower(fn, argument)


def test_shapes_cost_nothing_and_what_nobody_needs_is_left_out():
    def fn(x):
        jnp.exp(x)
        return (x.T[::2].T.reshape(4, 1, 2)[:, 0] + 0 * jnp.ones((4, 2))).T

    ops, *_ = lower(fn, jnp.ones((4, 4)))
    assert [op.kernel for op in ops] == ["copy", "add", "copy"], "one to bring the numbers together, one for the result"


def test_constants_are_computed_in_python_and_kept_once():
    low = Lowering()
    x = jnp.ones((3, 4))
    ops, *_ = low.function(
        lambda x: x * jnp.sin(jnp.arange(4.0))[None] + jnp.sin(jnp.arange(4.0))[None], (x,), [low.slot((3, 4), "f")]
    )
    assert not {"sin", "iota"} & {op.kernel for op in ops}
    starts = [b.start for b in low.kept if b.start is not None]
    assert [len(s) for s in starts] == [4]
    assert re.fullmatch("copy|mul|add", ops[0].kernel)
