"""Samples of a PixelCNN, pixel by pixel, by a loop that computes each feature once."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from course_lib.autoregressive.sampling import Choose


def draw_with_caches(
    layers: Sequence[Any],
    biases: Sequence[Array],
    read_out: Callable[[Array], Array],
    choose: Choose,
    num_samples: int,
    image_shape: tuple[int, ...],
) -> Float[Array, "n h w"]:
    """For each row the vertical stacks, once; then for each of its pixels one feature in every horizontal stack.

    A layer keeps the last rows that its vertical kernel looks at and the last pixels that its horizontal kernel looks
    at. So a sample costs about as much as one pass over the image, not one for each of its h·w pixels.

    Args: layers, biases, read_out: of a `PixelCNN`; choose: from the numbers (n, p) of pixel t, counted row by row,
        and t, to its n values. Taught in: 02b_pixelcnn, "Sampling without waste"
    """
    n, (height, width), first = num_samples, image_shape, layers[0]
    channels = [layer.vertical.shape[2] for layer in layers]
    reach = [layer.radius * layer.dilation for layer in layers]
    rows = [jnp.zeros((n, r + 1, width, c)) for r, c in zip(reach, channels, strict=True)]
    lefts = [jnp.zeros((n, r + (layer is not first), c)) for r, c, layer in zip(reach, channels, layers, strict=True)]

    def push(kept: Array, new: Array) -> Array:
        return jnp.concatenate([kept[:, 1:], new[:, None]], axis=1)

    def draw_row(rows: list[Array], i: Array) -> tuple[list[Array], Array]:
        v, kept, links = jnp.zeros((n, width, 1)), [], []  # row i itself is not drawn yet; no kernel looks at it
        for layer, bias, above in zip(layers, biases, rows, strict=True):
            kept.append(push(above, v))
            here = jax.lax.dynamic_slice_in_dim(bias, jnp.minimum(i, bias.shape[1] - 1), 1, axis=1)
            v, link = (out[:, -1] for out in layer.look_up(kept[-1], here))
            links.append(jnp.moveaxis(link, 1, 0))

        def draw_column(lefts: list[Array], now: tuple) -> tuple[list[Array], Array]:
            (j, links), h, kept = now, lefts[0][:, -1], [lefts[0]]
            for layer, left, link in zip(layers, lefts, links, strict=True):
                if layer is not first:
                    kept.append(push(left, h))
                kernel = layer.horizontal[...].reshape(-1, layer.horizontal.shape[-1])
                b = kept[-1][:, :: layer.dilation].reshape(n, len(kernel)) @ kernel + link
                h = layer.look_left(h, b)
            x = choose(read_out(h), i * width + j)
            return [push(kept[0], 2 * x[:, None] - 1), *kept[1:]], x

        _, row = jax.lax.scan(draw_column, lefts, (jnp.arange(width), links))
        kept[0] = kept[0].at[:, -1].set(2 * row.T[:, :, None] - 1)
        return kept, row.T

    return jnp.moveaxis(jax.lax.scan(draw_row, rows, jnp.arange(height))[1], 0, 1)
