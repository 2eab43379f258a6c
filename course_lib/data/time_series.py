"""Autoregressive time series."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from course_lib.validation import require_finite, require_positive, whole_number


def ar_process(
    key: Key[Array, ""],
    coefficients: Sequence[float | int] | Float[Array | np.ndarray, " p"],
    length: int,
    sigma: float | int = 1.0,
    intercept: float | int = 0.0,
    burn_in: int | None = None,
) -> Float[Array, " length"]:
    """A stationary AR(p) series, T_t = β_0 + Σ_i β_i T_{t-i} + ε_t with ε_t ~ N(0, σ²).

    Stationary means that every root λ of λ^p = β_1 λ^{p-1} + … + β_p has |λ| < 1. The series starts at its mean
    β_0 / (1 - Σ β_i).

    Args:
        coefficients: β_1, …, β_p, lag 1 first.
        sigma: standard deviation of the noise.
        intercept: β_0.
        burn_in: values to drop at the start; by default enough for the start to be forgotten to 1e-6.
    Raises:
        ValueError: the process is explosive or has a unit root; the message names the largest root.
    Taught in: 02_autoregressive
    """
    beta = np.atleast_1d(np.asarray(coefficients, dtype=np.float32))
    require_finite(beta, "coefficients")
    require_positive(sigma, "sigma")
    whole_number(length, "length")
    roots = np.roots(np.concatenate([[1.0], -beta.astype(float)]))
    largest = max(roots, key=abs, default=0.0)
    if abs(largest) >= 1 - 1e-6:
        raise ValueError(
            f"An AR process with coefficients {beta.tolist()} does not settle: the root {largest:.4g} has modulus "
            f"{abs(largest):.4g}, and all must be below 1. Make the coefficients smaller."
        )
    if burn_in is None:
        burn_in = len(beta) + (math.ceil(math.log(1e-6) / math.log(abs(largest))) if abs(largest) > 1e-6 else 0)

    def step(recent: Array, noise: Array) -> tuple[Array, Array]:  # recent: the last p values, newest first
        value = intercept + jnp.dot(beta, recent) + sigma * noise
        return jnp.concatenate([value[None], recent])[: len(beta)], value

    start = jnp.full(len(beta), intercept / (1 - beta.sum()), jnp.float32)
    _, values = jax.lax.scan(step, start, jax.random.normal(key, (burn_in + length,)))
    return values[burn_in:]
