"""What a set of labelled images is, and how it is cut into training, validation and test parts."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from course_lib.validation import as_floats, require_unit_interval


@dataclass(frozen=True)
class Split:
    """Images in [0, 1] (ink 1, paper 0) and the class of each."""

    images: Float[np.ndarray, "n h w"]
    labels: Int[np.ndarray, " n"]


@dataclass(frozen=True)
class ImageData:
    """A data set in the three parts that every chapter uses: fit on `train`, choose on `valid`, report on `test`."""

    name: str
    train: Split
    valid: Split
    test: Split


def stratified_split(
    images: Shaped[np.ndarray, "n h w"], labels: Shaped[np.ndarray, " n"], num_valid: int, num_test: int, seed: int
) -> tuple[Split, Split, Split]:
    """Shuffle, then cut so that each part holds the classes in the same proportions (to within one image).

    Every image has a rank within its class; ordering by rank / class size interleaves the classes evenly,
    so any stretch of that order is balanced.

    Returns:
        Training, validation and test part, disjoint, together all `n` images. The same seed gives the same parts.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for c in np.unique(labels):
        members = shuffled[labels[shuffled] == c]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    order = shuffled[np.argsort(place[shuffled], kind="stable")]
    test, valid, train = np.split(order, [num_test, num_test + num_valid])
    parts = (rng.permutation(part) for part in (train, valid, test))
    first, second, third = (Split(images[i].astype(np.float32), labels[i].astype(np.int32)) for i in parts)
    return first, second, third


def binarize(images: Float[Array | np.ndarray, "*shape"], key: Key[Array, ""] | None = None) -> Float[Array, "*shape"]:
    """Turn grey levels into 0 and 1.

    Without a key: 1 where the grey level exceeds 1/2. With a key: 1 with probability equal to the grey level,
    so that the mean over many draws is the grey image ("dynamic binarization").

    Args:
        images: grey levels in [0, 1].
        key: source of randomness; a fresh key gives a fresh binarization.
    Raises:
        ValueError: a value outside [0, 1], or NaN.
    Taught in: 02_autoregressive
    """
    levels = as_floats(images, "images")
    require_unit_interval(levels, "images")
    if key is None:
        return (levels > 0.5).astype(jnp.float32)
    return jax.random.bernoulli(key, levels).astype(jnp.float32)


def flatten(images: Shaped[Array | np.ndarray, "n h w"]) -> Shaped[Array | np.ndarray, "n d"]:
    """Write each image as one row of `h * w` pixels, top row first."""
    return images.reshape(len(images), -1)
