"""DARN: hidden bits in front of the visible ones, trained on a description length."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.lax import stop_gradient
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.autoregressive.chain_rule import chain_rule_log_prob, enumerate_binary
from course_lib.autoregressive.made import Made
from course_lib.autoregressive.model import BITS
from course_lib.autoregressive.sampling import chooser, make_request
from course_lib.compiled import compiled
from course_lib.distributions import Distribution
from course_lib.networks import dense
from course_lib.probability import bernoulli_log_prob, elbo, iwae_bound
from course_lib.validation import events, require_binary, whole_number

Nats = Float[Array, "*batch"]


def antithetic_bits(
    key: Key[Array, ""], logits: Float[Array, "*shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Two draws of Bernoulli(σ(logits)) from one uniform u: h = 1 if u < σ, h̃ = 1 if 1 − u < σ.

    Each alone is a fair draw; together they disagree as often as they can.

    Source: Yin & Zhou 2019 (arXiv:1807.11143). Taught in: 02c_hidden_bits, "Bits that nobody sees"
    """
    u, p = jax.random.uniform(key, logits.shape), jax.nn.sigmoid(logits)
    return (u < p).astype(float), (1 - u < p).astype(float)


def disarm_slope(
    logits: Float[Array, "*batch k"],
    h: Float[Array, "*batch k"],
    mirror: Float[Array, "*batch k"],
    value: Nats,
    mirror_value: Nats,
) -> Float[Array, "*batch k"]:
    """Unbiased estimate of ∂ E[f(h)] / ∂ logits from f at a pair of `antithetic_bits`: the DisARM estimator.

    ĝ_j = ½ (f(h) − f(h̃)) (h_j − h̃_j) σ(|logit_j|)

    Args: h, mirror: the pair; value, mirror_value: f(h) and f(h̃), any real numbers.
    Source: Dong, Mnih & Tucker 2020 (arXiv:2006.10680), sec. 3, where (−1)^{h̃_j} 1[h_j ≠ h̃_j] is written for h_j − h̃_j.
    Taught in: 02c_hidden_bits, "Bits that nobody sees"
    """
    return 0.5 * (value - mirror_value)[..., None] * (h - mirror) * jax.nn.sigmoid(jnp.abs(logits))


class Darn(nnx.Module):
    """p(x) = Σ_h p(h) p(x|h) over K hidden bits h, with p(h) = Π_j p(h_j | h_{<j}), p(x|h) = Π_d p(x_d | x_{<d}, h).

    Both factors are one `Made` of the K + D variables (h, x), hidden bits first; without a hidden layer and for bits x
    all conditionals are logistic regressions, as in the paper. The encoder is q(h|x) = Π_j q(h_j|x), from a network
    with ReLU. The bound

        L(x) = E_q [log p(h) + log p(x|h) − log q(h|x)] = log p(x) − KL(q(h|x) ‖ p(h|x)) ≤ log p(x)

    is the negative of the description length of x, in nats.

    Args: num_inputs: D; num_latents: K; hidden_sizes: of the Made; encoder_sizes: hidden layers of the encoder;
        likelihood: of one x_d; of the numbers that the Made gives a hidden bit, the first is its logit.
    Raises: ValueError: a size below 1; from the methods: a wrong last axis, or values that the
        likelihood does not have.
    Source: Gregor et al. 2014 (arXiv:1310.8499), sec. 2–3. Taught in: 02c_hidden_bits, "Bits that nobody sees"
    """

    def __init__(
        self,
        num_inputs: int,
        num_latents: int,
        hidden_sizes: Sequence[int] = (),
        *,
        encoder_sizes: Sequence[int] = (),
        likelihood: Distribution = BITS,
        rngs: nnx.Rngs,
    ) -> None:
        sizes = {"num_inputs": num_inputs, "num_latents": num_latents}
        for name, value in [*sizes.items(), *(("an encoder size", size) for size in encoder_sizes)]:
            whole_number(value, name)
        self.num_inputs, self.num_latents = num_inputs, num_latents
        self.joint = Made(num_latents + num_inputs, hidden_sizes, likelihood=likelihood, rngs=rngs)
        self.likelihood = self.joint.likelihood
        self.encoder = dense([num_inputs, *encoder_sizes, num_latents], rngs)

    def encode(self, x: ArrayLike) -> Float[Array, "*batch k"]:
        """Logits of q(h_j = 1 | x)."""
        x = events(x, (self.num_inputs,), "Darn")
        self.likelihood.check(x)
        return self.encoder(self.likelihood.as_input(x))

    def log_prior_and_likelihood(self, h: ArrayLike, x: ArrayLike) -> tuple[Nats, Nats]:
        """(log p(h), log p(x|h)), from one pass; leading axes of h may stand before those of x."""
        h = events(h, (self.num_latents,), "the latent layer of Darn", "h")
        require_binary(h, "h")
        x, batch = events(x, (self.num_inputs,), "Darn"), h.shape[:-1]
        if x.shape[:-1] != batch[len(batch) - x.ndim + 1 :]:
            raise ValueError(f"x has batch axes {x.shape[:-1]}, h has {batch}; those of h must end with those of x.")
        x = jnp.broadcast_to(x, (*batch, self.num_inputs))
        numbers = self.joint.parameters(jnp.concatenate([h, x], axis=-1))
        of_h, of_x = numbers[..., : self.num_latents, :], numbers[..., self.num_latents :, :]
        return bernoulli_log_prob(h, of_h[..., 0]).sum(axis=-1), self.likelihood.log_prob(x, of_x).sum(axis=-1)

    def log_joint(self, h: ArrayLike, x: ArrayLike) -> Nats:
        """log p(h, x) = log p(h) + log p(x|h)."""
        log_prior, log_likelihood = self.log_prior_and_likelihood(h, x)
        return log_prior + log_likelihood

    def elbo(self, key: Key[Array, ""], x: ArrayLike, num_samples: int = 1) -> Nats:
        """Unbiased estimate of the bound L(x) from `num_samples` draws of h for each x."""
        return elbo(*self._draws(key, x, num_samples))

    def iwae(self, key: Key[Array, ""], x: ArrayLike, num_samples: int) -> Nats:
        """Importance-weighted bound: L(x) ≤ E iwae ≤ log p(x), and it reaches log p(x) as `num_samples` grows.

        Source: Burda et al. (arXiv:1509.00519), eq. 8. Taught in: 02c_hidden_bits, "What the bound leaves out"
        """
        return iwae_bound(*self._draws(key, x, num_samples))

    def _draws(self, key: Array, x: ArrayLike, num_samples: int) -> tuple[Array, Array]:
        """log p(h, x) and log q(h|x), (num_samples, *batch) each, one draw at a time to save memory."""
        whole_number(num_samples, "num_samples")
        return _draws(self, key, events(x, (self.num_inputs,), "Darn"), self.encode(x), num_samples)

    def log_joint_table(self, x: ArrayLike) -> Float[Array, "*batch count"]:
        """log p(h, x) for each of the 2ᴷ rows h of `enumerate_binary(K)`; a softmax of it is the posterior p(h|x)."""
        x = events(x, (self.num_inputs,), "Darn")
        self.likelihood.check(x)
        every_h = enumerate_binary(self.num_latents)
        return _table(self, every_h, x.reshape(-1, self.num_inputs)).reshape(*x.shape[:-1], len(every_h))

    def exact_log_prob(self, x: ArrayLike) -> Nats:
        """log p(x) = log Σ_h p(h, x) in nats, by enumeration of all h. Raises: ValueError: K > 20."""
        return jax.nn.logsumexp(self.log_joint_table(x), axis=-1)

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...] = ()) -> Float[Array, "*shape d"]:
        """Draw h bit by bit from p(h), then x variable by variable from p(x|h)."""
        request = make_request((self.joint.num_inputs,), shape, 1.0, None, None, BITS)
        return _draw(self, key, self.joint.plan(), request).reshape(*shape, self.num_inputs)


