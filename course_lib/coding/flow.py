"""Local bits back: a flow as a code for grey levels, its dequantization noise paid and given back."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from course_lib.coding.bits_back import BitsBackCode
from course_lib.coding.entropy_coder import stream
from course_lib.coding.gaussian_grid import GaussianGrid
from course_lib.compiled import compiled
from course_lib.flows import Flow
from course_lib.validation import require_finite, whole_number

LATENT = GaussianGrid(-8.0, 2.0**-13, 2**17)
CELLS, SIGMA = 2**16, 2.0**-13


@compiled
def _normalize(model: Flow, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """f(x), and the lower triangle L with L Lᵀ = J Jᵀ, J the Jacobian of f."""
    inverse = model.bijection.inverse
    r = jnp.linalg.qr(jax.jacfwd(lambda x: inverse(x)[0])(x).T, mode="r")
    factor = (r * jnp.where(jnp.diag(r) < 0, -1.0, 1.0)[:, None]).T
    return inverse(x)[0], factor + jnp.diag(jnp.maximum(1e-6 - jnp.diag(factor), 0.0))


@compiled
def _generate(model: Flow, z: jax.Array) -> jax.Array:
    return model.bijection.forward(z)[0]


class FlowCode(BitsBackCode):
    """`BitsBackCode` for a `Flow` of dequantized images y = (level + u) / levels, u uniform in [0, 1)^d.

    Two kinds of bits come back. u is popped with the uniform density: the code length of a level is then at most
    −E_u log₂ p(y) + d log₂ levels. And the flow is read as a latent-variable model with

        q(z|y) = N(f(y), σ² J Jᵀ),   p(y|z) = N(f⁻¹(z), σ² I),   p(z) = N(0, I),

    J the Jacobian of f at y. For small σ, log p(y|z) + log p(z) − log q(z|y) → log N(f(y); 0, I) + log|det J|, which is
    log p(y). So f need not be undone exactly: what its rounding loses, p(y|z) repairs. u and y lie on a grid of about
    2¹⁶ cells, σ = 2⁻¹³. The Jacobian makes it a code for small images: O(d²) memory and O(d³) time for each.

    Args: model: any `Flow`, trained on y; levels: grey levels of the images.
    Raises: ValueError: levels that are no whole number from 2 to 2¹⁵; from the methods: points that are not finite.
    Source: Ho, Lohn & Abbeel 2019 (arXiv:1905.08500), sec. 3.2.
    """

    kind = 2

    def __init__(self, model: Flow, levels: Any) -> None:
        levels = whole_number(levels, "levels", 2, CELLS // 2)
        self.model = model
        self.event_shape, self.levels, self.fine = (model.num_dims,), levels, CELLS // levels
        step = 1 / (levels * self.fine)
        self.grid = GaussianGrid(step / 2, step, levels * self.fine)
        self.clean_bits = 64 + 32 * model.num_dims
        self.prior = (np.zeros(model.num_dims), np.ones(model.num_dims))

    def walk(self, y: np.ndarray, symbol: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """q(z|y) one coordinate after the other, z_i given z_{<i}: the symbols of z, and mean and σ of each."""
        point = jnp.asarray(self.grid.points(y), jnp.float32)
        mean, factor = (np.array(a, float) for a in _normalize(self.model, point))
        require_finite(np.concatenate([mean, factor.ravel()]), "f(x) or its Jacobian")
        z = np.zeros(mean.size, np.int32)
        for i, width in enumerate(np.diag(factor)):
            z[i] = symbol(i, mean[i : i + 1], np.array([SIGMA * width]))
            mean[i + 1 :] += factor[i + 1 :, i] * ((LATENT.points(z[i]) - mean[i]) / width)
        return z, mean, SIGMA * np.diag(factor)

    def centre(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and σ of p(y|z)."""
        x = np.asarray(_generate(self.model, jnp.asarray(LATENT.points(z), jnp.float32)))
        require_finite(x, "the flow's image of z")
        return x, np.full(x.shape, SIGMA)

    def append(self, coder: Any, symbols: np.ndarray) -> int:
        y = symbols * self.fine + coder.decode(stream().model.Uniform(self.fine), len(symbols))
        z, _, _ = self.walk(y, lambda i, mean, sigma: LATENT.pop_near(coder, mean, sigma)[0])
        left = coder.num_valid_bits()
        self.grid.push(coder, y, *self.centre(z))
        LATENT.push(coder, z, *self.prior)
        return left

    def take(self, coder: Any) -> np.ndarray:
        z = LATENT.pop(coder, *self.prior)
        y = self.grid.pop(coder, *self.centre(z))
        LATENT.push_near(coder, *self.walk(y, lambda i, mean, sigma: z[i]))
        coder.encode_reverse(y % self.fine, stream().model.Uniform(self.fine))
        return y // self.fine
