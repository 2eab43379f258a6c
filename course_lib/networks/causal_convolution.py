"""Convolutions that look back only: the masks of types A and B, and kernels that hold nothing to be masked."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def convolution_mask(radius: int, kind: Literal["A", "B"]) -> Float[np.ndarray, "size size"]:
    """1 where a kernel of side 2·radius + 1 may look: the rows above, and the row of the pixel left of it.

    Type A leaves the pixel itself out (first layer: it is what must be predicted), type B lets it in (later layers:
    there it stands for a feature that has not seen the pixel).

    Raises: KeyError: a kind other than A and B.
    Source: van den Oord et al. 2016 (arXiv:1601.06759), sec. 3.4. Taught in: 02b_pixelcnn, "Two masks"
    """
    size = 2 * radius + 1
    mask = np.arange(size * size) < size * size // 2 + {"A": 0, "B": 1}[kind]
    return mask.astype(float).reshape(size, size)


def causal_convolution(
    x: Float[Array, "batch h w inputs"],
    kernel: Float[Array, "rows columns inputs outputs"],
    anchor: tuple[int, int],
    dilation: int = 1,
) -> Float[Array, "batch h w outputs"]:
    """y[i, j] = Σ_{a,b} x[i + (a − a₀) δ, j + (b − b₀) δ] K[a, b]; outside of the image x is 0.

    Args: anchor: the entry (a₀, b₀) of the kernel that lies on the pixel itself, which may be one past its end;
        dilation: the distance δ between the pixels that a kernel looks at.
    Numerics: the gradient of the kernel is one matrix product an entry; XLA's own is three times slower on a CPU.
    Taught in: 02b_pixelcnn, "One set of weights for all pixels"
    """
    dtype = jnp.promote_types(x.dtype, kernel.dtype)
    return _convolution(x.astype(dtype), kernel.astype(dtype), anchor, dilation)


def _padding(kernel, anchor, dilation):
    sizes = zip(kernel.shape[:2], anchor, strict=True)
    return [(a * dilation, (size - 1 - a) * dilation) for size, a in sizes]


def _pad(x, padding):
    return jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*side, 0) for side in padding), (0, 0, 0)])


def _convolve(x, kernel, anchor, dilation):
    padding, axes = _padding(kernel, anchor, dilation), ("NHWC", "HWIO", "NHWC")
    # An anchor past the kernel's end crops the image. A convolution with negative padding would do so too, but on a CPU
    # XLA (jax 0.10) then reads from outside of the array if there is one output channel.
    cropped = _pad(x, [(min(low, 0), min(high, 0)) for low, high in padding])
    padding = [(max(low, 0), max(high, 0)) for low, high in padding]
    return jax.lax.conv_general_dilated(
        cropped, kernel, (1, 1), padding, rhs_dilation=(dilation, dilation), dimension_numbers=axes
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolution(x, kernel, anchor, dilation):
    return _convolve(x, kernel, anchor, dilation)


def _forward(x, kernel, anchor, dilation):
    return _convolve(x, kernel, anchor, dilation), (x, kernel)


def _backward(anchor, dilation, saved, dy):
    (x, kernel), (_, h, w, _) = saved, dy.shape
    size = kernel.shape[:2]
    opposite = (size[0] - 1 - anchor[0], size[1] - 1 - anchor[1])
    dx = _convolve(dy, jnp.swapaxes(kernel[::-1, ::-1], 2, 3), opposite, dilation)
    padded = _pad(x, _padding(kernel, anchor, dilation))
    rows, columns = ([dilation * a for a in range(n)] for n in size)
    seen = [[padded[:, i : i + h, j : j + w].reshape(-1, x.shape[-1]) for j in columns] for i in rows]
    targets = dy.reshape(-1, dy.shape[-1])
    return dx, jnp.stack([jnp.stack([part.T @ targets for part in row]) for row in seen])


_convolution.defvjp(_forward, _backward)
