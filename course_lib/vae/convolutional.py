"""A variational auto-encoder whose networks slide over the image."""

from collections.abc import Callable, Sequence
from typing import Any

from flax import nnx

from course_lib.networks import Doubling, Halving, linear
from course_lib.vae.encoder import GaussianEncoder
from course_lib.vae.vae import Vae


class ConvolutionalVae(Vae):
    """The `Vae` of another pair of networks: convolutions with stride 2 to μ and ln σ, transposed ones to p(x|z).

    Takes and gives images written as rows.

    Args: image_shape, channels: as for `course_lib.autoencoders.ConvolutionalAutoencoder`; options: those of `Vae`.
    Raises: ValueError for sides that cannot be halved so often, and what `Vae` raises.
    Source: Lippe 2022, Tutorial 9 (networks); Kingma & Welling 2013, arXiv:1312.6114 (bound).
    Taught in: 05a_the_bits_are_real, "Another network, a shorter file".
    """

    def __init__(
        self, image_shape: tuple[int, int], channels: Sequence[int], num_latents: int, *, rngs: nnx.Rngs, **options: Any
    ):
        height, width = self.image_shape = image_shape
        super().__init__(height * width, channels, num_latents, rngs=rngs, **options)

    def networks(
        self, hidden_sizes: Sequence[int], rngs: nnx.Rngs
    ) -> tuple[GaussianEncoder, Callable[[int], nnx.Module]]:
        down = Halving(self.image_shape, hidden_sizes, rngs=rngs)

        def build(outputs: int) -> nnx.Sequential:
            up = Doubling(self.image_shape, hidden_sizes, outputs // self.num_inputs, rngs=rngs)
            return nnx.Sequential(linear(self.num_latents, down.num_features, rngs), up)

        encoder = GaussianEncoder(down.num_features, [], self.num_latents, rngs=rngs)
        encoder.hidden = down
        return encoder, build
