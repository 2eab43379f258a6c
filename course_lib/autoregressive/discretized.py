"""The conditional distribution of one pixel: ink or paper, or one of several grey levels.

Each is a function of the numbers that a network puts out for the pixel. Grey levels 0, …, L − 1 are stored as
x = level / (L − 1).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from course_lib.probability import bernoulli_log_prob, categorical_log_prob
from course_lib.validation import as_floats, looks_at_values, require_binary, require_finite, whole_number


@dataclass(frozen=True)
class Bernoulli:
    """Ink with probability σ(a): one number a for each pixel."""

    levels: int = 2

    @property
    def num_parameters(self) -> int:
        """How many numbers a pixel needs."""
        return 1

    def check(self, x: Float[Array, "*pixels"], name: str = "x") -> None:
        """Raises ValueError for values other than 0 and 1."""
        require_binary(x, name)

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*pixels p"]) -> Float[Array, "*pixels"]:
        """Log-probability of each pixel in nats. Raises: ValueError: values other than 0 and 1."""
        x = as_floats(x)
        self.check(x)
        return bernoulli_log_prob(x, parameters[..., 0])

    def level_log_probs(self, parameters: Float[Array, "*pixels p"]) -> Float[Array, "*pixels levels"]:
        """Log-probability of every level in nats."""
        return jax.nn.log_sigmoid(parameters * jnp.array([-1.0, 1.0]).reshape((1,) * (parameters.ndim - 1) + (2,)))


@dataclass(frozen=True)
class Categorical:
    """A logit for each of the L levels, softmax over them: any distribution, and no notion that levels are ordered.

    Source: van den Oord et al. 2016 (arXiv:1601.06759), sec. 3.5. Taught in: 02b_pixelcnn, "Grey levels"
    """

    levels: int

    def __post_init__(self) -> None:
        whole_number(self.levels, "levels", 2)

    @property
    def num_parameters(self) -> int:
        """How many numbers a pixel needs."""
        return self.levels

    def check(self, x: Float[Array, "*pixels"], name: str = "x") -> None:
        """Raises ValueError for values that are no level."""
        _require_levels(x, self.levels, name)

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*pixels p"]) -> Float[Array, "*pixels"]:
        """Log-probability of each pixel in nats. Raises: ValueError: values that are no level."""
        return categorical_log_prob(level_of(x, self.levels), parameters)

    def level_log_probs(self, parameters: Float[Array, "*pixels p"]) -> Float[Array, "*pixels levels"]:
        """Log-probability of every level in nats."""
        return jax.nn.log_softmax(parameters, axis=-1)


@dataclass(frozen=True)
class LogisticMixture:
    """K logistic densities, mixed, and cut into L levels: 3K numbers a pixel, however many levels there are.

    p(level) = Σ_k π_k [σ((v + δ − μ_k)/s_k) − σ((v − δ − μ_k)/s_k)] with v = 2x − 1 and δ = 1/(L − 1); the first and
    the last level get the tails, so that the levels sum to 1.

    Source: Salimans et al. 2017 (arXiv:1701.05517), sec. 2.1. Taught in: 02b_pixelcnn, "Grey levels"
    """

    levels: int
    components: int = 5

    def __post_init__(self) -> None:
        whole_number(self.levels, "levels", 2)
        whole_number(self.components, "components")

    @property
    def num_parameters(self) -> int:
        """How many numbers a pixel needs: K logits of π, K means, K log-scales."""
        return 3 * self.components

    def check(self, x: Float[Array, "*pixels"], name: str = "x") -> None:
        """Raises ValueError for values that are no level."""
        _require_levels(x, self.levels, name)

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*pixels p"]) -> Float[Array, "*pixels"]:
        """Log-probability of each pixel in nats. Raises: ValueError: values that are no level."""
        return discretized_logistic_mixture_log_prob(level_of(x, self.levels), parameters, self.levels)

    def level_log_probs(self, parameters: Float[Array, "*pixels p"]) -> Float[Array, "*pixels levels"]:
        """Log-probability of every level in nats."""
        each = jnp.broadcast_to(jnp.arange(self.levels), (*parameters.shape[:-1], self.levels))
        return discretized_logistic_mixture_log_prob(each, parameters[..., None, :], self.levels)


Likelihood = Bernoulli | Categorical | LogisticMixture


def discretized_logistic_mixture_log_prob(
    level: ArrayLike, parameters: Float[Array, "*pixels p"], levels: int
) -> Float[Array, "..."]:
    """log Σ_k π_k [σ(b_k) − σ(a_k)] in nats; see `LogisticMixture`. `parameters`: K logits, K means, K log-scales.

    Numerics: σ(b) − σ(a) = σ(b) σ(−a) (1 − e^{a−b}), each factor in log space, so nothing is lost far from the mean.
    Log-scales below −7 count as −7, as in the paper.
    """
    logits, mean, log_scale = jnp.split(parameters, 3, axis=-1)
    log_scale, level, half = jnp.maximum(log_scale, -7.0), jnp.asarray(level)[..., None], 1 / (levels - 1)
    centred = (2 * half * level - 1) - mean
    upper, lower = ((centred + side) * jnp.exp(-log_scale) for side in (half, -half))
    below_upper = jnp.where(level == levels - 1, 0.0, jax.nn.log_sigmoid(upper))
    above_lower = jnp.where(level == 0, 0.0, jax.nn.log_sigmoid(-lower))
    inner = (level > 0) & (level < levels - 1)
    overlap = jnp.where(inner, jnp.log(-jnp.expm1(-2 * half * jnp.exp(-log_scale))), 0.0)
    return jax.nn.logsumexp(jax.nn.log_softmax(logits, axis=-1) + below_upper + above_lower + overlap, axis=-1)


@looks_at_values
def _require_levels(x: np.ndarray, levels: int, name: str = "x") -> None:
    require_finite(x, name)
    off = np.abs(x * (levels - 1) - np.round(x * (levels - 1))) > 1e-3
    if x.size and (off.any() or x.min() < 0 or x.max() > 1):
        raise ValueError(
            f"{name} has values from {x.min():g} to {x.max():g}, {int(off.sum())} of them between two levels; expected "
            f"{levels} grey levels 0, 1/{levels - 1}, …, 1. Round {name}, or choose another number of levels."
        )


def level_of(x: ArrayLike, levels: int) -> Array:
    """The level 0, …, L − 1 of each grey value x = level / (L − 1). Raises: ValueError: values that are no level."""
    whole_number(levels, "levels", 2)
    x = as_floats(x)
    _require_levels(x, levels)
    return jnp.round(x * (levels - 1)).astype(int)
