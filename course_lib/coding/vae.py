"""Bits back with a variational auto-encoder."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.coding.bits_back import BitsBackCode
from course_lib.coding.entropy_coder import stream
from course_lib.coding.gaussian_grid import GaussianGrid
from course_lib.vae import Vae
from course_lib.validation import require_finite

GRID = GaussianGrid(-8.0, 2.0**-9, 2**13)


@partial(jax.jit, static_argnums=0)
def _posterior(graphdef: Any, state: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    mean, log_sigma = nnx.merge(graphdef, state).encode(x)
    return mean, jnp.exp(log_sigma)


@partial(jax.jit, static_argnums=0)
def _ink(graphdef: Any, state: Any, z: jax.Array) -> jax.Array:
    return nnx.merge(graphdef, state).decode_mean(z)


class VaeCode(BitsBackCode):
    """`BitsBackCode` for a `Vae` with a Bernoulli likelihood: q(z|x) and p(z) on one grid of step 2⁻⁹ from −8 to 8.

    Raises: ValueError: another likelihood; from the methods: parameters that are not finite.
    Taught in: 05a_the_bits_are_real, "The whole file".
    """

    kind, levels = 1, 2

    def __init__(self, model: Vae) -> None:
        if model.likelihood != "bernoulli":
            raise ValueError(f"likelihood is {model.likelihood!r}; only a Vae with Bernoulli pixels can be a code.")
        self.graphdef, self.state = nnx.split(model)
        self.event_shape, self.num_latents = (model.num_inputs,), model.num_latents
        self.clean_bits = 64 + 16 * model.num_latents  # a cell of the grid: 13 bits, and a little for the tails
        self.prior = (np.zeros(model.num_latents), np.ones(model.num_latents))

    def posterior(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and σ of q(z|x)."""
        mean, sigma = map(np.asarray, _posterior(self.graphdef, self.state, jnp.asarray(symbols, jnp.float32)))
        require_finite(np.stack([mean, sigma]), "the encoder's mean and sigma")
        return mean, sigma

    def ink(self, z: np.ndarray) -> np.ndarray:
        """p(x_d = 1 | z) from the symbols of z."""
        p = np.asarray(_ink(self.graphdef, self.state, jnp.asarray(GRID.points(z), jnp.float32)))
        require_finite(p, "the decoder's probabilities")
        return p

    def append(self, coder: Any, symbols: np.ndarray) -> int:
        z = GRID.pop_near(coder, *self.posterior(symbols))
        left = coder.num_valid_bits()
        coder.encode_reverse(symbols, stream().model.Bernoulli(perfect=False), self.ink(z))
        GRID.push(coder, z, *self.prior)
        return left

    def take(self, coder: Any) -> np.ndarray:
        z = GRID.pop(coder, *self.prior)
        symbols = coder.decode(stream().model.Bernoulli(perfect=False), self.ink(z))
        GRID.push_near(coder, z, *self.posterior(symbols))
        return symbols
