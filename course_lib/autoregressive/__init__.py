"""Autoregressive models: a joint distribution as a product of conditionals (chapters 02, 02a, 02b)."""

from course_lib.autoregressive.ar_net import ArNet, ar_net_loss, sparsity_penalty, symmetric_total_percentage_error
from course_lib.autoregressive.chain_rule import (
    chain_rule_log_prob,
    ensemble_log_prob,
    enumerate_binary,
    exact_conditionals,
)
from course_lib.autoregressive.darn import Darn, antithetic_bits, description_length, disarm_slope
from course_lib.autoregressive.discretized import (
    Bernoulli,
    Categorical,
    LogisticMixture,
    discretized_logistic_mixture_log_prob,
)
from course_lib.autoregressive.fvsbn import Fvsbn, fvsbn_path, soft_threshold
from course_lib.autoregressive.gaussian_mixture_made import GaussianMixtureMade
from course_lib.autoregressive.linear_ar import (
    LinearAr,
    lag_matrix,
    least_squares,
    levinson,
    sample_autocovariance,
    yule_walker,
)
from course_lib.autoregressive.made import Made, MaskedLinear, masked_linear
from course_lib.autoregressive.masked_convolution import causal_convolution, convolution_mask
from course_lib.autoregressive.masks import allowed_dependencies, is_autoregressive, made_degrees, made_masks
from course_lib.autoregressive.model import BinaryAutoregressive, Fixed, negative_log_likelihood, sample_in_order
from course_lib.autoregressive.nade import Nade, nade_logits
from course_lib.autoregressive.orderless import Ensemble, OrderlessNade, known_first, orderless_loss, redrawn_loss
from course_lib.autoregressive.pixelcnn import PixelCNN, SingleStackPixelCNN, gate

__all__ = [
    "ArNet", "Bernoulli", "BinaryAutoregressive", "Categorical", "Darn", "Ensemble", "Fixed", "Fvsbn",
    "GaussianMixtureMade", "LinearAr", "LogisticMixture", "Made", "MaskedLinear", "Nade", "OrderlessNade",
    "PixelCNN", "SingleStackPixelCNN", "allowed_dependencies", "antithetic_bits", "ar_net_loss",
    "causal_convolution", "chain_rule_log_prob", "convolution_mask", "description_length", "disarm_slope",
    "discretized_logistic_mixture_log_prob", "ensemble_log_prob", "enumerate_binary", "exact_conditionals",
    "fvsbn_path", "gate", "is_autoregressive", "known_first", "lag_matrix", "least_squares", "levinson",
    "made_degrees", "made_masks", "masked_linear", "nade_logits", "negative_log_likelihood", "orderless_loss",
    "redrawn_loss", "sample_autocovariance", "sample_in_order", "soft_threshold", "sparsity_penalty",
    "symmetric_total_percentage_error", "yule_walker",
]  # fmt: skip
