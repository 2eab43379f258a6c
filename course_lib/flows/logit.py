"""The logit: numbers of the unit interval onto the whole line, where a flow with a normal base can meet them."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.validation import events, looks_at_values

_LOG_2 = float(np.log(2))


def _log_slope_of_sigmoid(z: Points) -> Points:
    """log σ(z)(1 − σ(z)), finite for every z."""
    return -jax.nn.softplus(z) - jax.nn.softplus(-z)


@looks_at_values
def _require_inside(x: np.ndarray, alpha: float) -> None:
    u = alpha + (1 - 2 * alpha) * x
    if u.size and not (u.min() > 0 and u.max() < 1):
        raise ValueError(
            f"x has values from {x.min():g} to {x.max():g}; with alpha={alpha:g} the logit needs values inside of "
            f"({-alpha / (1 - 2 * alpha):g}, {1 + alpha / (1 - 2 * alpha):g}). "
            "Divide grey levels by 256 after dequantization."
        )


class Logit(Bijection):
    """Data in the unit cube and logits, with the ends of the interval moved in by α.

    forward:  x = (σ(z) − α) / (1 − 2α),      log|det Dg| = Σ_i log σ(z_i)(1 − σ(z_i)) − d log(1 − 2α)
    inverse:  z = log u − log(1 − u),  u = α + (1 − 2α) x,  log|det Df| = −log|det Dg(z)|

    As the last map of a chain it makes a flow whose `log_prob` is a density of images with values in [0, 1].
    Args: num_dims d; alpha: 0 ≤ α < 1/2; α = 0 admits only 0 < x < 1. The MAF paper has 1e-6 (MNIST), 0.05 (CIFAR-10).
    Raises: ValueError: α out of range; inverse: an x whose u is not between 0 and 1.
    Numerics: float32 cannot tell σ(z) from 1 beyond z ≈ 17, so a large logit does not come back.
    Source: Dinh et al., arXiv:1605.08803, §4.1; Papamakarios et al., arXiv:1705.07057, §4.3.
    Taught in: 03a_masked_and_spline_flows, "Images: dequantization and logits".
    """

    def __init__(self, num_dims: int, alpha: float | int = 0.0):
        if not 0 <= alpha < 0.5:
            raise ValueError(f"alpha is {alpha}; expected 0 ≤ alpha < 0.5: each end moves in by less than the middle.")
        self.num_dims, self.alpha = num_dims, float(alpha)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "Logit")
        x = (jax.nn.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha)
        return x, (_log_slope_of_sigmoid(z) - jnp.log1p(-2 * self.alpha)).sum(axis=-1)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "Logit")
        u = self.alpha + (1 - 2 * self.alpha) * x
        _require_inside(x, self.alpha)
        z = jnp.log(u) - jnp.log1p(-u)
        return z, (jnp.log1p(-2 * self.alpha) - jnp.log(u) - jnp.log1p(-u)).sum(axis=-1)


def logit_bits_per_dim(
    log_prob: Float[Array, "*batch"], logits: Points, alpha: float | int, num_levels: int = 256
) -> Float[Array, "*batch"]:
    """Bits per pixel of grey levels, from a density of logits in nats.

    −[log p(z) − Σ_i log σ(z_i)(1 − σ(z_i)) + d log(1 − 2α) − d log K] / (d log 2)

    Args: log_prob: log p(z) in nats; logits: z of dequantized levels (k + u) / K, see `Logit`; num_levels: K.
    Source: Papamakarios et al., arXiv:1705.07057, appendix on bits per pixel.
    Taught in: 03a_masked_and_spline_flows, "Images: dequantization and logits".
    """
    d = logits.shape[-1]
    log_det = (jnp.log1p(-2 * alpha) - _log_slope_of_sigmoid(logits)).sum(axis=-1)
    return (d * jnp.log(num_levels) - log_prob - log_det) / (d * _LOG_2)