@compiled(static=("num_samples",))
def _draws(model: Darn, key: Key[Array, ""], x: Array, logits: Array, num_samples: int) -> tuple[Array, Array]:
    def draw(i: Array) -> tuple[Array, Array]:
        u = jax.random.uniform(jax.random.fold_in(key, i), logits.shape)
        h = (u < jax.nn.sigmoid(logits)).astype(float)
        return model.log_joint(h, x), chain_rule_log_prob(h, logits)

    return jax.lax.map(draw, jnp.arange(num_samples))


@compiled
def _table(model: Darn, every_h: Array, x: Array) -> Array:
    return jax.lax.map(lambda x: model.log_joint(every_h, x), x)


@compiled(static=("plan",))
def _draw(model: Darn, key: Key[Array, ""], plan: Any, request: Any) -> Float[Array, "n d"]:
    order, k = model.joint.ordering[...], model.num_latents
    h_key, x_key = jax.random.split(key)
    of_h, of_x = chooser(BITS, h_key, order, request), chooser(model.likelihood, x_key, order, request)
    choose = lambda numbers, t: jnp.where(t < k, of_h(numbers[:, :1], t), of_x(numbers, t))  # noqa: E731
    return model.joint.draw(choose, order, len(request.given), plan, None)[:, k:]


def description_length(
    model: Darn, batch: ArrayLike, key: Key[Array, ""], kl_weight: float | int = 1.0
) -> Float[Array, ""]:
    """−L(x) in nats from one antithetic pair of h for each x, averaged over the batch: the loss for `training.fit`.

    −f(h) = −log p(x|h) + w [log q(h|x) − log p(h)],  h ~ q(h|x).  Only w = 1 is the description length.

    Its gradient is unbiased, although no derivative passes through a bit: the Made's is that at the two draws; the
    encoder's is `disarm_slope`, entered as a term of value 0 (Σ_j ĝ_j logit_j minus itself, held constant).

    Args: kl_weight: w. A first round of training with w < 1 makes hidden bits cheap; without it the visible bits learn
        to predict each other first, and the hidden ones stay unused.
    Source: the warm-up is of Bowman et al. 2016 (arXiv:1511.06349). Taught in: 02c_hidden_bits, "Eight
        hidden bits for digits"
    """
    logits = model.encode(batch)

    def value(h: Array) -> Array:
        log_prior, log_likelihood = model.log_prior_and_likelihood(h, batch)
        return log_likelihood + kl_weight * (log_prior - chain_rule_log_prob(h, stop_gradient(logits)))

    h, mirror = antithetic_bits(key, logits)
    at_h, at_mirror = value(h), value(mirror)
    lever = (stop_gradient(disarm_slope(logits, h, mirror, at_h, at_mirror)) * logits).sum(axis=-1)
    return -((at_h + at_mirror) / 2 + lever - stop_gradient(lever)).mean()
