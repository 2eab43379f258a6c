"""AR-Net: an autoregressive model of a time series as a network, trained by gradient steps, with sparse weights."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float

from course_lib.networks import dense
from course_lib.probability import normal_log_prob
from course_lib.validation import as_floats, events, require_finite, whole_number


def sparsity_penalty(
    weights: Float[Array, "..."], c1: float = 3.0, c2: float = 3.0, smoothing: float = 1e-3
) -> Float[Array, ""]:
    """R = (1/p) Σ_i [2 / (1 + exp(−c1 |θ_i|^{1/c2})) − 1]: steep at 0, nearly flat for large weights.

    Numerics: |θ|^{1/c2} has slope ∞ at 0, which one gradient step turns into NaN. |θ| is replaced by √(θ² + s²) with s
        the smoothing: the slope is 0 at 0 and bounded, and the value differs only where |θ| is of the order of s.
    Source: Triebe et al. 2019 (arXiv:1911.12436). Taught in: 02a_time_series, "AR-Net"
    """
    magnitude = (weights**2 + smoothing**2) ** (0.5 / c2)
    return jnp.mean(2 / (1 + jnp.exp(-c1 * magnitude)) - 1)


def symmetric_total_percentage_error(estimated: ArrayLike | list, true: ArrayLike | list) -> float:
    """sTPE = 100 Σ|ŵ − w| / Σ(|ŵ| + |w|): 0 for equal coefficients, 100 at most.

    Source: Triebe et al. 2019 (arXiv:1911.12436). Taught in: 02a_time_series, "AR-Net"
    """
    a, b = np.asarray(estimated, float), np.asarray(true, float)
    return float(100 * np.abs(a - b).sum() / (np.abs(a) + np.abs(b)).sum())


class ArNet(nnx.Module):
    """T^t ~ N(f_θ(T^{t−1}, …, T^{t−p}), σ²) with f_θ a network; without hidden layers it is AR(p).

    The first p values have no density here: all log-probabilities are given them.

    Args: order: p; hidden_sizes: width of each hidden layer (tanh). Weights of a linear AR-Net start at 0.
    Source: Triebe et al. 2019 (arXiv:1911.12436). Taught in: 02a_time_series, "AR-Net"
    """

    def __init__(self, order: int, hidden_sizes: Sequence[int] = (), *, rngs: nnx.Rngs) -> None:
        for size in (order, *hidden_sizes):
            whole_number(size, "a size")
        self.order = order
        self.network: Any = dense([order, *hidden_sizes, 1], rngs, activation=jnp.tanh, start_at_zero=not hidden_sizes)
        self.log_sigma = nnx.Param(jnp.zeros(()))

    @property
    def first_weights(self) -> Float[Array, "p units"]:
        """The weights that touch the lags (lag 1 first): those that are made sparse; in a linear AR-Net, β."""
        return self.network.layers[0].kernel[...]

    def __call__(self, lags: ArrayLike) -> Float[Array, "*batch"]:
        """The mean of a value given the p before it, newest first, as `lag_matrix` lists them."""
        return self.network(events(lags, (self.order,), "ArNet", "lags"))[..., 0]

    def step_log_prob(self, lags: ArrayLike, target: ArrayLike) -> Float[Array, "*batch"]:
        """log p(T^t | T^{t−1}, …, T^{t−p}) of each target, in nats."""
        lags, target = as_floats(lags, "lags"), as_floats(target, "target")
        require_finite(lags, "lags")
        require_finite(target, "target")
        mean = self(lags)
        return normal_log_prob(target, mean, jnp.broadcast_to(self.log_sigma[...], mean.shape))


def ar_net_loss(
    model: ArNet, batch: tuple[ArrayLike, ArrayLike], key: Array | None, strength: float | Array = 0.0
) -> Float[Array, ""]:
    """−log p in nats a step, averaged over the batch (lags, targets), plus `strength` · R(first weights).

    The paper minimizes squared error + λ R, which is the same for strength = λ / 2σ². The key is not used.
    Source: Triebe et al. 2019 (arXiv:1911.12436). Taught in: 02a_time_series, "AR-Net"
    """
    lags, target = batch
    return -model.step_log_prob(lags, target).mean() + strength * sparsity_penalty(model.first_weights)
