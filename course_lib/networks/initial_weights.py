"""The weights that a network starts with. numpy draws them: no program is compiled for each shape of a kernel.

Where the model itself is built inside of `jit` or `eval_shape`, there are no numbers yet, and JAX draws.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from course_lib.validation import is_concrete


def fan_in_normal(key: Key[Array, ""], shape: Sequence[int], *_: object) -> Float[Array, "..."]:
    """Normal weights of mean 0 and variance 1 / fan-in: inputs of variance 1 give outputs of variance 1.

    Args: shape: (…, inputs, outputs); the fan-in is the product of all axes but the last.
    Source: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998, §4.6.
    """
    dtype = jax.dtypes.canonicalize_dtype(float)
    if not is_concrete(key):
        return jax.random.normal(key, tuple(shape), dtype) / np.prod(shape[:-1]) ** 0.5
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return jax.device_put(np.asarray(rng.normal(size=shape) / np.prod(shape[:-1]) ** 0.5, dtype))


def zeros(_key: Key[Array, ""] | None, shape: Sequence[int], *_: object) -> Float[Array, "..."]:
    """Nothing at all: where a layer starts as the identity, and for every bias."""
    return jax.device_put(np.zeros(shape, jax.dtypes.canonicalize_dtype(float)))
