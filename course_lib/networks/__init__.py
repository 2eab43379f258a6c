"""What may depend on what: dense, masked and convolutional networks, and the weights they start with."""

from course_lib.networks.causal_convolution import causal_convolution, convolution_mask
from course_lib.networks.dense import dense, linear
from course_lib.networks.fixed import Fixed
from course_lib.networks.initial_weights import fan_in_normal, zeros
from course_lib.networks.masked import MaskedLinear, MaskedNetwork, masked_linear
from course_lib.networks.masks import (
    allowed_dependencies,
    is_autoregressive,
    made_degrees,
    made_masks,
)
from course_lib.networks.strided_convolution import Doubling, Halving, overlap_add, patches

__all__ = [
    "Doubling",
    "Fixed",
    "Halving",
    "MaskedLinear",
    "MaskedNetwork",
    "allowed_dependencies",
    "causal_convolution",
    "convolution_mask",
    "dense",
    "fan_in_normal",
    "is_autoregressive",
    "linear",
    "made_degrees",
    "made_masks",
    "masked_linear",
    "overlap_add",
    "patches",
    "zeros",
]
