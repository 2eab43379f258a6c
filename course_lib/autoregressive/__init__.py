"""Autoregressive models: a joint distribution as a product of conditionals (chapters 02, 02a, 02b, 02c)."""

from course_lib.autoregressive.ar_net import ArNet, ar_net_loss, sparsity_penalty, symmetric_total_percentage_error
from course_lib.autoregressive.chain_rule import (
    chain_rule_log_prob,
    ensemble_log_prob,
    enumerate_binary,
    exact_conditionals,
)
from course_lib.autoregressive.darn import Darn, antithetic_bits, description_length, disarm_slope
from course_lib.autoregressive.fvsbn import Fvsbn, fvsbn_path
from course_lib.autoregressive.linear_ar import (
    LinearAr,
    lag_matrix,
    least_squares,
    levinson,
    yule_walker,
)
from course_lib.autoregressive.made import Made
from course_lib.autoregressive.model import Autoregressive, negative_log_likelihood, sample_in_order
from course_lib.autoregressive.nade import Nade, nade_logits
from course_lib.autoregressive.orderless import OrderlessNade, orderless_loss
from course_lib.autoregressive.pixelcnn import PixelCNN, SingleStackPixelCNN, gate

__all__ = [
    "ArNet",
    "Autoregressive",
    "Darn",
    "Fvsbn",
    "LinearAr",
    "Made",
    "Nade",
    "OrderlessNade",
    "PixelCNN",
    "SingleStackPixelCNN",
    "antithetic_bits",
    "ar_net_loss",
    "chain_rule_log_prob",
    "description_length",
    "disarm_slope",
    "ensemble_log_prob",
    "enumerate_binary",
    "exact_conditionals",
    "fvsbn_path",
    "gate",
    "lag_matrix",
    "least_squares",
    "levinson",
    "nade_logits",
    "negative_log_likelihood",
    "orderless_loss",
    "sample_in_order",
    "sparsity_penalty",
    "symmetric_total_percentage_error",
    "yule_walker",
]
