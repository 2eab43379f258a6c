"""A compiled function of a model: what it gives, and when it is compiled anew."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.compiled import compiled


class Scale(nnx.Module):
    def __init__(self, factor, power=1):
        self.factor, self.power = nnx.Param(jnp.asarray(factor)), power

    @compiled
    def times(self, x):
        traces.append("times")
        return self.factor[...] * x**self.power


@compiled(static=("n", "word"))
def repeated(model, x, n, *, word="a"):
    traces.append((n, word))
    return jnp.stack([model.factor[...] * x] * (n + len(word)))


traces = []


def test_it_gives_what_the_function_gives_and_sees_new_parameters_without_compiling():
    traces.clear()
    model = Scale(2.0)
    assert float(model.times(3.0)) == 6.0
    model.factor[...] = jnp.asarray(5.0)
    assert float(model.times(3.0)) == 15.0
    assert float(Scale(7.0).times(1.0)) == 7.0
    assert traces == ["times"]
    assert float(Scale(2.0, power=2).times(3.0)) == 18.0  # another structure, another program
    assert traces == ["times"] * 2


def test_static_arguments_by_place_and_by_name():
    traces.clear()
    model = Scale(2.0)
    for _ in range(2):
        np.testing.assert_array_equal(repeated(model, 1.0, 2), [2.0] * 3)
        np.testing.assert_array_equal(repeated(model, 1.0, n=2), [2.0] * 3)
        np.testing.assert_array_equal(repeated(model, x=1.0, n=1, word="ab"), [2.0] * 3)
    assert set(traces) == {(2, "a"), (1, "ab")}
    assert len(traces) <= 3


def test_it_works_inside_of_compiled_and_differentiated_code():
    model = Scale(2.0)
    assert float(nnx.jit(lambda model, x: model.times(x))(model, 3.0)) == 6.0
    assert float(nnx.grad(lambda model: model.times(3.0))(model).factor[...]) == 3.0
    assert float(jax.vmap(model.times)(jnp.arange(3.0))[2]) == 4.0


def test_names_and_docstrings_stay():
    assert repeated.__name__ == "repeated"
    assert Scale.times.__name__ == "times"
