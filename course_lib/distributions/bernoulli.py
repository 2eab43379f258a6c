"""Ink or paper."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from course_lib.distributions.discrete import Discrete
from course_lib.probability import bernoulli_log_prob
from course_lib.validation import as_floats, require_binary


@dataclass(frozen=True)
class Bernoulli(Discrete):
    """1 with probability σ(a), else 0: one number a, the log-odds.

    Taught in: 02_autoregressive, "From conditionals to pixels".
    """

    levels: int = 2

    @property
    def num_parameters(self) -> int:
        """One number a variable."""
        return 1

    def check(self, x: Float[Array, "..."], name: str = "x") -> None:
        """Raises: ValueError: values other than 0 and 1."""
        require_binary(x, name)

    def as_input(self, x: Array) -> Array:
        """x: ink is 1, and paper leaves every sum as it is."""
        return x

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """x ln σ(a) + (1 − x) ln σ(−a), in nats. Raises: ValueError: values other than 0 and 1."""
        x = as_floats(x)
        self.check(x)
        return bernoulli_log_prob(x, parameters[..., 0])

    def level_log_probs(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch levels"]:
        """Log-probability of 0 and of 1 in nats."""
        return jax.nn.log_sigmoid(jnp.concatenate([-parameters, parameters], axis=-1))

    def mean(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch"]:
        """σ(a)."""
        return jax.nn.sigmoid(parameters[..., 0])

    def draw(self, noise: Any, parameters: Float[Array, "*batch p"], temperature: Any = 1.0) -> Float[Array, "*batch"]:
        """1 where u < σ(a / temperature)."""
        return (noise < jax.nn.sigmoid(parameters[..., 0] / temperature)).astype(parameters.dtype)
