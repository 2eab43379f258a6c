"""Transformers: increasing curves of one coordinate, given by P numbers that a conditioner computes."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from course_lib.flows.bijection import Points
from course_lib.flows.spline import rational_quadratic_forward, rational_quadratic_inverse, require_room, spline_knots
from course_lib.validation import require_positive

Parameters = Float[Array, "*batch d parameters"]
Transformed = tuple[Points, Points]


@runtime_checkable
class Transformer(Protocol):
    """Each coordinate through its own curve; both directions return (values, log-slopes), elementwise.

    Source: Papamakarios et al., arXiv:1912.02762, §3.1.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """

    @property
    def num_parameters(self) -> int: ...

    def forward(self, z: Points, parameters: Parameters) -> Transformed: ...

    def inverse(self, x: Points, parameters: Parameters) -> Transformed: ...


@dataclass(frozen=True)
class AffineTransformer:
    """x = z exp(s) + b with (b, r) the parameters and s = c tanh(r / c): |s| stays below c = `max_log_scale`."""

    max_log_scale: float = 2.0
    num_parameters: int = 2

    def __post_init__(self) -> None:
        require_positive(self.max_log_scale, "max_log_scale")

    def log_scale(self, parameters: Parameters) -> Points:
        return self.max_log_scale * jnp.tanh(parameters[..., 1] / self.max_log_scale)

    def forward(self, z: Points, parameters: Parameters) -> Transformed:
        log_scale = self.log_scale(parameters)
        return z * jnp.exp(log_scale) + parameters[..., 0], log_scale

    def inverse(self, x: Points, parameters: Parameters) -> Transformed:
        log_scale = self.log_scale(parameters)
        return (x - parameters[..., 0]) * jnp.exp(-log_scale), -log_scale


@dataclass(frozen=True)
class SplineTransformer:
    """A rational-quadratic spline of K = `num_bins` bins on [−B, B], B = `bound`; the identity outside.

    The 3K − 1 parameters are those of `spline_knots`; data should lie within the bound.
    Raises: ValueError: no bin, a bound that is not positive, or bins that do not fit.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """

    num_bins: int = 8
    bound: float = 5.0

    def __post_init__(self) -> None:
        require_room(self.num_bins, self.bound)

    @property
    def num_parameters(self) -> int:
        return 3 * self.num_bins - 1

    def forward(self, z: Points, parameters: Parameters) -> Transformed:
        return rational_quadratic_forward(z, *spline_knots(parameters, self.bound))

    def inverse(self, x: Points, parameters: Parameters) -> Transformed:
        return rational_quadratic_inverse(x, *spline_knots(parameters, self.bound))
