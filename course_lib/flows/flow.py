"""A normalizing flow: a standard normal seen through a bijection."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key, Scalar

from course_lib.compiled import compiled
from course_lib.flows.bijection import Bijection, Context, Points
from course_lib.probability import standard_normal_log_prob
from course_lib.validation import as_floats, events, require_finite, whole_number


class Flow(nnx.Module):
    """The density of x = g(z), z ~ N(0, I): the pushforward of the standard normal under the bijection g.

    log p(x) = log N(f(x); 0, I) + log|det Df(x)|,  f = g⁻¹

    Args: num_dims d; bijection g of the same d.
    Raises: ValueError: the two dimensions differ.
    Source: Kobyzev et al., arXiv:1908.09257, eq. 1.
    Taught in: 03_normalizing_flow, "Two directions, many dimensions".
    """

    def __init__(self, num_dims: int, bijection: Bijection):
        if bijection.num_dims != num_dims:
            raise ValueError(
                f"the base has {num_dims} dimensions, the bijection {bijection.num_dims}: make them equal."
            )
        self.num_dims, self.bijection = num_dims, bijection

    def log_prob(self, x: Points | Float[np.ndarray, "*batch d"], context: Context = None) -> Float[Array, "*batch"]:
        """log p(x), or log p(x | context), in nats.

        Raises: ValueError: a wrong d, NaN or infinity in x or in the context.
        """
        x = events(x, (self.num_dims,), type(self).__name__)
        require_finite(x)
        context = _checked(context)
        return _log_prob(self.bijection, x, context)

    def sample(
        self, key: Key[Array, ""], shape: tuple[int, ...] = (), context: Context = None
    ) -> Float[Array, "*shape d"]:
        """Sample z, apply g: points of shape (*shape, d)."""
        sizes = tuple(whole_number(size, "an entry of shape", 0) for size in shape)
        return _sample(self.bijection, key, sizes, _checked(context))


def _checked(context: Context) -> Context:
    if context is None:
        return None
    context = as_floats(context, "context")
    require_finite(context, "context")
    return context


@compiled
def _log_prob(bijection: Bijection, x: Points, context: Context) -> Float[Array, "*batch"]:
    z, log_det = bijection.inverse(x, *(() if context is None else (context,)))
    return standard_normal_log_prob(z) + log_det


@compiled(static=("shape",))
def _sample(bijection: Bijection, key: Key[Array, ""], shape: tuple[int, ...], context: Context) -> Points:
    z = jax.random.normal(key, (*shape, bijection.num_dims))
    return bijection.forward(z, *(() if context is None else (context,)))[0]


def negative_log_likelihood(model: Flow, batch: Points, key: Key[Array, ""] | None = None) -> Scalar:
    """−(1/n) Σ log p(x) in nats: the loss for `course_lib.training.fit`. No randomness in it: `key` is unused."""
    return -jnp.mean(model.log_prob(batch))


def conditional_negative_log_likelihood(
    model: Flow, batch: tuple[Points, Array], key: Key[Array, ""] | None = None
) -> Scalar:
    """−(1/n) Σ log p(x | context) in nats for a batch (x, context): the loss of a conditional flow.

    Taught in: 03b_flows_for_inference, "One flow for every observation".
    """
    return -jnp.mean(model.log_prob(*batch))
