"""Chapter 3: normalizing flows. Bijections with known determinants, chained into a density that can be sampled."""

from course_lib.flows.affine import Affine
from course_lib.flows.bijection import Bijection
from course_lib.flows.chain import Chain
from course_lib.flows.coupling import Coupling, coupling_forward, coupling_inverse
from course_lib.flows.coupling_flows import RealNVP, SplineFlow
from course_lib.flows.dequantization import VariationalDequantizer, dequantization_bound, dequantize
from course_lib.flows.flow import Flow, conditional_negative_log_likelihood, negative_log_likelihood
from course_lib.flows.linear import InvertibleLinear, Permutation
from course_lib.flows.logit import Logit, logit_bits_per_dim
from course_lib.flows.masked import IAF, MAF, InverseAutoregressive, MaskedAutoregressive
from course_lib.flows.planar import Planar, constrained_direction
from course_lib.flows.spline import rational_quadratic_forward, spline_knots
from course_lib.flows.stack import Stack
from course_lib.flows.transformer import AffineTransformer, SplineTransformer

__all__ = [
    "IAF",
    "MAF",
    "Affine",
    "AffineTransformer",
    "Bijection",
    "Chain",
    "Coupling",
    "Flow",
    "InverseAutoregressive",
    "InvertibleLinear",
    "Logit",
    "MaskedAutoregressive",
    "Permutation",
    "Planar",
    "RealNVP",
    "SplineFlow",
    "SplineTransformer",
    "Stack",
    "VariationalDequantizer",
    "conditional_negative_log_likelihood",
    "constrained_direction",
    "coupling_forward",
    "coupling_inverse",
    "dequantization_bound",
    "dequantize",
    "logit_bits_per_dim",
    "negative_log_likelihood",
    "rational_quadratic_forward",
    "spline_knots",
]
