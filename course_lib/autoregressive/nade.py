"""NADE: a small network for each conditional, all of them sharing their weights."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.model import BinaryAutoregressive
from course_lib.autoregressive.sampling import Request, choices, choose
from course_lib.validation import events, whole_number


def nade_step(a: Float[Array, "*batch hidden"], now: tuple) -> tuple[Array, Array]:
    """One step of `nade_logits`: from a_d and (x_{o_d}, W[o_d], V[:, o_d], b_{o_d}) to a_{d+1} and the logit."""
    x_d, w, v, b = now
    return a + jnp.tensordot(x_d, w, axes=0), jax.nn.sigmoid(a) @ v + b


def nade_logits(
    x: Float[Array, "*batch d"],
    kernel: Float[Array, "d hidden"],
    hidden_bias: Float[Array, " hidden"],
    output_kernel: Float[Array, "hidden d"],
    output_bias: Float[Array, " d"],
    ordering: Int[Array, " d"],
) -> Float[Array, "*batch d"]:
    """All conditionals in O(D·H), because the pre-activation a is carried along instead of summed anew.

    a_1 = c,  h_d = σ(a_d),  logit_{o_d} = b_{o_d} + h_d · V[:, o_d],  a_{d+1} = a_d + x_{o_d} W[o_d, :]

    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "NADE"
    """
    a_1 = jnp.broadcast_to(hidden_bias, (*x.shape[:-1], hidden_bias.size))
    weights = (kernel[ordering], output_kernel.T[ordering], output_bias[ordering])
    _, logits = jax.lax.scan(nade_step, a_1, (jnp.moveaxis(x[..., ordering], -1, 0), *weights))
    return jnp.moveaxis(logits, 0, -1)[..., jnp.argsort(ordering)]


class Nade(BinaryAutoregressive):
    """The neural autoregressive distribution estimator: `nade_logits` with its parameters.

    `log_prob` and a sample both cost O(D·H).

    Args: as `BinaryAutoregressive`, and num_hidden: number H of hidden units.
    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "NADE"
    """

    def __init__(
        self, num_inputs: int, num_hidden: int, *, ordering: ArrayLike | list | tuple | None = None, rngs: nnx.Rngs
    ) -> None:
        super().__init__(num_inputs, ordering)
        whole_number(num_hidden, "num_hidden")
        initial = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(initial(rngs.params(), (num_inputs, num_hidden)))
        self.hidden_bias = nnx.Param(jnp.zeros(num_hidden))
        self.output_kernel = nnx.Param(initial(rngs.params(), (num_hidden, num_inputs)))
        self.output_bias = nnx.Param(jnp.zeros(num_inputs))

    def conditional_logits(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch d"]:
        """Log-odds of each pixel being 1 given its predecessors, indexed by pixel; x may hold any real numbers."""
        x = events(x, (self.num_inputs,), "Nade")
        self.labels(label, x.shape[:-1])
        parameters = (self.kernel, self.hidden_bias, self.output_kernel, self.output_bias, self.ordering)
        return nade_logits(x, *(p[...] for p in parameters))

    def draw(self, key: Key[Array, ""], num_samples: int, plan: Any, request: Request) -> Float[Array, "n d"]:
        """The same recursion: a pixel is drawn from its conditional and added to the pre-activation."""

        def step(a, now):
            *weights, choice = now
            _, logit = nade_step(a, (jnp.zeros(num_samples), *weights))
            x_d = choose(logit, choice, request.temperature)
            return nade_step(a, (x_d, *weights))[0], x_d

        order = self.ordering[...]
        a_1 = jnp.broadcast_to(self.hidden_bias[...], (num_samples, self.hidden_bias.size))
        weights = (self.kernel[order], self.output_kernel.T[order], self.output_bias[order])
        _, x = jax.lax.scan(step, a_1, (*weights, choices(key, order, request)))
        return x.T[:, jnp.argsort(order)]
