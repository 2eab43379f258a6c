"""A convolutional auto-encoder: one small layer slid over the image halves it, and another doubles it again."""

from collections.abc import Sequence

from flax import nnx

from course_lib.autoencoders.simple import Autoencoder
from course_lib.networks import Doubling, Halving, linear


class ConvolutionalAutoencoder(Autoencoder):
    """x → convolutions with stride 2 → linear → h → linear → transposed convolutions → x̂; SiLU between, σ at the end.

    Takes and gives images written as rows, as all auto-encoders here do.

    Args, raises: those of `Halving`; ValueError also for a wrong last axis, NaN, or x outside [0, 1].
    Source: Lippe 2022, Tutorial 9. Taught in: 04a_deep_autoencoders, "Convolutions".
    """

    def __init__(self, image_shape: tuple[int, int], channels: Sequence[int], num_latents: int, *, rngs: nnx.Rngs):
        self.num_inputs, self.num_latents = image_shape[0] * image_shape[1], num_latents
        self.down, self.up = Halving(image_shape, channels, rngs=rngs), Doubling(image_shape, channels, rngs=rngs)
        self.to_code = linear(self.down.num_features, num_latents, rngs)
        self.from_code = linear(num_latents, self.down.num_features, rngs)

    def encoder(self, x):
        return self.to_code(self.down(x))

    def decoder(self, h):
        return self.up(self.from_code(h))
