"""Coupling flows: RealNVP and the spline flow, whose masks alternate."""

from collections.abc import Sequence

import numpy as np
from flax import nnx

from course_lib.flows.chain import Chain
from course_lib.flows.coupling import Coupling
from course_lib.flows.flow import Flow
from course_lib.flows.stack import alternating_layers
from course_lib.flows.transformer import AffineTransformer, SplineTransformer


class RealNVP(Flow):
    """A flow of affine couplings g_1, …, g_N; g_i moves the coordinates j = 0, …, d − 1 with i + j even.

    A new RealNVP is the standard normal; two layers are needed before every coordinate can move.

    Args:
        num_dims: d ≥ 2, since a coupling needs something to keep and something to move.
        num_layers: N ≥ 1.
        hidden_sizes, max_log_scale, num_context: of every layer, see `Coupling` and `AffineTransformer`.
        stacked: keep the layers in a `Stack`, so that compile time does not grow with N, rather than in a `Chain`.
    Raises: ValueError: d < 2 or N < 1.
    Source: Dinh et al., arXiv:1605.08803.
    Taught in: 03_normalizing_flow, "RealNVP on a density in the plane".
    """

    def __init__(
        self,
        num_dims: int,
        num_layers: int,
        hidden_sizes: Sequence[int],
        *,
        rngs: nnx.Rngs,
        max_log_scale: float | int = 2.0,
        num_context: int = 0,
        stacked: bool = False,
    ):
        if num_dims < 2 or num_layers < 1:
            raise ValueError(f"num_dims is {num_dims} and num_layers {num_layers}; RealNVP needs at least 2 and 1.")
        settings = {"transformer": AffineTransformer(float(max_log_scale)), "num_context": num_context, "rngs": rngs}
        build = lambda mask: Coupling(mask, hidden_sizes, **settings)  # noqa: E731
        masks = [(np.arange(num_dims) + i) % 2 for i in range(1, num_layers + 1)]
        layers = alternating_layers(build, num_dims, num_layers) if stacked else Chain([build(mask) for mask in masks])
        super().__init__(num_dims, layers)


class SplineFlow(Flow):
    """A flow of spline couplings whose masks alternate, scanned: RQ-NSF (C). A new one is the standard normal.

    Args: num_dims d ≥ 2; num_layers ≥ 1; num_bins, bound: see `SplineTransformer`; the rest as `Coupling`.
    Source: Durkan et al., arXiv:1906.04032.
    Taught in: 03a_masked_and_spline_flows, "Splines".
    """

    def __init__(
        self,
        num_dims: int,
        num_layers: int,
        hidden_sizes: Sequence[int],
        *,
        num_bins: int = 8,
        bound: float | int = 5.0,
        num_context: int = 0,
        rngs: nnx.Rngs,
    ):
        settings = {"transformer": SplineTransformer(num_bins, float(bound)), "num_context": num_context, "rngs": rngs}
        layers = alternating_layers(lambda m: Coupling(m, hidden_sizes, **settings), num_dims, num_layers)
        super().__init__(num_dims, layers)
