"""A mean and its standard error against scipy and against many repetitions."""

import numpy as np
import pytest
from scipy import stats

from course_lib.probability import mean_and_error


def test_against_scipy_on_every_axis():
    values = np.random.default_rng(0).normal(3, 2, (7, 5))
    for axis in (0, 1, -1):
        mean, error = mean_and_error(values, axis)
        np.testing.assert_allclose(mean, values.mean(axis))
        np.testing.assert_allclose(error, stats.sem(values, axis))
    mean, error = mean_and_error(values[:, 0])
    assert isinstance(mean, float)
    assert isinstance(error, float)


def test_two_errors_hold_the_truth_in_95_of_100_cases():
    means, errors = mean_and_error(np.random.default_rng(1).exponential(1.0, (400, 20_000)))
    inside = (np.abs(means - 1) < 1.96 * errors).mean()
    assert abs(inside - 0.95) < 0.01
    too_small = (np.abs(means - 1) < 1.96 * errors / 1.2).mean()  # negative control
    assert abs(too_small - 0.95) > 0.02


@pytest.mark.parametrize("values", [[1.0], [], 3.0, np.zeros((1, 4))])
def test_one_value_has_no_error(values):
    with pytest.raises(ValueError, match="a standard error needs at least 2"):
        mean_and_error(values)


def test_numbers_of_any_kind():
    assert mean_and_error([True, False, True, True]) == mean_and_error(np.array([1, 0, 1, 1], "u1"))
