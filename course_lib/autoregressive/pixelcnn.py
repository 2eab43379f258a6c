"""PixelCNN: the conditionals of all pixels by one convolutional network that looks up and to the left."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int

from course_lib.autoregressive.image_sampling import draw_with_caches
from course_lib.autoregressive.model import BITS, Autoregressive
from course_lib.autoregressive.sampling import Choose
from course_lib.distributions import Distribution
from course_lib.networks import Fixed, causal_convolution, convolution_mask, fan_in_normal, linear, zeros
from course_lib.validation import events, whole_number

FIRST_RADIUS, RADIUS = 3, 1  # kernels of 7 × 7 pixels in the first layer, of 3 × 3 features in the others


def gate(a: Float[Array, "*batch double"]) -> Float[Array, "*batch channels"]:
    """tanh(a_1) ⊙ σ(a_2), a_1 and a_2 the two halves of the channels: what to say, and how loudly.

    Source: van den Oord et al. 2016 (arXiv:1606.05328), eq. 2. Taught in: 02b_pixelcnn, "The gated block"
    """
    content, volume = jnp.split(a, 2, axis=-1)
    return jnp.tanh(content) * jax.nn.sigmoid(volume)


def _kernel(rngs: nnx.Rngs, *shape: int) -> nnx.Param:
    return nnx.Param(fan_in_normal(rngs.params(), shape))


class MaskedLayer(nnx.Module):
    """One stack: h ← h + U gate(h * (K ⊙ M) + bias), M the mask of type A (first layer, no residual) or B."""

    def __init__(self, inputs: int, channels: int, first: bool, radius: int, dilation: int, rngs: nnx.Rngs) -> None:
        self.first, self.radius, self.dilation = first, radius, dilation
        self.kernel = _kernel(rngs, 2 * radius + 1, 2 * radius + 1, inputs, 2 * channels)
        self.mask = Fixed(jnp.asarray(convolution_mask(radius, "A" if first else "B"), float)[:, :, None, None])
        self.out = linear(channels, channels, rngs)

    def __call__(self, stacks: tuple[Array, ...], bias: Float[Array, "_ _ _ _"]) -> tuple[Array, ...]:
        """Stacks and bias as in `TwoStackLayer`; here there is one stack, which takes the bias's first half."""
        h = stacks[0]
        anchor = (self.radius, self.radius)
        a = causal_convolution(h, self.kernel[...] * self.mask[...], anchor, self.dilation)
        new = self.out(gate(a + jnp.split(bias, 2, axis=-1)[0]))
        return (new if self.first else h + new,)


class TwoStackLayer(nnx.Module):
    """A vertical stack v that sees all rows above, and a horizontal stack h that adds the pixels to the left.

    a = v * K_v + bias_v,  v ← gate(a),  h ← h + U gate(h * K_h + L a + bias_h). The kernels hold no entry that a mask
    would remove: K_v ends with the row of the pixel (in the first layer with the row above), K_h with the pixel
    itself (in the first layer with its left neighbour).

    Source: van den Oord et al. 2016 (arXiv:1606.05328), sec. 2.2 and fig. 2.
    """

    def __init__(self, inputs: int, channels: int, first: bool, radius: int, dilation: int, rngs: nnx.Rngs) -> None:
        self.first, self.radius, self.dilation = first, radius, dilation
        own = 0 if first else 1
        self.vertical = _kernel(rngs, radius + own, 2 * radius + 1, inputs, 2 * channels)
        self.horizontal = _kernel(rngs, 1, radius + own, inputs, 2 * channels)
        self.link = linear(2 * channels, 2 * channels, rngs)
        self.out = linear(channels, channels, rngs)

    def look_up(self, v: Array, bias: Array) -> tuple[Array, Array]:
        """The new vertical stack, and what the horizontal stack gets from it."""
        bias_v, bias_h = jnp.split(bias, 2, axis=-1)
        a = causal_convolution(v, self.vertical[...], (self.radius, self.radius), self.dilation) + bias_v
        return gate(a), self.link(a) + bias_h

    def look_left(self, h: Array, b: Array) -> Array:
        """The new horizontal stack, from the convolved one and what came from above."""
        return self.out(gate(b)) if self.first else h + self.out(gate(b))

    def __call__(self, stacks: tuple[Array, ...], bias: Float[Array, "_ _ _ _"]) -> tuple[Array, ...]:
        """Stacks (batch, h, w, channels); bias (batch or 1, h or 1, w or 1, 4 × channels) of both gates."""
        v, from_above = self.look_up(stacks[0], bias)
        b = causal_convolution(stacks[1], self.horizontal[...], (0, self.radius), self.dilation) + from_above
        return v, self.look_left(stacks[1], b)


