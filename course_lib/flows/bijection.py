"""The law that every flow layer obeys: invertible, with a known Jacobian determinant in each direction."""

from abc import abstractmethod

from flax import nnx
from jaxtyping import Array, Float

Points = Float[Array, "*batch d"]
MappedPoints = tuple[Points, Float[Array, "*batch"]]
Context = Float[Array, "*context_batch c"] | None


class Bijection(nnx.Module):
    """An invertible differentiable map g of R^d with inverse f = g⁻¹; `num_dims` is d.

    forward:  x = g(z),  log|det Dg(z)|     generative direction
    inverse:  z = f(x),  log|det Df(x)|     normalizing direction; log|det Df(g(z))| = −log|det Dg(z)|

    Each method returns the log-determinant of its own direction, one number for each point of the batch.
    A conditional bijection also reads a context of c numbers a point (or one for all); the others ignore it.
    Source: Kobyzev, Prince & Brubaker, arXiv:1908.09257, §2.1.
    Taught in: 03_normalizing_flow, "Two directions, many dimensions".
    """

    num_dims: int

    @abstractmethod
    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        """Base points z ↦ (x, log|det Dg(z)|). Raises ValueError for a wrong d."""

    @abstractmethod
    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        """Data points x ↦ (z, log|det Df(x)|). Raises ValueError for a wrong d."""
