"""AR(p): each value a linear function of the last p, plus noise. Closed forms, in numpy and double precision."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Complex, Float, Key

from course_lib.validation import as_doubles, require_finite, require_positive, whole_number

Values = Float[np.ndarray, "..."] | Float[Array, "..."] | list


def lag_matrix(series: Values, order: int) -> Float[np.ndarray, "*batch targets {order}"]:
    """The predecessors of each value from number p + 1 on: row t holds T^{t−1}, …, T^{t−p}, the newest first.

    Args: series: (*batch, length). Raises: ValueError: fewer than p + 1 values; values that are not finite.
    Taught in: 02a_time_series, "Fitting by least squares"
    """
    whole_number(order, "order")
    values = as_doubles(series, "series")
    require_finite(values, "series")
    if (size := np.abs(values).max(initial=0)) > 1e100:
        raise ValueError(f"series has values as large as {size:.3g}, whose squares cannot be held; scale it down.")
    length = values.shape[-1] if values.ndim else 0
    if length <= order:
        raise ValueError(f"series has {length} values; an AR({order}) needs at least {order + 1}.")
    return np.stack([values[..., order - i : length - i] for i in range(1, order + 1)], axis=-1)


@dataclass(frozen=True, eq=False)
class LinearAr:
    """T^t = β⁰ + Σ_i β_i T^{t−i} + ε^t, ε^t ~ N(0, σ²): a density of whole series, exact.

    Args: coefficients: β_1, …, β_p, lag 1 first; intercept: β⁰; sigma: standard deviation of the noise.
    Source: Hamilton 1994, ch. 3 to 6. Taught in: 02a_time_series, "A density and a sampler"
    """

    coefficients: Float[np.ndarray, " p"]
    intercept: float = 0.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", np.atleast_1d(np.asarray(self.coefficients, float)))
        require_finite(self.coefficients, "coefficients")
        require_positive(self.sigma, "sigma")

    @property
    def order(self) -> int:
        """The number p of predecessors that count."""
        return len(self.coefficients)

    def roots(self) -> Complex[np.ndarray, " p"]:
        """The roots λ of λ^p = β_1 λ^{p−1} + … + β_p: without noise, the series is a sum of terms λ^t.

        Taught in: 02a_time_series, "Does it settle?"
        """
        return np.roots(np.append(1.0, -self.coefficients)).astype(complex)

    def is_stationary(self) -> bool:
        """Whether mean and variance settle: every root lies inside the unit circle."""
        return bool((np.abs(self.roots()) < 1).all())

    def mean(self) -> float:
        """β⁰ / (1 − Σ β_i), where a stationary series settles."""
        self._require_stationary()
        return float(self.intercept / (1 - self.coefficients.sum()))

    def autocovariance(self, num_lags: int) -> Float[np.ndarray, " lags"]:
        """γ_0, …, γ_k with γ_k = Cov(T^t, T^{t−k}), from γ_k = Σ_i β_i γ_{|k−i|} + σ² [k = 0].

        Taught in: 02a_time_series, "Fitting by Yule–Walker"
        """
        self._require_stationary()
        p = self.order
        system = np.eye(p + 1)
        for k in range(p + 1):
            for i, beta in enumerate(self.coefficients, start=1):
                system[k, abs(k - i)] -= beta
        gamma = list(np.linalg.solve(system, np.append(self.sigma**2, np.zeros(p))))
        while len(gamma) <= num_lags:
            gamma.append(self.coefficients @ gamma[: -p - 1 : -1])
        return np.array(gamma[: num_lags + 1])

    def spectral_density(self, frequency: Values) -> Float[np.ndarray, "..."]:
        """f(ω) = σ² / |1 − Σ_j β_j e^{−2πiωj}|² at ω cycles a step; its integral from −½ to ½ is the variance.

        Taught in: 02a_time_series, "Does it settle?"
        """
        waves = np.exp(-2j * np.pi * np.asarray(frequency, float)[..., None] * np.arange(1, self.order + 1))
        return self.sigma**2 / np.abs(1 - waves @ self.coefficients) ** 2

    def predict(self, series: Values) -> Float[np.ndarray, "*batch targets"]:
        """The mean of each value from number p + 1 on, given those before it."""
        return self.intercept + lag_matrix(series, self.order) @ self.coefficients

    def conditional_log_prob(self, series: Values) -> Float[np.ndarray, "*batch"] | np.floating:
        """log p(T^{p+1}, …, T^n | T^1, …, T^p) in nats: what least squares maximizes."""
        residual = (as_doubles(series, "series")[..., self.order :] - self.predict(series)) / self.sigma
        return -(0.5 * residual**2 + np.log(self.sigma) + 0.5 * np.log(2 * np.pi)).sum(axis=-1)

    def log_prob(self, series: Values) -> Float[np.ndarray, "*batch"] | np.floating:
        """log p(T^1, …, T^n) in nats: the first p values are jointly normal with the process's own autocovariance.

        Raises: ValueError: the process does not settle, so that the first values have no density of their own.
        Taught in: 02a_time_series, "A density and a sampler"
        """
        factor = self._start_factor()
        first = as_doubles(series, "series")[..., : self.order] - self.mean()
        z = np.linalg.solve(factor, first[..., None])[..., 0]
        start = -0.5 * (z**2).sum(axis=-1) - np.log(np.diag(factor)).sum() - 0.5 * self.order * np.log(2 * np.pi)
        return start + self.conditional_log_prob(series)

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Float[np.ndarray, "*shape"]:
        """Series of the stationary process, time along the last axis; the start is drawn exactly, nothing is burnt in.

        Taught in: 02a_time_series, "A density and a sampler"
        """
        factor, p = self._start_factor(), self.order
        values = np.asarray(jax.random.normal(key, (*shape[:-1], max(shape[-1], p))), float)
        values[..., :p] = self.mean() + values[..., :p] @ factor.T
        for t in range(p, values.shape[-1]):
            past = values[..., t - p : t][..., ::-1]
            values[..., t] = self.intercept + past @ self.coefficients + self.sigma * values[..., t]
        return values[..., : shape[-1]]

    def impulse_response(self, steps: int) -> Float[np.ndarray, " {steps}"]:
        """ψ_0, …, ψ_{steps−1}: what one unit of noise is worth k steps later; ψ_0 = 1, ψ_k = Σ_i β_i ψ_{k−i}.

        Taught in: 02a_time_series, "Forecasts with intervals"
        """
        psi = np.append(np.zeros(self.order), 1.0)
        for _ in range(steps - 1):
            psi = np.append(psi, self.coefficients @ psi[: -self.order - 1 : -1])
        return psi[self.order :]

    def forecast(
        self, past: Values, steps: int
    ) -> tuple[Float[np.ndarray, "*batch steps"], Float[np.ndarray, " steps"]]:
        """Mean and standard deviation of the next values: noise is 0 in the mean; σ_k² = σ² (ψ_0² + … + ψ_{k−1}²).

        Args: past: (*batch, length), the last p values count.
        Returns: the deviation is that of the noise to come; it takes the coefficients as known.
        Taught in: 02a_time_series, "Forecasts with intervals"
        """
        whole_number(steps, "steps")
        if np.shape(past)[-1] < self.order:
            raise ValueError(
                f"past has {np.shape(past)[-1]} values; an AR({self.order}) looks at the last {self.order}."
            )
        known = np.asarray(past, float)[..., : -self.order - 1 : -1]  # newest first
        for _ in range(steps):
            value = self.intercept + known[..., : self.order] @ self.coefficients
            known = np.insert(known, 0, value, axis=-1)
        return known[..., steps - 1 :: -1], self.sigma * np.sqrt(np.cumsum(self.impulse_response(steps) ** 2))

    def _start_factor(self) -> Float[np.ndarray, "p p"]:
        """The Cholesky factor of the covariance of p values in a row."""
        gamma, place = self.autocovariance(self.order - 1), np.arange(self.order)
        return np.linalg.cholesky(gamma[np.abs(place[:, None] - place)])

    def _require_stationary(self) -> None:
        if not self.is_stationary():
            largest = np.abs(self.roots()).max()
            raise ValueError(
                f"This process does not settle: its largest root has modulus {largest:.4g}, and all must be below 1. "
                "Its series have no common mean, variance or density. Use conditional_log_prob and forecast, or "
                "difference the series (np.diff) and fit again."
            )


def least_squares(series: Values, order: int) -> LinearAr:
    """Fit by conditional maximum likelihood: β minimizes Σ_t (T^t − β⁰ − Σ_i β_i T^{t−i})², σ² is the mean residual².

    Raises: ValueError: a series that the fit explains without noise, such as a constant one.

    Source: Hamilton 1994, sec. 5.3. Taught in: 02a_time_series, "Fitting by least squares"
    """
    series = as_doubles(series, "series")
    lags, target = lag_matrix(series, order), series[order:]
    design = np.insert(lags, 0, 1.0, axis=1)
    beta = np.linalg.lstsq(design, target)[0]
    sigma = np.sqrt(np.mean((target - design @ beta) ** 2))
    if sigma <= 1e-7 * np.abs(series).max():
        raise ValueError(
            f"the last {order} values predict each value of the series exactly (it is constant, or without noise): "
            "sigma would be 0, and there is no density. Take a smaller order, or a series with noise."
        )
    return LinearAr(beta[1:], float(beta[0]), float(sigma))


def sample_autocovariance(series: Values, num_lags: int) -> Float[np.ndarray, " lags"]:
    """γ̂_k = (1/n) Σ_t (T^t − mean)(T^{t−k} − mean) for k = 0, …, num_lags. Dividing by n keeps them positive definite.

    Taught in: 02a_time_series, "Fitting by Yule–Walker"
    """
    values = as_doubles(series, "series")
    centred = values - values.mean()
    return np.array([centred[k:] @ centred[: len(centred) - k] for k in range(num_lags + 1)]) / len(centred)


def levinson(gamma: Float[np.ndarray, " lags"]) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"], float]:
    """Solve the Yule–Walker equations γ_k = Σ_i β_i γ_{|k−i|}, k = 1, …, p, by order recursion in O(p²).

    Returns: β_1, …, β_p; the partial autocorrelations of lags 1, …, p; the noise variance σ².
    Source: Durbin 1960. Taught in: 02a_time_series, "Fitting by Yule–Walker"
    """
    beta, partials, variance = np.zeros(0), [], gamma[0]
    for k in range(1, len(gamma)):
        partial = (gamma[k] - beta @ gamma[k - 1 : 0 : -1]) / variance
        beta = np.append(beta - partial * beta[::-1], partial)
        variance = variance * (1 - partial**2)
        partials.append(partial)
    return beta, np.array(partials), float(variance)


def yule_walker(series: Values, order: int) -> LinearAr:
    """Fit by matching autocovariances: the solution of the Yule–Walker equations for the sample's γ̂. Always stationary.

    Raises: ValueError: a constant series, which has nothing to match.
    Source: Walker 1931. Taught in: 02a_time_series, "Fitting by Yule–Walker"
    """
    series = as_doubles(series, "series")
    lag_matrix(series, order)  # the same demands on the series
    gamma = sample_autocovariance(series, order)
    if gamma[0] == 0:
        raise ValueError("series is constant: it has no autocovariance to match.")
    beta, _, variance = levinson(gamma)
    return LinearAr(beta, float(np.mean(series) * (1 - beta.sum())), float(np.sqrt(variance)))
