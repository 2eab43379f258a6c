"""Autoregressive flows: every coordinate is transformed, given those before it. MAF and IAF are the two directions."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike

from course_lib.compiled import compiled
from course_lib.flows.bijection import Bijection, Context, MappedPoints, Points
from course_lib.flows.chain import Chain
from course_lib.flows.context import context_for
from course_lib.flows.flow import Flow
from course_lib.flows.stack import Stack
from course_lib.flows.transformer import AffineTransformer, Parameters, Transformer
from course_lib.networks import Fixed, MaskedNetwork, made_degrees
from course_lib.validation import events, require_permutation, whole_number


class MaskedAutoregressive(Bijection):
    """One layer of a masked autoregressive flow: θ_i is computed from the *data* coordinates before x_i.

    inverse:  z_i = τ⁻¹(x_i; θ_i(x_{<i}))  all i in one pass; log|det Df| = Σ_i log of the slopes
    forward:  x_i = τ(z_i; θ_i(x_{<i}))    one i after the other: d passes, one compiled loop

    Args:
        num_dims: d; hidden_sizes: of the masked network; ordering: coordinate o_k comes k-th (None: 0, …, d − 1);
        transformer: τ (`AffineTransformer` gives MAF, `SplineTransformer` RQ-NSF (AR)); num_context;
        activation: of the network; with an unbounded one the shifts are unbounded too.
    Raises: ValueError: a size below 1, an ordering that is no permutation.
    Source: Papamakarios et al., arXiv:1705.07057, eq. 3–5; Durkan et al., arXiv:1906.04032, §3.2.
    Taught in: 03a_masked_and_spline_flows, "MADE becomes MAF".
    """

    def __init__(
        self,
        num_dims: int,
        hidden_sizes: Sequence[int],
        *,
        ordering: ArrayLike | Sequence | None = None,
        transformer: Transformer | None = None,
        num_context: int = 0,
        activation: Callable[[Array], Array] = jnp.tanh,
        rngs: nnx.Rngs,
    ):
        whole_number(num_dims, "num_dims")
        order = require_permutation(np.arange(num_dims) if ordering is None else np.asarray(ordering), num_dims)
        self.num_dims, self.num_context = num_dims, num_context
        self.ordering, self.transformer = Fixed(jnp.asarray(order)), transformer or AffineTransformer()
        self.conditioner = MaskedNetwork(
            made_degrees(order, hidden_sizes),
            self.transformer.num_parameters,
            activation=activation,
            num_context=num_context,
            start_at_zero=True,
            rngs=rngs,
        )

    def parameters(self, t: Points, context: Context = None) -> Parameters:
        """θ_i of each coordinate, computed from those before it."""
        return self.conditioner(t, context=context_for(t, context, self.num_context))

    def _one_pass(self, curve: Callable, t: Points, context: Context) -> MappedPoints:
        """Every coordinate through its curve, whose parameters are computed from t itself."""
        t = events(t, (self.num_dims,), type(self).__name__)
        values, log_slopes = curve(t, self.parameters(t, context))
        return values, log_slopes.sum(axis=-1)

    def _step_by_step(self, direction: str, t: Points, context: Context) -> MappedPoints:
        t = events(t, (self.num_dims,), type(self).__name__)
        return _one_after_the_other(self, direction, t, context_for(t, context, self.num_context))

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        return self._step_by_step("forward", z, context)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        return self._one_pass(self.transformer.inverse, x, context)


@compiled(static=("direction",))
def _one_after_the_other(layer: MaskedAutoregressive, direction: str, t: Points, context: Context) -> MappedPoints:
    """Parameters come from the result, which is known only up to the coordinate before."""

    def step(known: Array, i: Array) -> tuple[Array, Array]:
        parameters = jnp.take(layer.parameters(known, context), i[None], axis=-2)
        value, log_slope = getattr(layer.transformer, direction)(jnp.take(t, i[None], axis=-1), parameters)
        return known.at[..., i].set(value[..., 0]), log_slope[..., 0]

    values, log_slopes = jax.lax.scan(step, jnp.zeros_like(t), layer.ordering[...])
    return values, log_slopes.sum(axis=0)


class InverseAutoregressive(MaskedAutoregressive):
    """One layer of an inverse autoregressive flow: θ_i is computed from the *base* coordinates before z_i.

    forward:  x_i = τ(z_i; θ_i(z_{<i}))    all i in one pass: sampling is fast
    inverse:  z_i = τ⁻¹(x_i; θ_i(z_{<i}))  d passes: the density of given points is slow

    Args, Raises: as `MaskedAutoregressive`.
    Source: Kingma et al., arXiv:1606.04934, eq. 8–10.
    Taught in: 03a_masked_and_spline_flows, "The other way about".
    """

    def forward(self, z: Points, context: Context = None) -> MappedPoints:
        return self._one_pass(self.transformer.forward, z, context)

    def inverse(self, x: Points, context: Context = None) -> MappedPoints:
        return self._step_by_step("inverse", x, context)


class MAF(Flow):
    """`MaskedAutoregressive` layers, every second one in the reverse ordering. Scanned, see `Stack`.

    `log_prob` takes one pass a layer, `sample` d passes a layer. A new MAF is the standard normal.

    Args: num_dims; num_layers; hidden_sizes; options of the layer: transformer, num_context, activation;
        stacked: as in `RealNVP`; a `Chain` takes longer to compile, then runs faster.
    Raises: ValueError: a size below 1.
    Source: Papamakarios et al., arXiv:1705.07057.
    Taught in: 03a_masked_and_spline_flows, "MADE becomes MAF".
    """

    layer_type = MaskedAutoregressive

    def __init__(
        self,
        num_dims: int,
        num_layers: int,
        hidden_sizes: Sequence[int],
        *,
        stacked: bool = True,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        whole_number(num_layers, "num_layers")
        orders = [np.arange(num_dims)[:: 1 if i % 2 == 0 else -1] for i in range(num_layers)]
        build = lambda order: self.layer_type(num_dims, hidden_sizes, ordering=order, rngs=rngs, **options)  # noqa: E731
        super().__init__(num_dims, (Stack if stacked else Chain)([build(order) for order in orders]))


class IAF(MAF):
    """As `MAF` with `InverseAutoregressive` layers: `sample` takes one pass a layer, `log_prob` d passes a layer.

    Source: Kingma et al., arXiv:1606.04934.
    Taught in: 03a_masked_and_spline_flows, "The other way about";
        03b_flows_for_inference, "A posterior shaped like a banana".
    """

    layer_type = InverseAutoregressive
