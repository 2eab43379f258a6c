"""Chapter 3: normalizing flows. Bijections with known determinants, chained into a density that can be sampled."""

from course_lib.flows.affine import Affine
from course_lib.flows.bijection import Bijection
from course_lib.flows.chain import Chain
from course_lib.flows.coupling import AffineCoupling, coupling_forward, coupling_inverse
from course_lib.flows.flow import Flow, negative_log_likelihood
from course_lib.flows.real_nvp import RealNVP

__all__ = [
    "Affine", "AffineCoupling", "Bijection", "Chain", "Flow", "RealNVP",
    "coupling_forward", "coupling_inverse", "negative_log_likelihood",
]  # fmt: skip
