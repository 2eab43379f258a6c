"""Every boundary check: passes the good, names what is wrong with the bad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib import validation as v


def test_event_shape_accepts_any_batch_axes():
    v.require_event_shape(np.zeros((2, 3, 4)), (4,), "Made")
    v.require_event_shape(np.zeros((4,)), (4,), "Made")


@pytest.mark.parametrize("shape", [(8, 63), (64, 1), ()])
def test_event_shape_names_both_shapes(shape):
    with pytest.raises(ValueError, match=r"x has shape .*Made was built for inputs of shape \(\*batch, 64\)"):
        v.require_event_shape(np.zeros(shape), (64,), "Made")


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
        v.require_event_shape(x, (2,), "f")
        return x

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


def test_refuse_bad_values_traces_once():
    seen = []
    v.refuse_bad_values(lambda x: seen.append(x), jnp.ones((2, 2)))
    assert [v.is_concrete(x) for x in seen] == [False]


def test_outside_of_it_a_compiled_function_looks_at_nothing():
    v.refuse_bad_values(v.require_binary, jnp.ones(2))
    jax.jit(v.require_binary)(jnp.full(2, 7.0))
