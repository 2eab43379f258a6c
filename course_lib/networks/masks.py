"""MADE's masks: the connections that a network may keep so that each output sees its predecessors alone."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from course_lib.validation import require_permutation, whole_number


def made_degrees(
    ordering: ArrayLike, hidden_sizes: Sequence[int], key: Key[Array, ""] | None = None
) -> list[Int[np.ndarray, " _"]]:
    """The degree m of each unit, layer by layer: it may use the inputs that come m-th or earlier in the ordering.

    Inputs: m = position, 1…D. Hidden units: 1…D − 1, spread evenly, or drawn uniformly if there is a key. The first
    and the last unit of a hidden layer have degree 1 and D − 1, so that no unit lacks an input or an output. (A layer
    of one unit has degree D − 1: only the last output listens to it.)

    Raises: ValueError: an ordering that is no permutation, a width below 1.
    Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4. Taught in: 02_autoregressive, "MADE"
    """
    order = require_permutation(np.asarray(ordering), np.size(ordering))
    largest = max(len(order) - 1, 1)
    layers = [np.argsort(order) + 1]
    keys = [None] * len(hidden_sizes) if key is None else jax.random.split(key, len(hidden_sizes))
    for width, layer_key in zip(hidden_sizes, keys, strict=True):
        whole_number(width, "a hidden size")
        degrees = 1 + np.arange(width) * largest // width
        if layer_key is not None:
            degrees = np.sort(jax.random.randint(layer_key, (width,), 1, largest + 1))
        degrees[0], degrees[-1] = 1, largest
        layers.append(degrees)
    return layers


def made_masks(
    ordering: ArrayLike, hidden_sizes: Sequence[int], key: Key[Array, ""] | None = None
) -> list[Float[Array, "_ _"]]:
    """One mask of 0 and 1 for each layer, of the shape (in, out) of its kernel. Arguments as in `made_degrees`.

    Into a hidden layer: M[j, k] = 1 if m_k ≥ m_j. Into the outputs: M[j, d] = 1 if m_d > m_j.

    Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4, transposed. Taught in: 02_autoregressive, "MADE"
    """
    return masks_of_degrees(made_degrees(ordering, hidden_sizes, key))


def masks_of_degrees(degrees: Sequence[ArrayLike], direct: bool = False) -> list[Float[Array, "_ _"]]:
    """The masks of `made_masks` for the given degrees: those of the inputs (their positions 1…D), then layer by layer.

    Args: direct: the outputs also listen to the inputs, which come after the units of the last hidden layer.
    """
    layers = [m if isinstance(m, jax.Array) else np.asarray(m) for m in degrees]
    masks = [after[None, :] >= before[:, None] for before, after in pairwise(layers)]
    last = jnp.concatenate([layers[-1], layers[0]]) if direct and len(layers) > 1 else layers[-1]
    masks.append(layers[0][None, :] > last[:, None])
    return [jnp.asarray(mask.astype(jax.dtypes.canonicalize_dtype(float))) for mask in masks]


def allowed_dependencies(ordering: ArrayLike) -> Bool[np.ndarray, "d d"]:
    """Entry [i, j] is True if output j may depend on input i: if i comes before j in the ordering."""
    position = np.argsort(require_permutation(np.asarray(ordering), np.size(ordering)))
    return position[:, None] < position[None, :]


def is_autoregressive(masks: Sequence[ArrayLike], ordering: ArrayLike) -> bool:
    """True if the product of the masks has no path from an input to an output that is not later in the ordering."""
    paths = np.eye(np.size(ordering))
    for mask in masks:
        paths = np.minimum(paths @ np.asarray(mask), 1)
    return not paths[~allowed_dependencies(ordering)].any()
