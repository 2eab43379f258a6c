"""Variables of finitely many values: grey levels 0, …, L − 1, stored as x = level / (L − 1)."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.distributions.base import Distribution
from course_lib.validation import as_floats, looks_at_values, require_finite, whole_number


@looks_at_values
def require_levels(x: np.ndarray, levels: int, name: str = "x") -> None:
    """Every value is one of 0, 1/(L − 1), …, 1."""
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
    require_levels(x, levels)
    return jnp.round(x * (levels - 1)).astype(int)


@dataclass(frozen=True)
class Discrete(Distribution):
    """A `Distribution` of L levels. A subclass gives `level_log_probs`; a coder needs nothing else.

    Args: levels: L ≥ 2. Raises: ValueError: fewer.
    """

    levels: int

    def __post_init__(self) -> None:
        whole_number(self.levels, "levels", 2)

    @abstractmethod
    def level_log_probs(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch levels"]:
        """Log-probability of every level in nats."""

    def check(self, x: Float[Array, "..."], name: str = "x") -> None:
        """Raises: ValueError: values that are no level."""
        require_levels(x, self.levels, name)

    def as_input(self, x: Array) -> Array:
        """v = 2x − 1, from −1 to 1: a network learns faster from numbers that lie around 0."""
        return 2 * x - 1

    def mean(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch"]:
        """Σ_ℓ p(ℓ) ℓ / (L − 1)."""
        return jnp.exp(self.level_log_probs(parameters)) @ jnp.linspace(0, 1, self.levels)

    def noise(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Uniform numbers u in [0, 1)."""
        return jax.random.uniform(key, shape)

    def draw(self, noise: Any, parameters: Float[Array, "*batch p"], temperature: Any = 1.0) -> Float[Array, "*batch"]:
        """The level is the number of levels whose distribution function is at most u."""
        p = jax.nn.softmax(self.level_log_probs(parameters) / temperature, axis=-1)
        return (jnp.cumsum(p, axis=-1)[..., :-1] <= noise[..., None]).sum(axis=-1) / (self.levels - 1)
