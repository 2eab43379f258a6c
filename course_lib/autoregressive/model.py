"""What all autoregressive models of binary vectors share: the chain rule, sampling in order, the loss."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.chain_rule import chain_rule_log_prob
from course_lib.validation import require_binary, require_event_shape, require_permutation, require_positive


class Fixed(nnx.Variable):
    """Numbers of a model that training leaves alone: masks, orderings."""


def sample_in_order(
    conditional_logits: Callable, ordering: Int[Array, " d"], key: Key[Array, ""], num_samples: int
) -> Float[Array, "{num_samples} d"]:
    """Ancestral sampling: x_{o_d} ~ Bernoulli(σ(logits_{o_d}(x_{o_{<d}}))) for d = 1, …, D.

    Args: conditional_logits: (n, d) values → (n, d) logits, indexed by pixel; pixels not drawn yet are 0.
    Taught in: 02_autoregressive, "Sampling in order"
    """

    def draw(x, step):
        pixel, step_key = step
        p = jax.nn.sigmoid(conditional_logits(x)[:, pixel])
        return x.at[:, pixel].set(jax.random.bernoulli(step_key, p).astype(float)), None

    steps = (ordering, jax.random.split(key, len(ordering)))
    x, _ = jax.lax.scan(draw, jnp.zeros((num_samples, len(ordering))), steps)
    return x


class BinaryAutoregressive(nnx.Module):
    """A subclass says how the conditionals are computed; the chain rule does the rest.

    Args: num_inputs: number D of pixels; ordering: pixel o_d is the d-th to be predicted (None: 0, …, D − 1).
    Raises: ValueError: a size below 1, an ordering that is no permutation.
    """

    def __init__(self, num_inputs: int, ordering: ArrayLike | list | tuple | None = None) -> None:
        require_positive(num_inputs, "num_inputs")
        order = np.arange(num_inputs) if ordering is None else np.asarray(ordering)
        self.num_inputs = num_inputs
        self.ordering = Fixed(jnp.asarray(require_permutation(order, num_inputs)))

    def conditional_logits(self, x: ArrayLike) -> Float[Array, "*batch d"]:
        """Log-odds of each pixel being 1 given its predecessors, indexed by pixel; x may hold any real numbers."""
        raise NotImplementedError

    def log_prob(self, x: ArrayLike) -> Float[Array, "*batch"]:
        """Log-probability in nats. Raises: ValueError: wrong number of pixels, or values other than 0 and 1."""
        require_event_shape(x, (self.num_inputs,), type(self).__name__)
        require_binary(x)
        return chain_rule_log_prob(x, self.conditional_logits(x))

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...] = ()) -> Float[Array, "*shape d"]:
        """Independent samples, drawn pixel by pixel in the model's ordering by one compiled loop."""
        return _compiled_draw(*nnx.split(self), key, int(np.prod(shape))).reshape(*shape, self.num_inputs)

    def draw(self, key: Key[Array, ""], num_samples: int) -> Float[Array, "{num_samples} d"]:
        """What `sample` compiles; a subclass that can do better than one full pass a pixel replaces it."""
        return sample_in_order(self.conditional_logits, self.ordering[...], key, num_samples)


@partial(jax.jit, static_argnums=(0, 3))
def _compiled_draw(graphdef, state, key, num_samples):
    return nnx.merge(graphdef, state).draw(key, num_samples)


def negative_log_likelihood(model: BinaryAutoregressive, batch: ArrayLike, key: Array | None) -> Float[Array, ""]:
    """The loss: −log p(x) in nats, summed over pixels, averaged over the batch. The key is not used."""
    return -model.log_prob(batch).mean()
