"""The affine coupling as chapter 3 writes it: a shift and a log-scale for every coordinate, 0 for the kept ones."""

import jax.numpy as jnp
import numpy as np


def shift_and_log_scale(layer, x):
    """b and s of a `Coupling` with an `AffineTransformer`, of the width of x."""
    numbers, moved = layer.parameters(x), np.flatnonzero(np.asarray(layer.mask) == 0)
    values = numbers[..., 0], layer.transformer.log_scale(numbers)
    return tuple(jnp.zeros_like(x).at[..., moved].set(value) for value in values)
