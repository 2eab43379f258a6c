"""Linear layers in a row: the network that all families use where nothing is masked and nothing is shared."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
from flax import nnx
from jaxtyping import Array

from course_lib.networks.initial_weights import fan_in_normal, zeros


def linear(inputs: int, outputs: int, rngs: nnx.Rngs, *, start_at_zero: bool = False) -> nnx.Linear:
    """x ↦ x W + b with W of `fan_in_normal` and b = 0; or with W = 0."""
    return nnx.Linear(
        inputs, outputs, kernel_init=zeros if start_at_zero else fan_in_normal, bias_init=zeros, rngs=rngs
    )


def dense(
    sizes: Sequence[int],
    rngs: nnx.Rngs,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    activate_last: bool = False,
    start_at_zero: bool = False,
) -> nnx.Sequential:
    """x ↦ a(… a(x W_1 + b_1) …) W_L + b_L: layers of these sizes, with the activation a between each two.

    Args:
        sizes: of the input, the hidden layers and the output; a single size is the identity.
        activate_last: a after the last layer, too.
        start_at_zero: W_L = 0, so that the output is 0 whatever the input is, until training moves it.
    """
    pairs, layers = list(pairwise(sizes)), []
    for depth, (inputs, outputs) in enumerate(pairs, start=1):
        last = depth == len(pairs)
        layers.append(linear(inputs, outputs, rngs, start_at_zero=last and start_at_zero))
        layers += [activation] if activate_last or not last else []
    return nnx.Sequential(*layers)
