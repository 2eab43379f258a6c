"""Losses of a reconstruction: summed over pixels, averaged over the batch."""

import jax
from jaxtyping import Array, ArrayLike, Float

from course_lib.autoencoders.simple import Autoencoder
from course_lib.probability import bernoulli_log_prob
from course_lib.validation import as_floats, require_binary


def cross_entropy_loss(model: Autoencoder, batch: ArrayLike, key: Array | None = None) -> Float[Array, ""]:
    """−Σ_i [x_i log x̂_i + (1 − x_i) log(1 − x̂_i)] = −log P(x | x̂), in nats an image; `key` is not used.

    Raises: ValueError for grey levels, which have no Bernoulli probability and whose least loss is not 0: binarize
        them first. TypeError for a model whose x̂ is no probability (LinearAutoencoder).
    Numerics: computed from logits, so finite where log x̂ would be −∞.
    """
    if model.output is not jax.nn.sigmoid:
        raise TypeError(f"{type(model).__name__} gives no probabilities; use squared_error_loss.")
    batch = as_floats(batch, "the batch")
    require_binary(batch, "the batch")
    return -bernoulli_log_prob(batch, model.decode_logits(model.encode(batch))).sum(-1).mean()


def squared_error_loss(model: Autoencoder, batch: ArrayLike, key: Array | None = None) -> Float[Array, ""]:
    """Σ_i (x̂_i − x_i)², for any data that the model takes; `key` is not used."""
    batch = as_floats(batch, "the batch")
    return ((model(batch) - batch) ** 2).sum(-1).mean()
