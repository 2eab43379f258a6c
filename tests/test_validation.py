"""Every boundary check: passes the good, names what is wrong with the bad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib import validation as v


def test_event_shape_accepts_any_batch_axes():
    assert v.events(np.zeros((2, 3, 4)), (4,), "Made").shape == (2, 3, 4)
    assert v.events([0, 1, 1, 0], (4,), "Made").tolist() == [0, 1, 1, 0]
    assert v.events(np.zeros((0, 4)), (4,), "Made").shape == (0, 4)


@pytest.mark.parametrize("shape", [(8, 63), (64, 1), ()])
def test_event_shape_names_both_shapes(shape):
    with pytest.raises(ValueError, match=r"x has shape .*Made was built for inputs of shape \(\*batch, 64\)"):
        v.events(np.zeros(shape), (64,), "Made")


NUMBERS = {
    "bool": np.array([True, False]), "uint8": np.array([1, 0], np.uint8), "int64": np.array([1, 0]),
    "float16": np.array([1, 0], np.float16), "float64": np.array([1.0, 0.0]), "big-endian": np.array([1, 0], ">f4"),
    "big-endian int": np.array([1, 0], ">i8"), "list": [1, 0], "tuple": (True, 0),
    "bfloat16": jnp.array([1, 0], "bfloat16"),
    "object": np.array([1, 0.0], object), "masked, none of them": np.ma.array([1, 0], mask=[False, False]),
    "jax ints": jnp.array([1, 0]), "a view": np.array([1, 9, 0])[::2],
}  # fmt: skip


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_kind_become_floats(kind):
    got = v.as_floats(NUMBERS[kind])
    assert got.dtype == jnp.float32
    assert got.tolist() == [1.0, 0.0]


def test_large_whole_numbers_do_not_wrap():
    assert v.as_floats(np.array([2**40, -(2**40)])).tolist() == [2.0**40, -(2.0**40)]
    assert v.as_floats(2**70).tolist() == 2.0**70
    assert np.isinf(v.as_floats(np.array([1e300]))).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([1j]), "x has dtype complex128; expected real numbers"),
        (jnp.array([1j]), "x has dtype complex64; expected real numbers"),
        (["1", "0"], "x has dtype <U1; expected real numbers"),
        (np.array(["a", None], object), "x holds Python objects; expected real numbers"),
        (None, "x is None; expected real numbers"),
        ([[1, 0], [1]], "x is a ragged list"),
        (np.ma.array([1, 0], mask=[True, False]), "x has masked entries"),
        (jax.random.key(0), "x has dtype key<fry>; expected real numbers"),
    ],
)
def test_what_is_no_number_is_named(x, message):
    with pytest.raises(ValueError, match=message):
        v.as_floats(x)


@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, True, np.True_, None, "3", np.nan])
def test_a_count_is_a_whole_number(value):
    assert v.whole_number(np.int64(3), "size") == 3
    with pytest.raises(ValueError, match="size is .*; expected a whole number of at least 1"):
        v.whole_number(value, "size")
    with pytest.raises(ValueError, match="size is 9; expected a whole number from 2 to 8"):
        v.whole_number(9, "size", 2, 8)


def test_binary_rejects_grey_levels_and_names_the_mend():
    v.require_binary(np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"0 to 255.*binarize"):
        v.require_binary(np.array([0, 255]))
    with pytest.raises(ValueError, match="needs 0 and 1 only"):
        v.require_binary(np.array([0.0, 0.5]))


def test_unit_interval():
    v.require_unit_interval(np.array([0.0, 0.5, 1.0]))
    with pytest.raises(ValueError, match="Divide an image"):
        v.require_unit_interval(np.array([0, 128]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_finite_counts_the_bad_values(bad):
    with pytest.raises(ValueError, match="x holds 1 values that are NaN or infinite, of 3"):
        v.require_finite(np.array([0.0, bad, 1.0]))


@pytest.mark.parametrize("ordering", [[0, 1, 1], [1, 2, 3], [0, 1], [[0, 1, 2]]])
def test_permutation_rejects(ordering):
    with pytest.raises(ValueError, match="is no permutation of 0, …, 2"):
        v.require_permutation(ordering, 3)


def test_permutation_returns_integers():
    assert v.require_permutation(jnp.array([2, 0, 1]), 3).tolist() == [2, 0, 1]


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_positive_rejects(value):
    with pytest.raises(ValueError, match="scale is .*greater than 0"):
        v.require_positive(value, "scale")


def test_values_are_not_looked_at_under_jit_but_shapes_are():
    @jax.jit
    def f(x):
        v.require_binary(x)
        v.require_finite(x)
        v.require_unit_interval(x)
        return v.events(x, (2,), "f")

    f(jnp.array([7.0, jnp.nan]))
    with pytest.raises(ValueError, match="x has shape"):
        f(jnp.zeros(3))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.0, 1.0]), "y has dtype float64; expected integers from 0 to 2"),
        (np.array([0, 3]), "y has values from 0 to 3; expected 0 to 2"),
        (-1, "y has values from -1 to -1; expected 0 to 2"),
    ],
)
def test_classes(labels, message):
    v.require_classes(np.array([0, 2]), 3)
    v.require_classes(jnp.arange(3), 3)
    with pytest.raises(ValueError, match=message):
        v.require_classes(labels, 3, "y")


def transformed(x):
    """A check of its own, and others inside of scan, vmap and grad, where values cannot be had."""

    def step(total, row):
        v.require_finite(row)
        return total + row.sum(), None

    def loss(row):
        v.require_finite(row)
        return jax.lax.scan(step, 0.0, jnp.stack([row, row]))[0]

    v.require_binary(x)
    return jax.vmap(jax.grad(loss))(x)


@pytest.mark.parametrize("function", [v.require_binary, transformed])
def test_refuse_bad_values_checks_what_a_compiled_function_is_given(function):
    v.refuse_bad_values(function, jnp.array([[0.0, 1.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match="from 0 to 255; .*binarize"):
        v.refuse_bad_values(function, jnp.array([[0.0, 1.0], [1.0, 255.0]]))


def test_refuse_bad_values_checks_what_is_computed_on_the_way():
    with pytest.raises(ValueError, match="x holds 1 values that are NaN"):
        v.refuse_bad_values(lambda x: v.require_finite(jnp.log(x)), jnp.array([0.0, 1.0]))


def test_refuse_bad_values_looks_at_every_batch_and_traces_once():
    seen = []

    def function(scale, batch):
        seen.append(batch)
        v.require_binary(scale * batch)

    good, bad = jnp.ones((2, 2)), jnp.array([[0.0, 1.0], [0.0, 3.0]])
    v.refuse_bad_values(function, 1.0, batches=[good, good])
    assert len(seen) == 1
    with pytest.raises(ValueError, match="from 0 to 3"):
        v.refuse_bad_values(function, 1.0, batches=[good, good, bad])


def test_refuse_bad_values_traces_once():
    seen = []
    v.refuse_bad_values(lambda x: seen.append(x), jnp.ones((2, 2)))
    assert [v.is_concrete(x) for x in seen] == [False]


def test_outside_of_it_a_compiled_function_looks_at_nothing():
    v.refuse_bad_values(v.require_binary, jnp.ones(2))
    jax.jit(v.require_binary)(jnp.full(2, 7.0))
