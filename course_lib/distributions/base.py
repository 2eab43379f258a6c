"""What one variable is, once a network has put out its numbers: the contract that all distributions keep."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key


@dataclass(frozen=True)
class Distribution:
    """A family of distributions of one variable; P numbers, from a network, choose the member.

    It holds settings (how many levels, say) and no weights, so that any model can take any of them. In the methods
    x has any shape, and `parameters` has one axis more: the P numbers of each variable.

    Taught in: 06_one_yardstick, "One law for a pixel".
    """

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """P: how many numbers one variable needs."""

    @abstractmethod
    def check(self, x: Float[Array, "..."], name: str = "x") -> None:
        """Raises: ValueError: values that the variable cannot have."""

    @abstractmethod
    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """The log-probability of a discrete variable, the log-density of a continuous one, in nats."""

    @abstractmethod
    def mean(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch"]:
        """The expectation of the variable."""

    @abstractmethod
    def noise(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Any:
        """The random numbers of `shape` draws: arrays of that shape."""

    @abstractmethod
    def draw(self, noise: Any, parameters: Float[Array, "*batch p"], temperature: Any = 1.0) -> Float[Array, "*batch"]:
        """A draw from p^(1/temperature), normalized, as a function of `noise` and of the parameters."""

    def sample(self, key: Key[Array, ""], parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch"]:
        """One draw for each variable."""
        return self.draw(self.noise(key, parameters.shape[:-1]), parameters)

    def as_input(self, x: Array) -> Array:
        """x as a network reads it: as it is, unless a distribution says otherwise."""
        return x

    def start(self, rngs: nnx.Rngs, shape: tuple[int, ...]) -> Float[Array, "*shape p"]:
        """Numbers to start a network's last bias with: 0, unless that would keep parts of a mixture together."""
        del rngs
        return jnp.zeros((*shape, self.num_parameters))


def require_distribution(likelihood: Any, kind: type[Distribution] = Distribution) -> Any:
    """The likelihood, if it is one. Raises: ValueError: anything else, such as a name or a class."""
    if not isinstance(likelihood, kind):
        what = "discrete distribution" if kind is not Distribution else "distribution"
        raise ValueError(
            f"likelihood is {likelihood!r}; expected a {what} of course_lib.distributions, such as Bernoulli()."
        )
    return likelihood
