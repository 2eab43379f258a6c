"""One network for every ordering: orderless NADE, and training that is agnostic of the ordering."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.model import BITS, Autoregressive
from course_lib.autoregressive.sampling import Choose
from course_lib.compiled import compiled
from course_lib.distributions import Distribution
from course_lib.networks import dense
from course_lib.validation import events, is_concrete, require_permutation, whole_number


class OrderlessNade(Autoregressive):
    """A network that predicts any pixel from any set of observed ones; with several hidden layers, DeepNADE.

    a = c + (x ⊙ m) W + m U,  h_1 = relu(a),  h_l = relu(b_l + h_{l−1} W_l),  numbers = b + h_L V

    Here m = 1 for the observed pixels. An ordering makes it a density: pixel o_d is predicted with m = 1 on o_{<d}. The
    first layer is carried along, which costs O(D H_1) in all; the layers above it are computed anew for each pixel.

    Args: num_inputs: D; hidden_sizes: width of each layer, at least one; likelihood, ordering: as `Autoregressive`.
    Raises: ValueError: no hidden layer, a width below 1.
    Source: Uria et al. 2014 (arXiv:1310.1757); Uria et al. 2016 (arXiv:1605.02226), sec. 4–5.
    Taught in: 02_autoregressive, "An ensemble over orderings"
    """

    completes_any_subset = True

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        *,
        likelihood: Distribution = BITS,
        ordering: ArrayLike | list | tuple | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__((whole_number(num_inputs, "num_inputs"),), likelihood, ordering)
        if not hidden_sizes:
            raise ValueError(
                "hidden_sizes is empty; an orderless NADE needs at least one hidden layer, such as (500,)."
            )
        for width in hidden_sizes:
            whole_number(width, "a hidden size")
        numbers = likelihood.num_parameters
        self.network: Any = dense([2 * num_inputs, *hidden_sizes, num_inputs * numbers], rngs)
        self.network.layers[-1].bias[...] = likelihood.start(rngs, self.event_shape).ravel()

    def from_observed(
        self, x: Float[Array, "*batch d"], observed: Float[Array, "*batch d"]
    ) -> Float[Array, "*batch d p"]:
        """The numbers of every pixel given the observed ones (1; 0 for the others, whose values do not matter)."""
        shown = self.likelihood.as_input(x) * observed
        numbers = self.network(jnp.concatenate([shown, observed], axis=-1))
        return numbers.reshape(*x.shape, self.likelihood.num_parameters)

    def _in_order(self, order: Int[Array, " d"], num_rows: int, pick: Callable) -> tuple[Array, Array]:
        """Carry a along the ordering; x_d = pick(numbers, d). Values (d, n) and numbers (d, n, p)."""
        first, *above, last = self.network.layers
        from_values, from_mask = jnp.split(first.kernel[...], 2)
        output_kernel = last.kernel[...].reshape(-1, self.num_inputs, self.likelihood.num_parameters)
        output_bias = last.bias[...].reshape(self.num_inputs, self.likelihood.num_parameters)

        def step(a, now):
            t, w, u, v, b = now
            h = a
            for part in above:
                h = part(h)
            numbers = h @ v + jnp.broadcast_to(b, (num_rows, b.size))
            x_t = pick(numbers, t)
            return a + jnp.tensordot(self.likelihood.as_input(x_t), w, axes=0) + jnp.broadcast_to(u, a.shape), (
                x_t,
                numbers,
            )

        weights = (from_values[order], from_mask[order], output_kernel.swapaxes(0, 1)[order], output_bias[order])
        a_1 = jnp.broadcast_to(first.bias[...], (num_rows, first.bias.size))
        return jax.lax.scan(step, a_1, (jnp.arange(self.num_inputs), *weights))[1]

    def parameters(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event p"]:
        """The numbers of each pixel given its predecessors in the model's ordering, indexed by pixel."""
        x = events(x, self.event_shape, "OrderlessNade")
        self.labels(label, x.shape[:-1])
        return _parameters(self, x.reshape(-1, self.num_inputs)).reshape(*x.shape, self.likelihood.num_parameters)

    def order_for(self, known: Float[Array, " d"]) -> Int[Array, " d"]:
        """The known pixels first, whichever they are; then the others in the model's ordering."""
        return known_first(self.ordering[...], known)

    def draw(
        self, choose: Choose, order: Int[Array, " d"], num_samples: int, plan: Any, label: Int[Array, " n"] | None
    ) -> Float[Array, "n d"]:
        """One loop over the pixels, with a carried along."""
        x, _ = self._in_order(order, num_samples, choose)
        return x.T[:, jnp.argsort(order)]

    def with_ordering(self, ordering: ArrayLike | list | tuple) -> "OrderlessNade":
        """The same parameters, read in another ordering."""
        member = nnx.clone(self)
        traced = isinstance(ordering, Array) and not is_concrete(ordering)
        order = ordering if traced else require_permutation(np.asarray(ordering), self.num_inputs)
        member.ordering[...] = jnp.asarray(order)
        return member

    def redrawn(self, key: Key[Array, ""]) -> "OrderlessNade":
        """`with_ordering` for an ordering drawn from the key."""
        return self.with_ordering(jax.random.permutation(key, self.num_inputs))


@compiled
def _parameters(model: OrderlessNade, rows: Float[Array, "n d"]) -> Float[Array, "n d p"]:
    order = model.ordering[...]
    in_order = rows.T[order]
    _, numbers = model._in_order(order, len(rows), lambda _, t: in_order[t])
    return numbers[jnp.argsort(order)].swapaxes(0, 1)


def known_first(ordering: Int[Array, " d"], known: ArrayLike) -> Int[Array, " d"]:
    """The known pixels, then the others, both in the sequence of the ordering."""
    return ordering[jnp.argsort(jnp.asarray(known)[ordering] <= 0, stable=True)]


def orderless_loss(model: OrderlessNade, batch: ArrayLike, key: Key[Array, ""]) -> Float[Array, ""]:
    """An unbiased estimate of −log p(x) in nats, averaged over all orderings, from one pass for each example.

    d ~ uniform 0, …, D − 1;  O ~ uniform subset of d pixels;  loss = −D/(D − d) Σ_{i ∉ O} log p(x_i | x_O).

    Source: Uria et al. 2014 (arXiv:1310.1757), eq. 12. Taught in: 02_autoregressive, "An ensemble over orderings"
    """
    x, d = events(batch, model.event_shape, "OrderlessNade"), model.num_inputs
    model.likelihood.check(x)
    split_key, subset_key = jax.random.split(key)
    split = jax.random.randint(split_key, (*x.shape[:-1], 1), 0, d)
    u = jax.random.uniform(subset_key, x.shape)
    observed = (u < jnp.take_along_axis(jnp.sort(u, axis=-1), split, axis=-1)).astype(float)
    log_p = model.likelihood.log_prob(x, model.from_observed(x, observed)) * (1 - observed)
    return -(log_p.sum(axis=-1) * d / (1 - observed).sum(axis=-1)).mean()