class SingleStackPixelCNN(Autoregressive):
    """Masked convolutions in one stack, which leave a blind spot; samples take one full pass a pixel.

    Pixels are ordered row by row. All weights are shared by all places, but for one bias a place in the first layer.

    Args:
        image_shape: (h, w).
        num_channels: features a pixel in each stack.
        dilations: the distance between the pixels that a kernel looks at, one number for each layer after the first.
        likelihood: of a pixel, as in `Autoregressive`.
        num_classes: if given, every gate gets a bias for each class, and all methods need a label.
        first_radius: the first layer's kernel reaches that many pixels far.
    Raises: ValueError: a size or a dilation below 1.
    Source: van den Oord et al. 2016 (arXiv:1601.06759), sec. 3.4.

    Taught in: 02b_pixelcnn, "The receptive field, from gradients"
    """

    _layer: type = MaskedLayer
    num_stacks = 1

    def __init__(
        self,
        image_shape: Sequence[int],
        num_channels: int = 32,
        dilations: Sequence[int] = (1, 1, 1),
        *,
        likelihood: Distribution = BITS,
        num_classes: int | None = None,
        first_radius: int = FIRST_RADIUS,
        rngs: nnx.Rngs,
    ) -> None:
        for size in (*image_shape, num_channels, *dilations, first_radius, 1 if num_classes is None else num_classes):
            whole_number(size, "a size of the network")
        super().__init__(image_shape, likelihood, None, num_classes)
        build, more = type(self)._layer, [(num_channels, num_channels, False, RADIUS, d, rngs) for d in dilations]
        self.layers = nnx.List([build(*each) for each in [(1, num_channels, True, first_radius, 1, rngs), *more]])
        shapes = [self.image_shape] + [(1, 1)] * len(dilations)
        self.biases = nnx.List([nnx.Param(zeros(None, (1, *shape, 4 * num_channels))) for shape in shapes])
        if num_classes is not None:
            self.classes = nnx.List([nnx.Param(zeros(None, (num_classes, 4 * num_channels))) for _ in self.layers])
        self.hidden = linear(num_channels, num_channels, rngs)
        self.head = linear(num_channels, likelihood.num_parameters, rngs)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(h, w)."""
        return self.event_shape

    def layer_biases(self, label: Array | None) -> list[Array]:
        """The bias of each layer's gates, with that of the class."""
        biases = [bias[...] for bias in self.biases]
        if label is None:
            return biases
        return [b + c[label][:, None, None, :] for b, c in zip(biases, self.classes, strict=True)]

    def read_out(self, h: Array) -> Array:
        """The likelihood's parameters from the last layer's features."""
        return self.head(jax.nn.relu(self.hidden(jax.nn.relu(h))))

    def features(self, x: ArrayLike, label: ArrayLike | None = None) -> list[Float[Array, "n h w channels"]]:
        """What stands at every pixel after each layer, computed from the pixels before it; n images of any values."""
        x = events(x, self.image_shape, type(self).__name__)
        images = x.reshape(math.prod(x.shape[:-2]), *self.image_shape, 1)
        h = 2 * images - 1  # the padding, 0, is neither ink nor paper
        stacks, found = (h,) * self.num_stacks, []
        for layer, bias in zip(self.layers, self.layer_biases(self.labels(label, h.shape[:1])), strict=True):
            stacks = layer(stacks, bias)
            found.append(stacks[-1])
        return found

    def parameters(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event p"]:
        x = events(x, self.image_shape, type(self).__name__)
        batch = x.shape[:-2]
        labels = self.labels(label, batch)
        labels = None if labels is None else labels.reshape(math.prod(batch))
        numbers = self.read_out(self.features(x, labels)[-1])
        return numbers.reshape(*batch, *self.image_shape, self.likelihood.num_parameters)


class PixelCNN(SingleStackPixelCNN):
    """The gated PixelCNN: two stacks, no blind spot, and samples by a loop that computes only what is new.

    Args: as `SingleStackPixelCNN`.
    Source: van den Oord et al. 2016 (arXiv:1606.05328). Taught in: 02b_pixelcnn, "Two stacks"
    """

    _layer, num_stacks = TwoStackLayer, 2

    def draw(
        self, choose: Choose, order: Int[Array, " d"], num_samples: int, plan: Any, label: Int[Array, " n"] | None
    ) -> Float[Array, "n d"]:
        """The same images as one full pass a pixel would draw, from cached rows and pixels."""
        layers, biases = list(self.layers), self.layer_biases(label)
        images = draw_with_caches(layers, biases, self.read_out, choose, num_samples, self.image_shape)
        return images.reshape(num_samples, self.num_inputs)
