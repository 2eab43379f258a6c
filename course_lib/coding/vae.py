"""Bits back with a variational auto-encoder."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from course_lib.coding.bits_back import BitsBackCode
from course_lib.coding.entropy_coder import stream
from course_lib.coding.gaussian_grid import GaussianGrid
from course_lib.compiled import compiled
from course_lib.distributions import Discrete, require_distribution
from course_lib.vae import Vae
from course_lib.validation import require_finite

GRID = GaussianGrid(-8.0, 2.0**-9, 2**13)


@compiled
def _posterior(model: Vae, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    mean, log_sigma = model.encode(x)
    return mean, jnp.exp(log_sigma)


@compiled
def _probabilities(model: Vae, z: jax.Array) -> jax.Array:
    return jnp.exp(model.likelihood.level_log_probs(model.parameters(z)))


class VaeCode(BitsBackCode):
    """`BitsBackCode` for a `Vae` of levels: q(z|x) and p(z) on one grid of step 2⁻⁹ from −8 to 8.

    Raises: ValueError: real numbers in place of levels; a posterior that is no Gaussian; from the methods: parameters
        that are not finite.
    Taught in: 05a_the_bits_are_real, "The whole file".
    """

    kind = 1

    def __init__(self, model: Vae) -> None:
        if model.flow is not None:
            raise ValueError("a flow bends the posterior of this Vae; bits back needs the Gaussian of its encoder.")
        self.model, self.levels = model, require_distribution(model.likelihood, Discrete).levels
        self.event_shape, self.num_latents = (model.num_inputs,), model.num_latents
        self.clean_bits = 64 + 16 * model.num_latents  # a cell of the grid: 13 bits, and a little for the tails
        self.prior = (np.zeros(model.num_latents), np.ones(model.num_latents))

    def posterior(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and σ of q(z|x)."""
        x = jnp.asarray(symbols / (self.levels - 1), jnp.float32)
        mean, sigma = map(np.asarray, _posterior(self.model, x))
        require_finite(np.stack([mean, sigma]), "the encoder's mean and sigma")
        return mean, sigma

    def probabilities(self, z: np.ndarray) -> np.ndarray:
        """The probability (d, levels) of every level given the symbols of z."""
        p = np.asarray(_probabilities(self.model, jnp.asarray(GRID.points(z), jnp.float32)))
        require_finite(p, "the decoder's probabilities")
        return p

    def pixels(self, z: np.ndarray) -> tuple[Any, np.ndarray]:
        """What the coder needs to code the pixels given z: a family of models, and their parameters."""
        p = self.probabilities(z)
        if self.levels == 2:
            return stream().model.Bernoulli(perfect=False), p[:, 1].copy()
        return stream().model.Categorical(perfect=False), p

    def append(self, coder: Any, symbols: np.ndarray) -> int:
        z = GRID.pop_near(coder, *self.posterior(symbols))
        left = coder.num_valid_bits()
        coder.encode_reverse(symbols, *self.pixels(z))
        GRID.push(coder, z, *self.prior)
        return left

    def take(self, coder: Any) -> np.ndarray:
        z = GRID.pop(coder, *self.prior)
        symbols = coder.decode(*self.pixels(z))
        GRID.push_near(coder, z, *self.posterior(symbols))
        return symbols
