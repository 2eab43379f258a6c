"""Walking from digit to digit: the browser's network mixes exactly, and the distance drawn is the distance."""

import itertools

import numpy as np
import pytest

from course_lib.explorers.scenes.interpolation import STEPS, interpolation_explorer, mixing_weights
from tests.explorers.registry import random_layers

RNG = np.random.default_rng(0)
IMAGES, CODES = RNG.integers(0, 2, (4, 8, 8)).astype(float), RNG.normal(size=(4, 3))
CLOUD, LAYERS = RNG.normal(size=(200, 3)), random_layers(RNG, 3, 16, 64)


def relu(a):
    return np.maximum(a, 0)


@pytest.mark.parametrize("count", [2, 10])
def test_two_layers_of_minus_one_nought_and_one_pick_and_weigh(count):
    (first, bias, _), (second, offset, _) = mixing_weights(count)
    assert set(np.unique(first)) | set(np.unique(second)) == {-1.0, 0.0, 1.0}
    for a, b, t in itertools.product(range(count), range(count), (0.0, 0.3, 1.0)):
        expected = np.zeros(2 * count)
        expected[a], expected[count + b] = 1 - t, t
        mixed = relu(relu(np.array([a, b, t]) @ first + bias) @ second + offset)
        np.testing.assert_allclose(mixed, expected, atol=1e-12)


def test_what_is_shown_is_the_decoded_mix_beside_the_mixed_pixels():
    explorer = interpolation_explorer(LAYERS, IMAGES, CODES, "abcd", CLOUD, 1.0)
    for a, b, i in itertools.product(range(4), range(4), (0, 13, STEPS - 1)):
        t = i / (STEPS - 1)
        z = (1 - t) * CODES[a] + t * CODES[b]
        y = z
        for kernel, bias, activation in LAYERS:
            y = y @ kernel + bias
            y = y / (1 + np.exp(-y)) if activation == "silu" else 1 / (1 + np.exp(-y))
        shown = explorer.shown(a=a, b=b, t=t)
        np.testing.assert_allclose(shown["codes_mixed"].ravel(), y, atol=1e-5)
        np.testing.assert_allclose(shown["pixels_mixed"], (1 - t) * IMAGES[a] + t * IMAGES[b], atol=1e-6)
        distance = np.linalg.norm(CLOUD - z, axis=1).min()
        assert shown["here"] == pytest.approx(distance, abs=2e-3)
        assert shown["distance"][i] == pytest.approx(distance, abs=2e-3)
        if a != b:  # negative control: the way back is not the way there
            assert abs(explorer.shown(a=b, b=a, t=t)["codes_mixed"].ravel() - y).max() > (0 if i == 20 else 1e-3)


def test_pictures_as_large_as_the_chapter_s_fit():
    rng = np.random.default_rng(1)
    images, codes = 1.0 * rng.integers(0, 2, (10, 28, 28)), rng.normal(size=(10, 16))
    layers = random_layers(rng, 16, 64, 128, 784)
    explorer = interpolation_explorer(layers, images, codes, "0123456789", rng.normal(size=(300, 16)), 2.0)
    assert len(explorer.data) < 250_000
    assert explorer.shown(a=0, b=1, t=0.5)["codes_mixed"].shape == (28, 28)
