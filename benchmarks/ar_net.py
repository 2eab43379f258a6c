"""What AR-Net costs against least squares, as the order p grows: `python -m benchmarks.ar_net [--length N]`.

The paper (arXiv:1911.12436) says: linear in p against quadratic. Every method fits the same sparse series (lags 1, 3
and 10, σ = 1) with p lags, in one process and taking turns. Seconds are processor time, summed over the cores (the
machine may have other work), the best of several turns, compilation apart. Printed with them: the error sTPE of the
coefficients, and the exponent k of seconds ∝ p^k over the upper half of the orders.
"""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from scipy.linalg import solve_toeplitz
from scipy.signal import correlate
from sklearn.linear_model import Lasso
from statsmodels.tsa.ar_model import AutoReg

from benchmarks.arguments import integer
from course_lib.autoregressive import (
    ArNet,
    LinearAr,
    ar_net_loss,
    lag_matrix,
    least_squares,
    symmetric_total_percentage_error,
)
from course_lib.command import run_command
from course_lib.training import cosine_adam

STEPS, BATCH, STRENGTH = 2000, 64, 0.3


def normal_equations(series: np.ndarray, order: int) -> np.ndarray:
    """The least squares of the classroom: form the p × p matrix of products, solve."""
    lags = lag_matrix(series, order)
    lags, target = lags - lags.mean(axis=0), series[order:] - series[order:].mean()
    return np.linalg.solve(lags.T @ lags, lags.T @ target)


def yule_walker_by_fft(series: np.ndarray, order: int) -> np.ndarray:
    """All autocovariances by one Fourier transform, then Levinson's recursion in compiled code."""
    centred = series - series.mean()
    gamma = correlate(centred, centred, method="fft")[len(series) - 1 : len(series) + order]
    return solve_toeplitz(gamma[:-1], gamma[1:])


def thresholded(series: np.ndarray, order: int) -> np.ndarray:
    """Yule–Walker; keep the lags whose coefficient exceeds √(log N) of its standard errors; fit those by least squares.

    Far from the ends all coefficients have the same standard error, √((1 + Σ β²) / N): the diagonal of σ² Γ⁻¹ / N.
    """
    first = yule_walker_by_fft(series, order)
    limit = np.sqrt(np.log(len(series)) * (1 + first @ first) / len(series))
    keep, centred = np.flatnonzero(np.abs(first) > limit), series - series.mean()
    lags = np.stack([centred[order - 1 - k : len(series) - 1 - k] for k in keep], axis=1)
    weights = np.zeros(order)
    weights[keep] = np.linalg.solve(lags.T @ lags, lags.T @ centred[order:])
    return weights


def lasso(series: np.ndarray, order: int) -> np.ndarray:
    """The Lasso at one strength, σ √(2 log p / N): no cross-validation."""
    alpha = np.sqrt(2 * np.log(order + 1) / len(series))
    return Lasso(alpha=alpha).fit(lag_matrix(series, order), series[order:]).coef_


def ar_net(order: int, strength: float, length: int) -> Callable:
    """AR-Net for one order, compiled: 2,000 Adam steps on 64 rows each, read straight from the series."""
    graph, start = nnx.split(ArNet(order, rngs=nnx.Rngs(0)))
    optimizer = cosine_adam(0.03 * min(1.0, (20 / order) ** 0.5), STEPS)

    @jax.jit
    def train(series: jax.Array) -> jax.Array:
        def step(carry: tuple, key: jax.Array) -> tuple:
            state, memory = carry
            targets = jax.random.randint(key, (BATCH,), order, length)
            lags = series[targets[:, None] - jnp.arange(1, order + 1)[None]]

            def loss(state: nnx.State) -> jax.Array:
                return ar_net_loss(nnx.merge(graph, state), (lags, series[targets]), None, strength)

            update, memory = optimizer.update(jax.grad(loss)(state), memory)
            return (optax.apply_updates(state, update), memory), None

        keys = jax.random.split(jax.random.key(0), STEPS)
        (state, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), keys)
        return nnx.merge(graph, state).first_weights[:, 0]

    compiled = train.lower(jnp.zeros(length)).compile()
    return lambda series, order: np.asarray(compiled(jnp.asarray(series, jnp.float32)))


def methods(order: int, length: int) -> dict[str, Callable]:
    """Name → function of (series, order) that returns the coefficients."""
    return {
        "least squares (QR/SVD)": lambda x, p: least_squares(x, p).coefficients,
        "normal equations": normal_equations,
        "statsmodels AutoReg": lambda x, p: AutoReg(x, p).fit().params[1:],
        "Yule–Walker by FFT": yule_walker_by_fft,
        "Yule–Walker, thresholded": thresholded,
        "scikit-learn Lasso": lasso,
        "AR-Net, no penalty": ar_net(order, 0.0, length),
        "AR-Net, penalty": ar_net(order, STRENGTH * order / 20, length),  # R is a mean over the lags
    }


def measure(orders: list[int], length: int, turns: int) -> dict[str, np.ndarray]:
    """Name → (orders, 2): seconds and sTPE."""
    weights = np.zeros(10)
    weights[[0, 2, 9]] = 0.2, 0.3, -0.5
    series, results = LinearAr(weights).sample(jax.random.key(0), (length,)), {}
    for order in orders:
        true = np.append(weights, np.zeros(max(order - 10, 0)))[:order]
        candidates = methods(order, length)
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        found = {}
        for _ in range(turns):
            for name, fit in candidates.items():
                if sum(seconds[name]) < 20:  # what takes long needs no second turn
                    begin = time.process_time()
                    found[name] = fit(series, order)
                    seconds[name].append(time.process_time() - begin)
        for name in candidates:
            error = symmetric_total_percentage_error(found[name], true)
            results.setdefault(name, []).append((min(seconds[name]), error))
    return {name: np.array(rows) for name, rows in results.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=integer(100), default=20_000, help="values in the series")
    parser.add_argument("--orders", type=integer(1), nargs="+", default=[10, 20, 50, 100, 200, 500])
    parser.add_argument("--turns", type=integer(1), default=3, help="turns of each method; the fastest counts")
    args = parser.parse_args()
    if 4 * max(args.orders) > args.length:
        parser.error(
            f"--orders: {max(args.orders)} lags need {4 * max(args.orders):,} values; --length is {args.length:,}."
        )
    results, half = measure(args.orders, args.length, args.turns), len(args.orders) // 2
    print(f"N = {args.length:,}; seconds (sTPE) for p =")
    print(f"{'':26}" + "".join(f"{p:>16,}" for p in args.orders) + f"{'exponent':>10}")
    for name, rows in results.items():
        slope = np.polyfit(np.log(args.orders[half:]), np.log(rows[half:, 0]), 1)[0]
        print(f"{name:26}" + "".join(f"{f'{s:.4f} ({e:.1f})':>16}" for s, e in rows) + f"{slope:10.2f}")


if __name__ == "__main__":
    run_command(main)
