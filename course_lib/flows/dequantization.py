"""Dequantization: noise that fills the gap between whole grey levels, without which a density may grow to +∞ there."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key, Shaped

from course_lib.flows.bijection import Points
from course_lib.flows.flow import Flow
from course_lib.flows.logit import Logit
from course_lib.validation import as_floats, require_classes

Levels = Shaped[Array | np.ndarray, "*batch d"]


def dequantize(key: Key[Array, ""], levels: Levels, num_levels: int = 256) -> Points:
    """y = (k + u) / K with u uniform on [0, 1): each level becomes an interval, and y lies in [0, 1).

    E_u log p(y) − d log K ≤ log P(k): a density of y, scaled by the width of the intervals, bounds the probability.
    Args: levels: integers k in 0, …, K − 1; num_levels: K. Raises: ValueError: levels out of range or not integers.
    Source: Theis, van den Oord & Bethge, arXiv:1511.01844, §3.1.
    Taught in: 03a_masked_and_spline_flows, "Images: dequantization and logits".
    """
    require_classes(levels, num_levels, "levels")
    y = (as_floats(levels, "levels") + jax.random.uniform(key, np.shape(levels))) / num_levels
    return jnp.minimum(y, 1 - jnp.finfo(y.dtype).epsneg)  # 255 + u may round up to 256


class VariationalDequantizer(nnx.Module):
    """q(u | k): noise in the unit cube whose distribution is learned and depends on the image.

    u = σ(g(ε; k)), ε ~ N(0, I), g a conditional bijection with a context of d numbers.

    Args: noise: a flow in d dimensions with `num_context` = d; num_levels: K.
    Source: Ho et al., arXiv:1902.00275, §3.1.
    Taught in: 03a_masked_and_spline_flows, "Images: dequantization and logits".
    """

    def __init__(self, noise: Flow, num_levels: int = 256):
        self.noise, self.num_levels = noise, num_levels

    def sample(self, key: Key[Array, ""], levels: Levels) -> tuple[Points, Float[Array, "*batch"]]:
        """Noise u of the shape of `levels`, kept inside (0, 1) by rounding, and log q(u | k) in nats."""
        require_classes(levels, self.num_levels, "levels")
        k = as_floats(levels, "levels")
        base = jax.random.normal(key, k.shape)
        logits, log_det = self.noise.bijection.forward(base, 2 * k / (self.num_levels - 1) - 1)
        u, log_det_squash = Logit(k.shape[-1]).forward(logits)
        log_base = -0.5 * (base**2 + jnp.log(2 * jnp.pi)).sum(axis=-1)
        limits = jnp.finfo(u.dtype)  # σ rounds to 0 and 1 far out
        return jnp.clip(u, limits.tiny, 1 - limits.epsneg), log_base - log_det - log_det_squash


def dequantization_bound(
    model: Flow, dequantizer: VariationalDequantizer, key: Key[Array, ""], levels: Levels
) -> Float[Array, "*batch"]:
    """A lower bound on log P(k) in nats, with one draw of the noise for each image; not a log-probability.

    log P(k) = log ∫ p(k + u) du ≥ E_q[log p(k + u) − log q(u | k)],  p(k + u) = K^{−d} p_y((k + u) / K)

    Args: model: a density of y in the unit cube, such as a flow that ends in `Logit`.
    Numerics: y is kept below 1 by rounding.
    Source: Ho et al., arXiv:1902.00275, eq. 3. Taught in: as `VariationalDequantizer`.
    """
    u, log_q = dequantizer.sample(key, levels)
    y = (as_floats(levels, "levels") + u) / dequantizer.num_levels
    eps = jnp.finfo(y.dtype).epsneg
    log_p = model.log_prob(jnp.clip(y, eps, 1 - eps))
    return log_p - y.shape[-1] * jnp.log(dequantizer.num_levels) - log_q
