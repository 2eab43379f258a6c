"""Denoising: rebuild the clean input from a noisy one. The best denoiser follows the gradient of a log-density."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.autoencoders.deep import DeepAutoencoder
from course_lib.autoencoders.linear import identity
from course_lib.autoencoders.simple import Autoencoder
from course_lib.validation import as_floats, require_finite, require_positive


class DenoisingAutoencoder(DeepAutoencoder):
    """`DeepAutoencoder` for any real x, with nothing after its last layer: noise leaves [0, 1], and so may x̂.

    The code may be as long as the input or longer: where the input is noisy, copying it does not pay.

    Raises: ValueError for a wrong last axis, NaN or infinity.
    Source: Vincent et al. 2008, ICML, page 1096. Taught in: 04a_deep_autoencoders, "Denoising".
    """

    output, require_range = staticmethod(identity), staticmethod(require_finite)


def denoising_loss(sigma: float) -> Callable[[Autoencoder, ArrayLike, Key[Array, ""]], Float[Array, ""]]:
    """loss(model, x, key) = Σ_i (x̂_i(x + σε) − x_i)², averaged over the batch, with fresh ε ~ N(0, I) from `key`.

    Only the input is noisy; the target is clean. Over all functions the least loss is that of x̂(y) = E[x | y].

    Raises: ValueError for σ ≤ 0. Source: Vincent et al. 2008. Taught in: 04a_deep_autoencoders, "Denoising".
    """
    require_positive(sigma, "sigma")

    def loss(model, batch, key):
        clean = as_floats(batch, "the batch")
        noisy = clean + sigma * jax.random.normal(key, clean.shape)
        return ((model(noisy) - clean) ** 2).sum(-1).mean()

    return loss


def denoised_mean(
    noisy_log_prob: Callable[[Array], Array], y: Float[Array | np.ndarray, "*batch d"], sigma: float
) -> Float[Array, "*batch d"]:
    """E[x | y] = y + σ² ∇ ln p_σ(y) for y = x + σε: the best denoiser, from the density p_σ of the noisy points alone.

    Args: noisy_log_prob: ln p_σ of one point (d,), in nats; not the density of the clean points.
    Source: Miyasawa 1961; Robbins 1956, for Tweedie; Vincent 2011, Neural Computation 23:1661.
    Taught in: 04a_deep_autoencoders, "Where a denoiser points".
    """
    score = jnp.vectorize(jax.grad(noisy_log_prob), signature="(d)->(d)")
    return y + sigma**2 * score(y)
