"""The autocovariance of a series against theory (Yule–Walker, computed by statsmodels)."""

import jax
import numpy as np
import pytest
from statsmodels.tsa.arima_process import ArmaProcess

from course_lib.data import ar_process


@pytest.mark.parametrize("coefficients", [[0.8], [0.5, 0.3], [1.2, -0.5], [0.4, 0.0, 0.0, -0.3]])
@pytest.mark.parametrize("burn_in", [None, 0])
def test_autocovariance(coefficients, burn_in):
    """Many independent series, so that averages have a plain standard error. Without burn-in the law must fail."""
    keys, n, sigma = jax.random.split(jax.random.key(2), 4000), 8, 1.5
    series = np.asarray(jax.vmap(lambda k: ar_process(k, coefficients, n, sigma, 1.0, burn_in))(keys), dtype=float)
    mean = 1.0 / (1 - sum(coefficients))
    theory = ArmaProcess(np.array([1.0, *(-b for b in coefficients)]), [1.0]).acovf(n) * sigma**2
    products = (series[:, :1] - mean) * (series - mean)
    apart = np.abs(products.mean(axis=0) - theory) / (products.std(axis=0) / np.sqrt(len(keys)))
    assert (apart.max() <= 5) == (burn_in is None)
    means_apart = np.abs(series.mean(axis=0) - mean) / (series.std(axis=0) / np.sqrt(len(keys)))
    assert means_apart.max() <= 5
