"""NADE: a small network for each conditional, all of them sharing their weights."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int

from course_lib.autoregressive.model import BITS, Autoregressive
from course_lib.autoregressive.sampling import Choose
from course_lib.distributions import Distribution
from course_lib.networks import fan_in_normal, zeros
from course_lib.validation import events, whole_number


def nade_step(a: Float[Array, "*batch hidden"], now: tuple) -> tuple[Array, Array]:
    """One step of `nade_logits`: from a_d and (x_{o_d}, W_{o_d}, V_{o_d}, b_{o_d}) to a_{d+1} and the logit."""
    x_d, w, v, b = now
    return a + jnp.tensordot(x_d, w, axes=0), jax.nn.sigmoid(a) @ v + b


def nade_logits(
    x: Float[Array, "*batch d"],
    kernel: Float[Array, "d hidden"],
    hidden_bias: Float[Array, " hidden"],
    output_kernel: Float[Array, "d hidden *p"],
    output_bias: Float[Array, "d ..."],
    ordering: Int[Array, " d"],
) -> Float[Array, "..."]:
    """All conditionals in O(D·H), because the pre-activation a is carried along instead of summed anew.

    a_1 = c,  h_d = σ(a_d),  logit_{o_d} = b_{o_d} + h_d · V_{o_d},  a_{d+1} = a_d + x_{o_d} W_{o_d}

    Args: kernel: W; hidden_bias: c; output_kernel: V, and output_bias: b, of one logit a pixel, or of p numbers.
    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "NADE"
    """
    a_1 = jnp.broadcast_to(hidden_bias, (*x.shape[:-1], hidden_bias.size))
    weights = (kernel[ordering], output_kernel[ordering], output_bias[ordering])
    _, logits = jax.lax.scan(nade_step, a_1, (jnp.moveaxis(x[..., ordering], -1, 0), *weights))
    return jnp.moveaxis(logits[jnp.argsort(ordering)], 0, x.ndim - 1)


class Nade(Autoregressive):
    """The neural autoregressive distribution estimator: `nade_logits` with its parameters.

    `log_prob` and a sample both cost O(D·H).

    Args: num_inputs: D; num_hidden: number H of hidden units; likelihood, ordering: as `Autoregressive`.
    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "NADE"
    """

    def __init__(
        self,
        num_inputs: int,
        num_hidden: int,
        *,
        likelihood: Distribution = BITS,
        ordering: ArrayLike | list | tuple | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__((whole_number(num_inputs, "num_inputs"),), likelihood, ordering)
        whole_number(num_hidden, "num_hidden")
        numbers = likelihood.num_parameters
        output_kernel = fan_in_normal(rngs.params(), (num_hidden, num_inputs * numbers))
        self.kernel = nnx.Param(fan_in_normal(rngs.params(), (num_inputs, num_hidden)))
        self.hidden_bias = nnx.Param(zeros(None, (num_hidden,)))
        self.output_kernel = nnx.Param(output_kernel.reshape(num_hidden, num_inputs, numbers).swapaxes(0, 1))
        self.output_bias = nnx.Param(likelihood.start(rngs, self.event_shape))

    def parameters(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event p"]:
        x = events(x, self.event_shape, "Nade")
        self.labels(label, x.shape[:-1])
        kernels = (self.kernel[...], self.hidden_bias[...], self.output_kernel[...])
        return nade_logits(self.likelihood.as_input(x), *kernels, self._bias(x.ndim - 1), self.ordering[...])

    def _bias(self, batch_axes: int) -> Float[Array, "d *ones p"]:
        """The output bias of each variable, with axes for the batch."""
        return self.output_bias[...].reshape(self.num_inputs, *(1,) * batch_axes, self.likelihood.num_parameters)

    def draw(
        self, choose: Choose, order: Int[Array, " d"], num_samples: int, plan: Any, label: Int[Array, " n"] | None
    ) -> Float[Array, "n d"]:
        """The same recursion: a variable is drawn from its conditional and added to the pre-activation."""

        def step(a, now):
            t, *weights = now
            _, numbers = nade_step(a, (jnp.zeros(num_samples), *weights))
            x_t = choose(numbers, t)
            return nade_step(a, (self.likelihood.as_input(x_t), *weights))[0], x_t

        a_1 = jnp.broadcast_to(self.hidden_bias[...], (num_samples, self.hidden_bias.size))
        weights = (self.kernel[order], self.output_kernel[order], self._bias(1)[order])
        _, x = jax.lax.scan(step, a_1, (jnp.arange(self.num_inputs), *weights))
        return x.T[:, jnp.argsort(order)]
