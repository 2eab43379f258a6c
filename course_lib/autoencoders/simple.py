"""The simplest auto-encoder, one layer each way, and the methods that all auto-encoders share."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float

from course_lib.compiled import compiled
from course_lib.networks import zeros
from course_lib.validation import events, require_finite, require_unit_interval


def simple_encoder(x: Float[Array, " d"], w: Float[Array, "k d"], b: Float[Array, " k"], g: Callable):
    """h = g(b + w x) for one input x."""
    return g(b + w @ x)


def simple_decoder_logits(h: Float[Array, " k"], v: Float[Array, "d k"], c: Float[Array, " d"]):
    """c + v h for one code h; x̂ is its sigmoid."""
    return c + v @ h


class Autoencoder(nnx.Module):
    """x̂ = σ(decoder(encoder(x))): a subclass sets `num_inputs`, `num_latents`, `encoder` and `decoder`.

    Raises: ValueError for a wrong last axis, NaN, or x outside [0, 1] (grey levels 0–255, say).
    """

    num_inputs: int
    num_latents: int
    encoder: Callable
    decoder: Callable
    output, require_range = staticmethod(jax.nn.sigmoid), staticmethod(require_unit_interval)

    def encode(self, x: ArrayLike) -> Float[Array, "*batch k"]:
        """The code h of x, where x has shape (*batch, num_inputs)."""
        x = events(x, (self.num_inputs,), type(self).__name__)
        self.require_range(x)
        return _encode(self, x)

    def decode_logits(self, h: ArrayLike) -> Float[Array, "*batch d"]:
        """The log-odds of x̂. A loss starts here, since σ rounds to 0 and 1 in float32."""
        h = events(h, (self.num_latents,), f"the decoder of {type(self).__name__}")
        require_finite(h, "the code")
        return _decode(self, h)

    def decode(self, h: ArrayLike) -> Float[Array, "*batch d"]:
        """x̂ = σ(decode_logits(h)): one probability of ink a pixel."""
        return self.output(self.decode_logits(h))

    def __call__(self, x: ArrayLike) -> Float[Array, "*batch d"]:
        """The reconstruction x̂ of x."""
        return self.decode(self.encode(x))


@compiled
def _encode(model: Autoencoder, x: Float[Array, "*batch d"]) -> Float[Array, "*batch k"]:
    return model.encoder(x)


@compiled
def _decode(model: Autoencoder, h: Float[Array, "*batch k"]) -> Float[Array, "*batch d"]:
    return model.decoder(h)


class SimpleAutoencoder(Autoencoder):
    """h = g(b + w x), x̂ = σ(c + v h); `g` acts elementwise and is σ unless given.

    Source: Germain et al. 2015, arXiv:1502.03509, section 2. Taught in: 04_autoencoder, "One layer each way".
    """

    def __init__(self, num_inputs: int, num_hidden: int, *, g: Callable = jax.nn.sigmoid, rngs: nnx.Rngs):
        self.num_inputs, self.num_latents, self.g = num_inputs, num_hidden, g
        w = jax.random.normal(rngs.params(), (num_hidden, num_inputs)) / num_inputs**0.5
        v = jax.random.normal(rngs.params(), (num_inputs, num_hidden)) / num_hidden**0.5
        self.w, self.b = nnx.Param(w), nnx.Param(zeros(None, (num_hidden,)))
        self.v, self.c = nnx.Param(v), nnx.Param(zeros(None, (num_inputs,)))

    def encoder(self, x):
        return jnp.vectorize(lambda x: simple_encoder(x, self.w[...], self.b[...], self.g), signature="(d)->(k)")(x)

    def decoder(self, h):
        return jnp.vectorize(lambda h: simple_decoder_logits(h, self.v[...], self.c[...]), signature="(k)->(d)")(h)
