"""Nats and bits: one nat is log₂ e ≈ 1.4427 bits."""

import math

from jaxtyping import Array, ArrayLike, Float

from course_lib.validation import as_floats, whole_number


def nats_to_bits(nats: ArrayLike) -> Float[Array, "..."]:
    """The same amount of information in bits: nats / ln 2."""
    return as_floats(nats, "nats") / math.log(2)


def bits_per_dim(nats: ArrayLike, num_dims: int) -> Float[Array, "..."]:
    """Bits per dimension, −ln p(x) / (d ln 2).

    `nats` is the negative log-likelihood of a whole example, d > 0 the number of its pixels or other entries.
    """
    whole_number(num_dims, "num_dims")
    return nats_to_bits(nats) / num_dims
