"""AR(p): definitions, errors and the edges of stationarity."""

import jax
import numpy as np
import pytest

from course_lib.autoregressive import LinearAr, lag_matrix, least_squares, levinson, yule_walker
from course_lib.autoregressive.linear_ar import sample_autocovariance
from tests.tolerances import FLOAT64

WAVES = LinearAr(np.array([1.6, -0.8]), intercept=2.0, sigma=1.5)


def test_lags_are_newest_first_and_take_batches():
    series = np.arange(6.0)
    assert lag_matrix(series, 2).tolist() == [[1, 0], [2, 1], [3, 2], [4, 3]]
    both = lag_matrix(np.stack([series, -series]), 3)
    assert both.shape == (2, 3, 3)
    np.testing.assert_array_equal(both[1], -lag_matrix(series, 3))


@pytest.mark.parametrize(
    ("series", "order", "words"),
    [
        (np.zeros(3), 3, "3 values; an AR.3. needs at least 4"),
        (np.zeros(3), 0, "order is 0"),
        ([0.0, np.nan], 1, "NaN"),
    ],
)
def test_bad_series(series, order, words):
    for fit in (least_squares, yule_walker):
        with pytest.raises(ValueError, match=words):
            fit(series, order)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan])
def test_noise_has_a_positive_deviation(sigma):
    with pytest.raises(ValueError, match="sigma"):
        LinearAr(np.array([0.5]), sigma=sigma)


def test_a_constant_series_has_nothing_to_match():
    with pytest.raises(ValueError, match="constant"):
        yule_walker(np.full(20, 3.0), 2)


@pytest.mark.parametrize(
    ("beta", "settles"),
    [([0.99], True), ([1.0], False), ([-1.01], False), ([1.6, -0.8], True), ([0.5, 0.6], False), ([0.0, 0.9], True)],
)
def test_stationarity_of_known_processes(beta, settles):
    assert LinearAr(np.array(beta)).is_stationary() == settles


def test_the_triangle_is_where_both_roots_lie_inside_the_circle():
    """φ₂ < 1 − φ₁, φ₂ < 1 + φ₁, φ₂ > −1, on a grid that avoids the edges."""
    for phi_1 in np.linspace(-2.45, 2.45, 25):
        for phi_2 in np.linspace(-1.45, 1.45, 25):
            inside = phi_2 < 1 - phi_1 and phi_2 < 1 + phi_1 and phi_2 > -1
            assert LinearAr(np.array([phi_1, phi_2])).is_stationary() == inside


def test_what_has_no_stationary_density_says_so():
    walk = LinearAr(np.array([1.0]))
    for ask in (walk.mean, lambda: walk.autocovariance(3), lambda: walk.log_prob(np.zeros(5))):
        with pytest.raises(ValueError, match=r"does not settle: its largest root has modulus 1,"):
            ask()
    with pytest.raises(ValueError, match="does not settle"):
        walk.sample(jax.random.key(0), (5,))
    assert np.isfinite(walk.conditional_log_prob(np.arange(5.0)))
    mean, deviation = walk.forecast([0.0, 7.0], 4)
    np.testing.assert_allclose(mean, 7.0)
    np.testing.assert_allclose(deviation, np.sqrt(np.arange(1, 5)))


def test_forecasts_need_as_much_past_as_the_model_sees():
    with pytest.raises(ValueError, match=r"past has 1 values; an AR\(2\) looks at the last 2"):
        WAVES.forecast([1.0], 3)
    with pytest.raises(ValueError, match="steps is 0"):
        WAVES.forecast([1.0, 2.0], 0)


def test_forecasts_are_predictions_fed_back():
    past = np.array([[3.0, 1.0, 4.0], [1.0, 5.0, 9.0]])
    mean, _ = WAVES.forecast(past, 5)
    for row, series in zip(mean, past, strict=True):
        grown = list(series)
        for value in row:
            assert value == pytest.approx(WAVES.intercept + 1.6 * grown[-1] - 0.8 * grown[-2], rel=1e-12)
            grown.append(value)


def test_far_forecasts_forget_the_past():
    mean, deviation = WAVES.forecast([30.0, -20.0], 400)
    assert mean[-1] == pytest.approx(WAVES.mean(), rel=1e-9)
    assert deviation[-1] == pytest.approx(np.sqrt(WAVES.autocovariance(0)[0]), rel=1e-9)


def test_the_chain_rule_is_the_density():
    """log p of a whole series is the sum over its prefixes; without its first factors it is the conditional one."""
    series = WAVES.sample(jax.random.key(0), (3, 8))
    assert series.shape == (3, 8)
    total = WAVES.log_prob(series)
    growth = [WAVES.log_prob(series[:, : t + 1]) - WAVES.log_prob(series[:, :t]) for t in range(3, 8)]
    np.testing.assert_allclose(WAVES.log_prob(series[:, :3]) + np.sum(growth, axis=0), total, **FLOAT64)
    steps = [WAVES.conditional_log_prob(series[:, t - 2 : t + 1]) for t in range(2, 8)]
    np.testing.assert_allclose(np.sum(steps, axis=0), WAVES.conditional_log_prob(series), **FLOAT64)


def test_short_samples_and_single_series():
    assert WAVES.sample(jax.random.key(0), (1,)).shape == (1,)
    assert WAVES.sample(jax.random.key(0), (4, 2, 9)).shape == (4, 2, 9)
    assert WAVES.log_prob(WAVES.sample(jax.random.key(0), (50,))).shape == ()


def test_least_squares_finds_an_exact_recursion():
    series = [1.0, 2.0]
    for _ in range(20):
        series.append(0.5 + 1.2 * series[-1] - 0.7 * series[-2])
    series[-1] += 1e-3  # some noise, so that σ is not 0
    fitted = least_squares(series, 2)
    np.testing.assert_allclose(fitted.coefficients, [1.2, -0.7], atol=0.01)
    assert fitted.intercept == pytest.approx(0.5, abs=0.01)


def test_yule_walker_settles_even_where_least_squares_does_not():
    growing = 1.05 ** np.arange(60) + np.random.default_rng(0).normal(size=60)
    assert not least_squares(growing, 1).is_stationary()
    assert yule_walker(growing, 1).is_stationary()


def test_levinson_on_the_processes_own_autocovariance_returns_it():
    beta, partials, variance = levinson(WAVES.autocovariance(4))
    np.testing.assert_allclose(beta, [1.6, -0.8, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(partials[1:], [-0.8, 0.0, 0.0], atol=1e-9)
    assert variance == pytest.approx(1.5**2, rel=1e-9)


def test_sample_autocovariance_divides_by_the_length():
    gamma = sample_autocovariance([1.0, 2.0, 3.0, 6.0], 3)
    np.testing.assert_allclose(gamma, [14 / 4, (2 + 0 + 0) / 4, (0 - 3) / 4, -6 / 4], **FLOAT64)
