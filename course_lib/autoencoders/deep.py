"""An auto-encoder with hidden layers between the input and the code."""

from collections.abc import Sequence

import jax
from flax import nnx

from course_lib.autoencoders.simple import Autoencoder
from course_lib.networks import dense


class DeepAutoencoder(Autoencoder):
    """x → hidden_sizes → h → reversed(hidden_sizes) → x̂, with SiLU between, a linear code h and σ at the end.

    Source: Hinton & Salakhutdinov 2006, Science 313:504. Taught in: 04_autoencoder, "A plane of digits".
    """

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_latents: int, *, rngs: nnx.Rngs):
        self.num_inputs, self.num_latents = num_inputs, num_latents
        options = {"activation": jax.nn.silu, "first_weights": nnx.initializers.lecun_normal()}
        self.encoder = dense([num_inputs, *hidden_sizes, num_latents], rngs, **options)
        self.decoder = dense([num_latents, *reversed(hidden_sizes), num_inputs], rngs, **options)
