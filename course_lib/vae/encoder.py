"""The encoder of a variational auto-encoder: from an input to a Gaussian over codes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from course_lib.initial_weights import linear


def hidden_layers(sizes: Sequence[int], rngs: nnx.Rngs) -> nnx.Sequential:
    """Linear layers of these sizes, each followed by ReLU; a single size gives the identity."""
    return nnx.Sequential(*[part for a, b in pairwise(sizes) for part in (linear(a, b, rngs), jax.nn.relu)])


class GaussianEncoder(nnx.Module):
    """q(z|x) = N(μ(x), diag σ(x)²): a network with two linear heads, one for μ and one for ln σ.

    Without hidden layers both are affine in x, which holds the exact posterior of a linear-Gaussian model.

    Source: Kingma & Welling, arXiv:1312.6114, appendix C.2.
    Taught in: 05_variational_autoencoder, "The variational auto-encoder".
    """

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_latents: int, *, rngs: nnx.Rngs):
        sizes = [num_inputs, *hidden_sizes]
        self.hidden: Any = hidden_layers(sizes, rngs)
        self.mean = linear(sizes[-1], num_latents, rngs)
        self.log_sigma = linear(sizes[-1], num_latents, rngs)

    def __call__(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k"]]:
        """(μ, ln σ) of q(z|x)."""
        hidden = self.hidden(x)
        return self.mean(hidden), self.log_sigma(hidden)
