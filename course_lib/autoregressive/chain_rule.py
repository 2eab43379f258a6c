"""The chain rule of probability for binary vectors, exact where a vector is short enough to enumerate."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from course_lib.probability import bernoulli_log_prob
from course_lib.validation import require_permutation


def enumerate_binary(n: int) -> Float[Array, "count {n}"]:
    """Every binary vector of length n: row i holds the binary digits of i, the most significant first.

    Raises: ValueError: n is not between 1 and 20 (2ⁿ rows must fit the memory).
    Taught in: 02_autoregressive, "The chain rule on real pixels"
    """
    if not 1 <= n <= 20:
        raise ValueError(f"n is {n}; all 2**n vectors can be listed for n from 1 to 20.")
    return jnp.asarray((np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1, float)


def chain_rule_log_prob(x: ArrayLike, logits: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
    """The sum of the log-conditionals: log p(x) = Σ_d log p(x_d | x_{<d}), p(x_d = 1 | x_{<d}) = σ(logits_d).

    Args: x: 0 or 1; logits: indexed by pixel, each computed from the pixel's predecessors alone.
    Returns: nats; a log-probability only if all logits respect one ordering.
    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "From conditionals to pixels"
    """
    return bernoulli_log_prob(x, logits).sum(axis=-1)


def exact_conditionals(joint: ArrayLike, ordering: ArrayLike) -> Float[Array, "count d"]:
    """Every conditional of a tabulated distribution of d bits: p(x_{o_t} | x_{o_{<t}}) = p(x_{o_{≤t}}) / p(x_{o_{<t}}).

    Args: joint: probabilities of the rows of `enumerate_binary(d)`; ordering: pixel o_t is the t-th to be predicted.
    Returns: column j of row i is the probability of bit j of vector i given its predecessors, so that a row's product
        is the joint. Where the predecessors have probability 0 it is 1/2: any value would do.
    Raises: ValueError: a joint whose length is no power of 2; an ordering that is no permutation.
    Taught in: 02_autoregressive, "The chain rule on real pixels"
    """
    joint = np.asarray(joint)
    d = joint.size.bit_length() - 1
    if d < 1 or joint.shape != (2**d,):
        raise ValueError(
            f"joint has shape {joint.shape}; expected (2**d,), one entry for each row of enumerate_binary."
        )
    order = require_permutation(np.asarray(ordering), d).tolist()
    table, columns = joint.reshape((2,) * d), [joint] * d
    for t, pixel in enumerate(order):
        past = table.sum(axis=tuple(order[t:]), keepdims=True)
        present = table.sum(axis=tuple(order[t + 1 :]), keepdims=True)
        conditional = np.where(past > 0, present / np.where(past > 0, past, 1.0), 0.5)
        columns[pixel] = np.broadcast_to(conditional, table.shape).ravel()
    return jnp.asarray(np.stack(columns, axis=1), float)


def ensemble_log_prob(log_probs: Float[Array | np.ndarray, "..."], axis: int = 0) -> Float[Array, "..."]:
    """Log-probability of an equal mixture of K models: log (1/K) Σ_k p_k(x) = logsumexp_k log p_k(x) − log K.

    Probabilities are averaged, never logits. Args: log_probs: nats, the models along `axis`.
    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 4. Taught in: 02_autoregressive, "An ensemble over orderings"
    """
    return jax.nn.logsumexp(log_probs, axis=axis) - jnp.log(log_probs.shape[axis])
