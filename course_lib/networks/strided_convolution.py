"""Convolutions with stride 2, and their transposes: an image of half, or of double, the sides."""

import math
from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from course_lib.networks.dense import linear

SIZE = 4  # the side of a patch: twice the stride, so that every pixel lies in four patches


def patches(x: Float[Array, "batch h w channels"]) -> Float[Array, "batch h//2 w//2 16*channels"]:
    """Entry [i, j, (a, b, c)] is x[2i + a − 1, 2j + b − 1, c], with a, b = 0 … 3 and x = 0 outside of the image.

    A layer applied to each patch is a convolution with stride 2: its kernel, reshaped, is K[a, b, c, output].

    Source: Dumoulin & Visin 2016 (arXiv:1603.07285), section 2. Taught in: 04a_deep_autoencoders, "Convolutions".
    """
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    cut = [x[:, a : a + height - 1 : 2, b : b + width - 1 : 2] for a, b in np.ndindex(SIZE, SIZE)]
    return jnp.concatenate(cut, axis=-1)


def overlap_add(p: Float[Array, "batch h w size"]) -> Float[Array, "batch 2*h 2*w size//16"]:
    """The transpose of `patches`, which is linear: each patch is written where it was cut, and overlaps add up.

    After a layer it makes a "transposed convolution". Σ p · patches(x) = Σ overlap_add(p) · x for all p and x.

    Source: Dumoulin & Visin 2016 (arXiv:1603.07285), section 4. Taught in: 04a_deep_autoencoders, "Convolutions".
    """
    batch, height, width, size = p.shape
    image = jax.ShapeDtypeStruct((batch, 2 * height, 2 * width, size // SIZE**2), p.dtype)
    return jax.linear_transpose(patches, image)(p)[0]


class Halving(nnx.Module):
    """Image, as a row → convolutions with stride 2, each followed by SiLU → features at the pixels of a coarse image.

    Args: image_shape: divisible by 2 for each entry of `channels`; channels: numbers at a pixel after each convolution.
    Raises: ValueError for sides that cannot be halved so often.
    Source: Lippe 2022, Tutorial 9. Taught in: 04a_deep_autoencoders, "Convolutions".
    """

    def __init__(self, image_shape: tuple[int, int], channels: Sequence[int], *, rngs: nnx.Rngs):
        (height, width), times = image_shape, 2 ** len(channels)
        if height % times or width % times:
            raise ValueError(
                f"image_shape is {image_shape}; {len(channels)} convolutions halve each side, so both must be "
                f"divisible by {times}. Pad the images or use fewer convolutions."
            )
        self.image_shape, self.num_features = tuple(image_shape), height * width * channels[-1] // times**2
        self.layers = nnx.List([linear(SIZE**2 * a, b, rngs) for a, b in pairwise([1, *channels])])

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch features"]:
        y = x.reshape(math.prod(x.shape[:-1]), *self.image_shape, 1)
        for layer in self.layers:
            y = jax.nn.silu(layer(patches(y)))
        return y.reshape(*x.shape[:-1], math.prod(y.shape[1:]))


class Doubling(nnx.Module):
    """The way back, from features as `Halving` gives: SiLU and a transposed convolution for each → image, as a row.

    Args: image_shape, channels: as for `Halving`; numbers: how many there are at each pixel of the image; in the row,
        those of one pixel are neighbours.
    """

    def __init__(self, image_shape: tuple[int, int], channels: Sequence[int], numbers: int = 1, *, rngs: nnx.Rngs):
        (height, width), times = image_shape, 2 ** len(channels)
        self.coarse = (height // times, width // times, channels[-1])
        self.layers = nnx.List(
            [linear(b, SIZE**2 * a, rngs) for a, b in reversed(list(pairwise([numbers, *channels])))]
        )

    def __call__(self, features: Float[Array, "*batch features"]) -> Float[Array, "*batch d"]:
        y = features.reshape(math.prod(features.shape[:-1]), *self.coarse)
        for layer in self.layers:
            y = overlap_add(layer(jax.nn.silu(y)))
        return y.reshape(*features.shape[:-1], math.prod(y.shape[1:]))
