"""Coupling with a spline: the kept coordinates decide the curve through which each other one goes."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import ArrayLike

from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.flows.conditioner import Perceptron, with_context
from course_lib.flows.flow import Flow
from course_lib.flows.stack import alternating_layers
from course_lib.flows.transformer import SplineTransformer
from course_lib.validation import events


class SplineCoupling(Bijection):
    """Keep the coordinates where the mask is 1; send each other one through its own rational-quadratic spline.

    x_i = spline_i(z_i; MLP(m ⊙ z)),  log|det Dg| = Σ_i log spline_i′(z_i), sums over m_i = 0

    Args: mask and hidden_sizes as `AffineCoupling`; num_bins, bound: see `SplineTransformer`; num_context.
    Raises: ValueError: a mask that is not 0/1, keeps all or keeps nothing.
    Source: Durkan et al., arXiv:1906.04032, §3.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """

    def __init__(
        self, mask: ArrayLike | Sequence, hidden_sizes: Sequence[int], *,
        num_bins: int = 8, bound: float | int = 5.0, num_context: int = 0, rngs: nnx.Rngs,
    ):  # fmt: skip
        given = np.asarray(mask)
        if given.ndim != 1 or set(given.tolist()) != {0, 1}:
            raise ValueError(f"mask is {given.tolist()}; expected 0 or 1 for each coordinate, at least one of each.")
        self.num_dims, self.num_context, self.mask = len(given), num_context, tuple(map(int, given))
        self.transformer = SplineTransformer(num_bins, float(bound))
        moved = self.num_dims - sum(self.mask)
        inputs, outputs = sum(self.mask) + num_context, moved * self.transformer.num_parameters
        self.conditioner = Perceptron(inputs, hidden_sizes, outputs, rngs=rngs)

    def _apply(self, curve, t: Points, context: Context) -> MappedPoints:
        t = events(t, (self.num_dims,), "SplineCoupling")
        kept, moved = np.flatnonzero(np.asarray(self.mask)), np.flatnonzero(1 - np.asarray(self.mask))
        raw = self.conditioner(with_context(t[..., kept], context, self.num_context))
        parameters = raw.reshape(*t.shape[:-1], len(moved), self.transformer.num_parameters)
        values, log_slopes = curve(t[..., moved], parameters)
        together = jnp.concatenate([t[..., kept], values], axis=-1)
        return together[..., np.argsort(np.concatenate([kept, moved]))], log_slopes.sum(axis=-1)

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        return self._apply(self.transformer.forward, z, context)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        return self._apply(self.transformer.inverse, x, context)


class SplineFlow(Flow):
    """A flow of spline couplings whose masks alternate, scanned: RQ-NSF (C). A new one is the standard normal.

    Args: num_dims d ≥ 2; num_layers ≥ 1; the rest as `SplineCoupling`.
    Source: Durkan et al., arXiv:1906.04032.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """

    def __init__(
        self, num_dims: int, num_layers: int, hidden_sizes: Sequence[int], *,
        num_bins: int = 8, bound: float | int = 5.0, num_context: int = 0, rngs: nnx.Rngs,
    ):  # fmt: skip
        settings = {"num_bins": num_bins, "bound": bound, "num_context": num_context, "rngs": rngs}
        layers = alternating_layers(lambda m: SplineCoupling(m, hidden_sizes, **settings), num_dims, num_layers)
        super().__init__(num_dims, layers)
