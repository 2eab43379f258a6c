"""An auto-encoder with hidden layers between the input and the code."""

from collections.abc import Sequence
from itertools import pairwise

import jax
from flax import nnx

from course_lib.autoencoders.simple import Autoencoder


def mlp(sizes: Sequence[int], rngs: nnx.Rngs) -> nnx.Sequential:
    """Linear layers of these sizes, a SiLU between each two."""
    layers = [part for a, b in pairwise(sizes) for part in (nnx.Linear(a, b, rngs=rngs), jax.nn.silu)]
    return nnx.Sequential(*layers[:-1])


class DeepAutoencoder(Autoencoder):
    """x → hidden_sizes → h → reversed(hidden_sizes) → x̂, with a linear code h and σ at the end.

    Source: Hinton & Salakhutdinov 2006, Science 313:504. Taught in: 04_autoencoder, "A plane of digits".
    """

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_latents: int, *, rngs: nnx.Rngs):
        self.num_inputs, self.num_latents = num_inputs, num_latents
        self.encoder = mlp([num_inputs, *hidden_sizes, num_latents], rngs)
        self.decoder = mlp([num_latents, *reversed(hidden_sizes), num_inputs], rngs)
