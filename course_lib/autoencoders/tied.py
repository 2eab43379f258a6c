"""An auto-encoder whose decoder uses the encoder's matrices a second time, transposed."""

from collections.abc import Sequence
from itertools import pairwise

import jax
from flax import nnx

from course_lib.autoencoders.simple import Autoencoder
from course_lib.networks import linear, zeros


class TiedAutoencoder(Autoencoder):
    """h = W₂ᵀ s(W₁ᵀ x + b₁) + b₂, x̂ = σ(W₁ s(W₂ h + c₂) + c₁), with s = SiLU; likewise for any number of layers.

    The decoder has biases of its own and no matrix of its own: about half the parameters of `DeepAutoencoder`.

    Args: hidden_sizes: may be empty; then h = Wᵀ x + b, the tied form of `SimpleAutoencoder` with linear g.
    Raises: ValueError for a wrong last axis, NaN, or x outside [0, 1].
    Source: Vincent et al. 2010, JMLR 11:3371, section 2.1. Taught in: 04a_deep_autoencoders, "Tied weights".
    """

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_latents: int, *, rngs: nnx.Rngs):
        self.num_inputs, self.num_latents = num_inputs, num_latents
        sizes = list(pairwise([num_inputs, *hidden_sizes, num_latents]))
        self.layers = nnx.List([linear(a, b, rngs) for a, b in sizes])
        self.decoder_biases = nnx.List([nnx.Param(zeros(None, (a,))) for a, _ in sizes])

    def encoder(self, x):
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        return self.layers[-1](x)

    def decoder(self, h):
        for layer, bias in reversed(list(zip(self.layers, self.decoder_biases, strict=True))):
            a = h @ layer.kernel[...].T + bias[...].reshape((1,) * (h.ndim - 1) + (-1,))
            h = jax.nn.silu(a)
        return a  # pyright: ignore[reportPossiblyUnboundVariable] - there is a layer at least
