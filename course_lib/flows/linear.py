"""Maps that mix coordinates: a permutation, and an invertible matrix kept in its LU factors."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Float

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.networks import Fixed
from course_lib.validation import events, require_permutation, whole_number


class Permutation(Bijection):
    """x_i = z_{o_i}: the coordinates in another order; log|det| = 0 in both directions.

    Args: order: o, each of 0, …, d − 1 once. Raises: ValueError: not a permutation.
    Taught in: 03a_masked_and_spline_flows, "Mixing the coordinates".
    """

    def __init__(self, order: ArrayLike | Sequence):
        self.num_dims = np.size(order)
        self.order = Fixed(jnp.asarray(require_permutation(np.asarray(order), self.num_dims)))

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "Permutation")
        return jnp.take(z, self.order[...], axis=-1), jnp.zeros(z.shape[:-1])

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "Permutation")
        return jnp.take(x, jnp.argsort(self.order[...]), axis=-1), jnp.zeros(x.shape[:-1])


class InvertibleLinear(Bijection):
    """x = W z with W = P L (U + diag(s)): the determinant is read off the diagonal.

    forward:  log|det W| = Σ_i log|s_i|
    inverse:  two triangular systems, d² operations a point instead of d³;  log|det W⁻¹| = −Σ_i log|s_i|

    P (a permutation) and the signs of s stay fixed; L (1 on its diagonal), U (strictly upper) and log|s| are learned.
    Args: num_dims d. W starts as a random rotation. Raises: ValueError: d below 1.
    Source: Kingma & Dhariwal, arXiv:1807.03039, eq. 10–11.
    Taught in: 03a_masked_and_spline_flows, "Mixing the coordinates".
    """

    def __init__(self, num_dims: int, *, rngs: nnx.Rngs):
        whole_number(num_dims, "num_dims")
        rotation = jnp.linalg.qr(jax.random.normal(rngs.params(), (num_dims, num_dims)))[0]
        permutation, lower, upper = jax.scipy.linalg.lu(rotation)
        scale = jnp.diag(upper)
        self.num_dims, self.permutation, self.signs = num_dims, Fixed(permutation), Fixed(jnp.sign(scale))
        self.lower, self.upper = nnx.Param(jnp.tril(lower, -1)), nnx.Param(jnp.triu(upper, 1))
        self.log_scale = nnx.Param(jnp.log(jnp.abs(scale)))

    def factors(self) -> tuple[Float[Array, "d d"], Float[Array, "d d"], Float[Array, "d d"]]:
        """P, L and U + diag(s), whose product is W."""
        lower = jnp.tril(self.lower[...], -1) + jnp.eye(self.num_dims)
        diagonal = jnp.diag(self.signs[...] * jnp.exp(self.log_scale[...]))
        return self.permutation[...], lower, jnp.triu(self.upper[...], 1) + diagonal

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "InvertibleLinear")
        permutation, lower, upper = self.factors()
        log_det = jnp.broadcast_to(self.log_scale[...].sum(), z.shape[:-1])
        return z @ (permutation @ lower @ upper).T, log_det

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "InvertibleLinear")
        permutation, lower, upper = self.factors()
        columns = (x @ permutation).reshape(-1, self.num_dims).T  # Pᵀ x, one column a point
        columns = solve_triangular(upper, solve_triangular(lower, columns, lower=True, unit_diagonal=True))
        return columns.T.reshape(x.shape), jnp.broadcast_to(-self.log_scale[...].sum(), x.shape[:-1])
