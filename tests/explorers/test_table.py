"""The table: exact on the grid, close between grid points, compact, one compilation, and clear about bad grids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.explorers import Choice, Slider
from course_lib.explorers.table import interpolate, tabulate, weights

CONTROLS = [Slider("a", -1.0, 2.0, 13, 0.0), Slider("b", 0.5, 3.0, 11, 1.0)]


def wave(a, b):
    x = jnp.linspace(0, 1, 7)
    return {"wave": jnp.sin(a + x) * b, "only_a": a**2, "fixed": x}


def test_exact_on_the_grid_up_to_quantization():
    table = tabulate(wave, CONTROLS)
    for a in CONTROLS[0].grid[[0, 5, 12]]:
        for b in CONTROLS[1].grid[[0, 10]]:
            exact = wave(float(a), float(b))
            for name, q in table.items():
                shown = interpolate(q, CONTROLS, {"a": float(a), "b": float(b)})
                np.testing.assert_allclose(shown, exact[name], atol=1.01 * (q.high - q.low) / q.steps)


def test_between_grid_points_within_a_thousandth_of_the_range():
    table = tabulate(wave, CONTROLS)
    for a, b in np.random.default_rng(0).uniform([-1, 0.5], [2, 3], (40, 2)):
        for name, q in table.items():
            shown = interpolate(q, CONTROLS, {"a": a, "b": b})
            np.testing.assert_allclose(shown, wave(a, b)[name], atol=1e-3 * (q.high - q.low))


def test_straight_lines_are_worse_on_a_smooth_function_and_better_on_a_jump():
    """Negative control for `smooth`: each rule loses where the other is meant."""

    def both(a):
        return {"smooth": jnp.sin(3 * a), "jump": jnp.where(a > 0.5, 1.0, 0.0)}

    error = {}
    for smooth in (True, False):
        controls = [Slider("a", 0.0, 1.0, 9, 0.0, smooth=smooth)]
        table = tabulate(both, controls)
        at = np.random.default_rng(1).uniform(0.63, 1.0, 50)
        for name, q in table.items():
            error[name, smooth] = max(abs(interpolate(q, controls, {"a": a}) - both(a)[name]) for a in at)
    assert error["smooth", True] < 0.2 * error["smooth", False]
    assert error["jump", False] < 0.2 * error["jump", True]


def test_axes_that_do_not_matter_are_kept_once():
    shapes = {name: q.grid_shape for name, q in tabulate(wave, CONTROLS).items()}
    assert shapes == {"wave": (13, 11), "only_a": (13, 1), "fixed": (1, 1)}


def test_one_compilation_for_the_whole_grid():
    traces = []

    def counted(a, b):
        traces.append(1)
        return wave(a, b)

    tabulate(counted, CONTROLS)
    assert len(traces) == 1


def test_a_choice_counts_its_options():
    q = tabulate(lambda k: {"square": k * k}, [Choice("k", ("zero", "one", "two"))])["square"]
    shown = [float(interpolate(q, [Choice("k", ("zero", "one", "two"))], {"k": k})) for k in range(3)]
    np.testing.assert_allclose(shown, [0, 1, 4], atol=1.01 * 4 / q.steps)


def test_gaps_stay_gaps():
    controls = [Slider("a", 0.0, 1.0, 5, 0.0)]
    q = tabulate(lambda a: {"f": jnp.array([a, jnp.nan])}, controls)["f"]
    shown = interpolate(q, controls, {"a": 0.4})
    assert abs(shown[0] - 0.4) < 1e-4
    assert np.isnan(shown[1])


@pytest.mark.parametrize("position", [0.0, 0.25, 2.5, 4.0])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_weights_sum_to_one(position, count):
    w = weights(min(position, count - 1), count, smooth=True)
    assert sum(w.values()) == pytest.approx(1.0)
    assert all(0 <= i < count for i in w)


def test_infinite_values_are_named_with_the_place():
    with jax.debug_infs(False), pytest.raises(ValueError, match=r"'f' is infinite at \{'a': 0.0\}"):
        tabulate(lambda a: {"f": 1 / a}, [Slider("a", 0.0, 1.0, 3, 0.5)])


def test_bad_grids_are_refused():
    with pytest.raises(ValueError, match="low must be below high"):
        Slider("a", 1.0, 1.0, 5, 1.0)
    with pytest.raises(ValueError, match="starts at 3"):
        Slider("a", 0.0, 1.0, 5, 3.0)
    with pytest.raises(ValueError, match="grid of 1 values"):
        Slider("a", 0.0, 1.0, 1, 0.5)
    with pytest.raises(ValueError, match="at least 2"):
        Choice("k", ("one",))
    with pytest.raises(ValueError, match="option 5 of 2"):
        Choice("k", ("a", "b"), start=5)
    with pytest.raises(ValueError, match="share a name"):
        tabulate(lambda a: {"f": a}, [Slider("a", 0.0, 1.0, 3, 0.0), Slider("a", 0.0, 1.0, 3, 0.0)])
    with pytest.raises(ValueError, match="expected a dict"):
        tabulate(lambda a: a, [Slider("a", 0.0, 1.0, 3, 0.0)])
    with pytest.raises(ValueError, match=r"a is 7; the slider runs"):
        Slider("a", 0.0, 1.0, 3, 0.0).position(7)
    with pytest.raises(ValueError, match="k is 5; expected one of"):
        Choice("k", ("a", "b")).position(5)
