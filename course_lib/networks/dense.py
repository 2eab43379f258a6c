"""Linear layers in a row: the network that all families use where nothing is masked and nothing is shared."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
from flax import nnx
from jaxtyping import Array

from course_lib.networks.initial_weights import fan_in_normal, zeros


def linear(
    inputs: int, outputs: int, rngs: nnx.Rngs, *, start_at_zero: bool = False, first_weights: Callable = fan_in_normal
) -> nnx.Linear:
    """x ↦ x W + b with b = 0 and W from `first_weights`, or W = 0."""
    start = zeros if start_at_zero else first_weights
    return nnx.Linear(inputs, outputs, kernel_init=start, bias_init=zeros, rngs=rngs)


def dense(
    sizes: Sequence[int],
    rngs: nnx.Rngs,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    activate_last: bool = False,
    start_at_zero: bool = False,
    first_weights: Callable = fan_in_normal,
) -> nnx.Sequential:
    """x ↦ a(… a(x W_1 + b_1) …) W_L + b_L: layers of these sizes, with the activation a between each two.

    Args:
        sizes: of the input, the hidden layers and the output; a single size is the identity.
        activate_last: a after the last layer, too.
        start_at_zero: W_L = 0, so that the output is 0 whatever the input is, until training moves it.
        first_weights: (key, shape, dtype) → W of the other layers.
    """
    pairs, layers = list(pairwise(sizes)), []
    for depth, (inputs, outputs) in enumerate(pairs, start=1):
        last = depth == len(pairs)
        options = {"start_at_zero": last and start_at_zero, "first_weights": first_weights}
        layers.append(linear(inputs, outputs, rngs, **options))
        layers += [activation] if activate_last or not last else []
    return nnx.Sequential(*layers)
