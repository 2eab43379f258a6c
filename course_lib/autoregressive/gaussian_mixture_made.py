"""MADE for real numbers: every conditional is a mixture of normal distributions."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.autoregressive.made import MaskedNetwork
from course_lib.autoregressive.masks import made_degrees
from course_lib.autoregressive.model import Fixed
from course_lib.autoregressive.sampling import largest_groups
from course_lib.probability import normal_log_prob
from course_lib.validation import as_floats, events, require_finite, require_permutation, whole_number


class GaussianMixtureMade(nnx.Module):
    """p(x_{o_d} | x_{o_{<d}}) = Σ_k π_k N(x_{o_d}; μ_k, σ_k²), with ln π_k, μ_k and ln σ_k from a `MaskedNetwork`.

    Args: num_inputs: dimension D; hidden_sizes, ordering, mask_key, direct: as `Made`; num_components: number of
        normal distributions in each conditional (1: the Gaussian MADE that flows are made of).
    Raises: ValueError: a size below 1, an ordering that is no permutation.
    Source: Papamakarios et al. 2017 (arXiv:1705.07057), sec. 2.2 and 4 (MADE MoG).
    """

    def __init__(
        self, num_inputs: int, hidden_sizes: Sequence[int], num_components: int = 5, *,
        ordering: ArrayLike | list | tuple | None = None, mask_key: Key[Array, ""] | None = None, direct: bool = False,
        rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        whole_number(num_inputs, "num_inputs")
        whole_number(num_components, "num_components")
        order = np.arange(num_inputs) if ordering is None else np.asarray(ordering)
        self.num_inputs, self.num_components = num_inputs, num_components
        self.ordering = Fixed(jnp.asarray(require_permutation(order, num_inputs)))
        degrees = made_degrees(order, hidden_sizes, mask_key)
        self.network = MaskedNetwork(degrees, 3 * num_components, direct=direct, rngs=rngs)
        # Components that start in the same place would stay together.
        spread = (
            jnp.zeros((num_inputs, 3, num_components))
            .at[:, 1]
            .set(jax.random.normal(rngs.params(), (num_inputs, num_components)) * (num_components > 1))
        )
        self.network.layers[-1].bias[...] = spread.ravel()

    def components(self, x: ArrayLike) -> tuple[Float[Array, "*batch d k"], ...]:
        """(ln π, μ, ln σ) of every conditional, given the predecessors in x."""
        x = events(x, (self.num_inputs,), "GaussianMixtureMade")
        outputs = self.network(x)
        scores, mean, log_sigma = jnp.moveaxis(outputs.reshape(*x.shape, 3, self.num_components), -2, 0)
        return jax.nn.log_softmax(scores, axis=-1), mean, log_sigma

    def log_prob(self, x: ArrayLike) -> Float[Array, "*batch"]:
        """Log-density in nats: Σ_d logsumexp_k (ln π_k + ln N(x_d; μ_k, σ_k²)). Raises: ValueError: shape, NaN."""
        x = as_floats(x)
        log_weight, mean, log_sigma = self.components(x)
        require_finite(x)
        log_p = log_weight + normal_log_prob(x[..., None], mean, log_sigma)
        return jax.nn.logsumexp(log_p, axis=-1).sum(axis=-1)

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...] = ()) -> Float[Array, "*shape d"]:
        """Independent samples, one dimension after the other; every hidden unit is computed once."""
        groups = largest_groups([m[...] for m in self.network.degrees])
        x = _compiled_draw(*nnx.split(self.network), key, int(np.prod(shape)), groups)
        return x.reshape(*shape, self.num_inputs)


def pick_component(outputs: Float[Array, "outputs n"], now: tuple) -> Float[Array, " n"]:
    """x = μ_k + σ_k ε, with k the component whose part of [0, 1] holds the uniform number."""
    uniform, noise = now
    scores, mean, log_sigma = jnp.split(outputs, 3)
    ends = jnp.cumsum(jax.nn.softmax(scores, axis=0), axis=0)[:-1]
    k = (ends <= jnp.broadcast_to(uniform, ends.shape)).sum(axis=0, keepdims=True)
    mean, log_sigma = (jnp.take_along_axis(a, k, axis=0)[0] for a in (mean, log_sigma))
    return mean + jnp.exp(log_sigma) * noise


@partial(jax.jit, static_argnums=(0, 3, 4))
def _compiled_draw(graphdef, state, key, num_samples, groups):
    network = nnx.merge(graphdef, state)
    (uniform_key, noise_key), shape = jax.random.split(key), (network.degrees[0].size, num_samples)
    steps = jax.random.uniform(uniform_key, shape), jax.random.normal(noise_key, shape)
    return network.sample(groups, pick_component, steps, num_samples, None)
