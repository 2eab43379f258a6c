"""AR(p) against statsmodels, quadrature, enumeration of covariances and simulation."""

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from statsmodels.regression.linear_model import yule_walker as sm_yule_walker
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.arima_process import ArmaProcess
from statsmodels.tsa.stattools import acovf, pacf

from course_lib.autoregressive import LinearAr, least_squares, levinson, yule_walker
from course_lib.autoregressive.linear_ar import sample_autocovariance
from tests.tolerances import FLOAT64, within_standard_errors

PROCESSES = {
    "waves": LinearAr(np.array([1.6, -0.8]), 2.0, 1.5),
    "decay": LinearAr(np.array([0.9]), -1.0, 0.3),
    "sparse": LinearAr(np.array([0.2, 0.0, 0.3, 0, 0, 0, 0, 0, 0, -0.5]), 0.0, 1.0),
}
each = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
orders = pytest.mark.parametrize("order", [1, 2, 5, 10])
SERIES = PROCESSES["waves"].sample(jax.random.key(1), (400,))


@orders
def test_least_squares_is_autoreg(order):
    ours, theirs = least_squares(SERIES, order), AutoReg(SERIES, order, trend="c").fit()
    np.testing.assert_allclose([ours.intercept, *ours.coefficients], theirs.params, **FLOAT64)
    assert ours.conditional_log_prob(SERIES) == pytest.approx(theirs.llf, rel=1e-9)
    residual = SERIES[order:] - ours.predict(SERIES)
    np.testing.assert_allclose(residual, theirs.resid, rtol=1e-7, atol=1e-9)


@orders
def test_yule_walker_is_statsmodels(order):
    ours = yule_walker(SERIES, order)
    beta, sigma = sm_yule_walker(SERIES, order, method="mle", result_object=False)
    np.testing.assert_allclose(ours.coefficients, beta, **FLOAT64)
    assert ours.sigma == pytest.approx(sigma, rel=1e-9)
    assert ours.is_stationary()
    # mean and the autocovariances up to p are those of the sample
    assert ours.mean() == pytest.approx(SERIES.mean(), rel=1e-9)
    np.testing.assert_allclose(ours.autocovariance(order), sample_autocovariance(SERIES, order), rtol=1e-8)


def test_autocovariance_and_partial_autocorrelation_of_a_sample():
    np.testing.assert_allclose(sample_autocovariance(SERIES, 20), acovf(SERIES, fft=False, nlag=20), **FLOAT64)
    partials = levinson(sample_autocovariance(SERIES, 20))[1]
    np.testing.assert_allclose(partials, pacf(SERIES, nlags=20, method="ldb")[1:], **FLOAT64)


@each
def test_autocovariance_and_impulse_response_of_a_process(process):
    theirs = ArmaProcess(np.append(1.0, -process.coefficients), [1.0])
    np.testing.assert_allclose(process.impulse_response(30), theirs.impulse_response(30), **FLOAT64)
    np.testing.assert_allclose(process.autocovariance(30), theirs.acovf(31) * process.sigma**2, **FLOAT64)
    # γ_k = σ² Σ_j ψ_j ψ_{j+k}
    psi = process.impulse_response(2000)
    np.testing.assert_allclose(process.autocovariance(1)[1], process.sigma**2 * psi[1:] @ psi[:-1], rtol=1e-9)


@each
def test_spectral_density_integrates_to_the_variance(process):
    """The trapezoid rule over a whole period converges exponentially; γ_k is the k-th Fourier coefficient."""
    frequency = np.arange(4096) / 4096 - 0.5
    density = process.spectral_density(frequency)
    gamma = process.autocovariance(5)
    for k in range(6):
        assert np.mean(density * np.cos(2 * np.pi * k * frequency)) == pytest.approx(gamma[k], rel=1e-9)
    wrong = np.mean(density * np.cos(2 * np.pi * 1.01 * frequency))  # negative control
    assert wrong != pytest.approx(gamma[1], rel=1e-4)


@each
def test_log_prob_is_a_multivariate_normal(process):
    n = 14
    gamma, place = process.autocovariance(n), np.arange(n)
    joint = multivariate_normal(np.full(n, process.mean()), gamma[np.abs(place[:, None] - place)])
    series = process.sample(jax.random.key(3), (5, n))
    np.testing.assert_allclose(process.log_prob(series), joint.logpdf(series), **FLOAT64)
    assert not np.allclose(process.conditional_log_prob(series), joint.logpdf(series), rtol=1e-3)  # negative control


@each
def test_likelihood_and_forecasts_are_those_of_arima(process):
    """The state-space filter of statsmodels at our parameters; its constant is the mean."""
    series, p = process.sample(jax.random.key(4), (120,)), process.order
    model = ARIMA(series, order=(p, 0, 0), trend="c")
    theirs = model.smooth([process.mean(), *process.coefficients, process.sigma**2])
    # the filter inverts Γ by another route: a few digits are lost
    assert process.log_prob(series) == pytest.approx(theirs.llf, rel=1e-7)
    forecast = theirs.get_forecast(15)
    mean, deviation = process.forecast(series, 15)
    np.testing.assert_allclose(mean, forecast.predicted_mean, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(deviation, forecast.se_mean, rtol=1e-7)


@each
def test_samples_have_the_autocovariance_from_the_first_value_on(process):
    series = process.sample(jax.random.key(5), (4000, 12))
    gamma = process.autocovariance(11)
    products = (series[:, :1] - process.mean()) * (series - process.mean())
    for k in range(12):
        error = products[:, k].std() / np.sqrt(len(products))
        assert within_standard_errors(products[:, k].mean(), gamma[k], error)
    wrong = process.autocovariance(11)[0] * 1.2  # negative control
    assert not within_standard_errors(products[:, 0].mean(), wrong, products[:, 0].std() / np.sqrt(len(products)))


def test_intervals_cover_what_they_promise():
    """80 % intervals one and ten steps ahead, with the true coefficients, over independent series."""
    process = PROCESSES["waves"]
    series = process.sample(jax.random.key(6), (4000, 22))
    mean, deviation = process.forecast(series[:, :12], 10)
    for k in (0, 9):
        inside = np.abs(series[:, 12 + k] - mean[:, k]) < 1.2815515655446004 * deviation[k]
        assert within_standard_errors(inside.mean(), 0.8, np.sqrt(0.16 / len(inside)))
        narrow = np.abs(series[:, 12 + k] - mean[:, k]) < 1.28 * 0.8 * deviation[k]  # negative control
        assert not within_standard_errors(narrow.mean(), 0.8, np.sqrt(0.16 / len(inside)))
