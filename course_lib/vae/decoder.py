"""The decoder of a variational auto-encoder: from a code to the numbers of every variable's distribution."""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from course_lib.distributions import Distribution, Gaussian, Logistic

Scale = Literal["of z", "of the pixel", "common"]


class Decoder(nnx.Module):
    """p(x|z) = Π_d p(x_d | θ_d(z)): a network gives the P numbers θ_d of each variable.

    Where the last number is the logarithm of a width (`Gaussian()`, `Logistic(levels)`), it may be no function of z but
    a parameter: one for each variable, or one for all. It starts at −1.

    Args: build: from the number of its outputs to the network; num_inputs: d; likelihood: of one x_d; scale: what the
        width depends on: "of z", "of the pixel" or "common".
    Raises: ValueError: another scale, or one for a likelihood without a width.
    Taught in: 05b_better_bounds, "Which likelihood for grey pixels?".
    """

    def __init__(
        self, build: Callable[[int], nnx.Module], num_inputs: int, likelihood: Distribution, scale: Scale = "of z"
    ) -> None:
        shapes = {"of z": None, "of the pixel": (num_inputs,), "common": ()}
        if scale not in shapes:
            raise ValueError(f"scale is {scale!r}; choose one of {list(shapes)}.")
        has_width = isinstance(likelihood, Gaussian | Logistic) and likelihood.num_parameters == 2
        if scale != "of z" and not has_width:
            raise ValueError(f"scale is {scale!r}, but {likelihood} has no width to be learned: leave it out.")
        shape = shapes[scale]
        self.log_scale = None if shape is None else nnx.Param(jnp.full(shape, -1.0))
        self.num_inputs, self.of_z = num_inputs, likelihood.num_parameters - (shape is not None)
        self.network = build(num_inputs * self.of_z)

    def __call__(self, z: Float[Array, "*batch k"]) -> Float[Array, "*batch d p"]:
        numbers = self.network(z)
        numbers = numbers.reshape(*numbers.shape[:-1], self.num_inputs, self.of_z)
        if self.log_scale is None:
            return numbers
        width = jnp.broadcast_to(self.log_scale[...], numbers.shape[:-1])
        return jnp.concatenate([numbers, width[..., None]], axis=-1)
