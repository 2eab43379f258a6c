"""Rational-quadratic splines: increasing curves through given knots, with an inverse in closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from course_lib.validation import require_positive, whole_number

Knots = Float[Array, "*batch knots"]
Values = Float[Array, "*batch"]


def _in_its_bin(t: Values, along: Knots, knots_z: Knots, knots_x: Knots, slopes: Knots) -> tuple[Values, ...]:
    """(z_k, w, x_k, h, d_k, d_{k+1}) of the bin in which t lies; a sum over bins is faster than an index on a CPU."""
    index = jnp.sum(t[..., None] >= along[..., 1:-1], axis=-1, keepdims=True)
    bins = jnp.broadcast_to(jnp.arange(along.shape[-1] - 1), (*t.shape, along.shape[-1] - 1))
    rows = (
        knots_z[..., :-1],
        jnp.diff(knots_z),
        knots_x[..., :-1],
        jnp.diff(knots_x),
        slopes[..., :-1],
        slopes[..., 1:],
    )
    return tuple(jnp.sum(jnp.where(bins == index, row, 0), axis=-1) for row in rows)


def _log_slope(xi: Values, mean: Values, left: Values, right: Values) -> Values:
    """log dx/dz at the place ξ of a bin of mean slope s and slopes d_k, d_{k+1} at its ends (Durkan et al., eq. 5)."""
    rest, bend = xi * (1 - xi), left + right - 2 * mean
    top = right * xi**2 + 2 * mean * rest + left * (1 - xi) ** 2
    return 2 * jnp.log(mean) + jnp.log(top) - 2 * jnp.log(mean + bend * rest)


def rational_quadratic_forward(z: Values, knots_z: Knots, knots_x: Knots, slopes: Knots) -> tuple[Values, Values]:
    """x = g(z), an increasing curve through the knots (z_k, x_k) with the slopes d_k there; straight lines outside.

    With ξ = (z − z_k) / w, w = z_{k+1} − z_k, h = x_{k+1} − x_k and s = h / w:
    x = x_k + h (s ξ² + d_k ξ(1 − ξ)) / (s + (d_k + d_{k+1} − 2s) ξ(1 − ξ))

    Args: z, shape (*batch); knots_z, knots_x increasing, slopes d > 0, shape (*batch, K + 1) for K bins.
    Returns: x and log dx/dz, elementwise.
    Numerics: outside of the knots the curve goes on with the slope of the first or last knot: finite for |z| ≤ 1e4.
    Source: Durkan, Bekasov, Murray & Papamakarios, arXiv:1906.04032, eq. 4–5.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """
    t = jnp.clip(z, knots_z[..., 0], knots_z[..., -1])
    start, width, low, height, left, right = _in_its_bin(t, knots_z, knots_z, knots_x, slopes)
    xi, mean = (t - start) / width, height / width
    rest = xi * (1 - xi)
    x = low + height * (mean * xi**2 + left * rest) / (mean + (left + right - 2 * mean) * rest)
    tail = jnp.where(z < t, slopes[..., 0], slopes[..., -1])
    return x + tail * (z - t), jnp.where(z == t, _log_slope(xi, mean, left, right), jnp.log(tail))


def rational_quadratic_inverse(x: Values, knots_z: Knots, knots_x: Knots, slopes: Knots) -> tuple[Values, Values]:
    """z = f(x), the inverse of `rational_quadratic_forward`: ξ is the root in [0, 1] of a quadratic equation.

    With y = x − x_k and e = d_k + d_{k+1} − 2s:  a = h(s − d_k) + y e,  b = h d_k − y e,  c = −s y,
    ξ = 2c / (−b − √(b² − 4ac)),  z = z_k + w ξ

    Returns: z and log dz/dx, elementwise. Args, Taught in: as `rational_quadratic_forward`.
    Numerics: this form of the root does not subtract numbers of nearly equal size.
    Source: Durkan et al., arXiv:1906.04032, eq. 6–8.
    """
    t = jnp.clip(x, knots_x[..., 0], knots_x[..., -1])
    start, width, low, height, left, right = _in_its_bin(t, knots_x, knots_z, knots_x, slopes)
    mean, y = height / width, t - low
    bend = y * (left + right - 2 * mean)
    a, b, c = height * (mean - left) + bend, height * left - bend, -mean * y
    square = b**2 - 4 * a * c  # positive; rounding may bring it below 0 where the curve is nearly flat
    root = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    xi = jnp.clip(2 * c / (-b - root), 0.0, 1.0)
    tail = jnp.where(x < t, slopes[..., 0], slopes[..., -1])
    log_slope = jnp.where(x == t, _log_slope(xi, mean, left, right), jnp.log(tail))
    return start + width * xi + (x - t) / tail, -log_slope


def require_room(num_bins: int, bound: float, min_size: float = 1e-3) -> None:
    """Raises ValueError unless K ≥ 1 bins of at least `min_size` fit into [−B, B] with room to spare, B finite."""
    whole_number(num_bins, "num_bins")
    require_positive(bound, "bound")
    if not num_bins * min_size <= bound:
        raise ValueError(
            f"num_bins is {num_bins} and bound {bound:g}: bins of at least {min_size:g} would fill more than half of "
            f"[-{bound:g}, {bound:g}]. Take fewer bins, or a larger bound."
        )


def spline_knots(
    raw: Float[Array, "*batch parameters"], bound: float, min_size: float = 1e-3, min_slope: float = 1e-3
) -> tuple[Knots, Knots, Knots]:
    """Knots of K bins on [−B, B]² from any 3K − 1 numbers: widths, heights, inner slopes. Zeros give the identity.

    widths = min + (2B − K min) softmax(raw), heights likewise; slopes = min + softplus(raw + const), 1 at both ends.

    Raises: ValueError: no bin, a bound that is not positive, or bins that do not fit.
    Source: Durkan et al., arXiv:1906.04032, §3.1.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """
    num_bins = (raw.shape[-1] + 1) // 3
    require_room(num_bins, bound, min_size)
    widths, heights, slopes = jnp.split(raw, [num_bins, 2 * num_bins], axis=-1)

    def places(numbers: Array) -> Array:
        sizes = min_size + (2 * bound - num_bins * min_size) * jax.nn.softmax(numbers)
        edge = jnp.full((*numbers.shape[:-1], 1), bound, numbers.dtype)
        return jnp.concatenate([-edge, jnp.cumsum(sizes[..., :-1], axis=-1) - bound, edge], axis=-1)

    inner = min_slope + jax.nn.softplus(slopes + jnp.log(jnp.expm1(1 - min_slope)))
    one = jnp.ones((*raw.shape[:-1], 1), raw.dtype)
    return places(widths), places(heights), jnp.concatenate([one, inner, one], axis=-1)
