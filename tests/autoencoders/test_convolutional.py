"""Patches and a small layer are a convolution; spread out again they are its transpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.signal import correlate2d

from course_lib.autoencoders import ConvolutionalAutoencoder
from course_lib.networks import overlap_add, patches
from tests.tolerances import FLOAT32

RNG = np.random.default_rng(0)
X, LAYER = RNG.normal(size=(2, 8, 12, 3)).astype(np.float32), RNG.normal(size=(48, 5)).astype(np.float32)
KERNEL = LAYER.reshape(4, 4, 3, 5)


def by_loop(x, kernel):
    batch, height, width, _ = x.shape
    y = np.zeros((batch, height // 2, width // 2, kernel.shape[-1]))
    for i, j, a, b in np.ndindex(height // 2, width // 2, 4, 4):
        row, column = 2 * i + a - 1, 2 * j + b - 1
        if 0 <= row < height and 0 <= column < width:
            y[:, i, j] += x[:, row, column] @ kernel[a, b]
    return y


def test_a_layer_on_patches_is_a_convolution_with_stride_2():
    ours = np.asarray(patches(jnp.asarray(X)) @ LAYER)
    np.testing.assert_allclose(ours, by_loop(X, KERNEL), rtol=1e-4, atol=1e-5)  # sums of 48 products
    padded = np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for n, c in np.ndindex(2, 5):
        full = sum(correlate2d(padded[n, :, :, k], KERNEL[:, :, k, c], mode="valid") for k in range(3))
        np.testing.assert_allclose(ours[n, :, :, c], full[::2, ::2], rtol=1e-4, atol=1e-5)


def test_a_flipped_kernel_is_noticed():
    """Negative control: what signal processing calls a convolution turns the kernel round."""
    ours = np.asarray(patches(jnp.asarray(X)) @ LAYER)
    assert abs(ours - by_loop(X, KERNEL[::-1, ::-1])).max() > 1


def test_it_is_the_convolution_of_jax():
    axes = ("NHWC", "HWIO", "NHWC")
    other = jax.lax.conv_general_dilated(jnp.asarray(X), KERNEL, (2, 2), [(1, 1)] * 2, dimension_numbers=axes)
    np.testing.assert_allclose(patches(jnp.asarray(X)) @ LAYER, other, rtol=1e-4, atol=1e-5)


def test_overlap_add_is_the_transpose_of_patches():
    p = RNG.normal(size=(2, 4, 6, 48)).astype(np.float32)
    there = np.sum(p * np.asarray(patches(jnp.asarray(X))), dtype=np.float64)
    back = np.sum(X * np.asarray(overlap_add(jnp.asarray(p))), dtype=np.float64)
    np.testing.assert_allclose(there, back, rtol=1e-4)
    shifted = np.sum(X * np.roll(overlap_add(jnp.asarray(p)), 1, axis=1), dtype=np.float64)
    assert abs(shifted - there) > 1e-2 * abs(there)  # negative control: one row off


def test_each_inner_pixel_lies_in_four_patches():
    times = np.asarray(overlap_add(patches(jnp.ones((1, 8, 8, 1)))))[0, :, :, 0]
    np.testing.assert_array_equal(times[1:-1, 1:-1], 4)
    assert times[0, 0] == 1


@pytest.mark.parametrize(("shape", "channels"), [((28, 28), (4, 6)), ((8, 16), (3, 2, 5)), ((6, 6), (2,))])
def test_shapes_and_parameters(shape, channels):
    model = ConvolutionalAutoencoder(shape, channels, 7, rngs=nnx.Rngs(0))
    x = RNG.uniform(size=(2, 3, shape[0] * shape[1])).astype(np.float32)
    assert model.encode(x).shape == (2, 3, 7)
    got = np.asarray(model(x))
    assert got.shape == x.shape
    np.testing.assert_allclose(got[1, 2], model(x[1, 2]), **FLOAT32)
    assert ((got > 0) & (got < 1)).all()
    widths, features = [1, *channels], shape[0] * shape[1] * channels[-1] // 4 ** len(channels)
    kernels = sum(16 * a * b for a, b in zip(widths, channels, strict=False))
    biases = sum(channels) + 16 * sum(widths[:-1])
    counted = sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))
    assert counted == 2 * kernels + biases + (features + 1) * 7 + (7 + 1) * features


def test_the_model_is_its_parts_in_order():
    model = ConvolutionalAutoencoder((8, 8), (2, 3), 4, rngs=nnx.Rngs(0))
    x = RNG.uniform(size=(5, 64)).astype(np.float32)

    def silu(a):
        return a / (1 + np.exp(-a))

    def weights(layer):
        return np.asarray(layer.kernel[...], np.float64), np.asarray(layer.bias[...], np.float64)

    y = x.reshape(5, 8, 8, 1).astype(np.float64)
    for layer in model.down.layers:
        kernel, bias = weights(layer)
        y = silu(by_loop(y, kernel.reshape(4, 4, y.shape[-1], -1)) + bias)
    kernel, bias = weights(model.to_code)
    np.testing.assert_allclose(model.encode(x), y.reshape(5, -1) @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"image_shape is \(28, 28\); 3 convolutions .* divisible by 8"):
        ConvolutionalAutoencoder((28, 28), (4, 4, 4), 2, rngs=nnx.Rngs(0))
    model = ConvolutionalAutoencoder((4, 4), (2,), 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="ConvolutionalAutoencoder was built for inputs of shape"):
        model(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="expected 0 to 1"):
        model(np.full(16, 200.0))
