"""Several bijections in a row are one bijection."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.validation import events


class Chain(Bijection):
    """g = g_N ∘ … ∘ g_1, given as the list [g_1, …, g_N]: the first of the list touches z first.

    With x_0 = z, x_i = g_i(x_{i−1}) and x_N = x, hence x_{i−1} = f_i(x_i):
    forward:  x = g_N(… g_1(z)),  log|det Dg(z)| = Σ_i log|det Dg_i(x_{i−1})|
    inverse:  z = f_1(… f_N(x)),  log|det Df(x)| = Σ_i log|det Df_i(x_i)|, f_N first

    Args:
        bijections: [g_1, …, g_N] of one `num_dims`; g_i is `chain.bijections[i - 1]`.
    Raises: ValueError: the list is empty or the dimensions differ.
    Source: Kobyzev et al., arXiv:1908.09257, §2.1.
    Taught in: 03_normalizing_flow, "A chain of maps".
    """

    def __init__(self, bijections: Sequence[Bijection]):
        dims = [bijection.num_dims for bijection in bijections]
        if len(set(dims)) != 1:
            raise ValueError(f"the bijections have num_dims {dims}; expected at least one bijection, all of one size.")
        self.num_dims, self.bijections = dims[0], nnx.List(bijections)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        z = events(z, (self.num_dims,), "Chain")
        x, total, given = z, jnp.zeros(z.shape[:-1]), () if context is None else (context,)
        for bijection in self.bijections:
            x, log_det = bijection.forward(x, *given)
            total = total + log_det
        return x, total

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        x = events(x, (self.num_dims,), "Chain")
        z, total, given = x, jnp.zeros(x.shape[:-1]), () if context is None else (context,)
        for bijection in reversed(self.bijections):
            z, log_det = bijection.inverse(z, *given)
            total = total + log_det
        return z, total
