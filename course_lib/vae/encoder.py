"""The encoder of a variational auto-encoder: from an input to a Gaussian over codes."""

from collections.abc import Sequence
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from course_lib.networks import dense, linear


class GaussianEncoder(nnx.Module):
    """q(z|x) = N(μ(x), diag σ(x)²): a network with two linear heads, one for μ and one for ln σ.

    Without hidden layers both are affine in x, which holds the exact posterior of a linear-Gaussian model.

    Source: Kingma & Welling, arXiv:1312.6114, appendix C.2.
    Taught in: 05_variational_autoencoder, "The variational auto-encoder".
    """

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_latents: int, *, rngs: nnx.Rngs):
        sizes = [num_inputs, *hidden_sizes]
        self.hidden: Any = dense(sizes, rngs, activate_last=True)
        self.mean = linear(sizes[-1], num_latents, rngs)
        self.log_sigma = linear(sizes[-1], num_latents, rngs)

    def __call__(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k"]]:
        """(μ, ln σ) of q(z|x)."""
        hidden = self.hidden(x)
        return self.mean(hidden), self.log_sigma(hidden)
