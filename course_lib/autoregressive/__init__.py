"""Autoregressive models: a joint distribution as a product of conditionals (chapter 02)."""

from course_lib.autoregressive.chain_rule import (
    chain_rule_log_prob,
    ensemble_log_prob,
    enumerate_binary,
    exact_conditionals,
)
from course_lib.autoregressive.made import Made, MaskedLinear, masked_linear
from course_lib.autoregressive.masks import allowed_dependencies, is_autoregressive, made_degrees, made_masks
from course_lib.autoregressive.model import BinaryAutoregressive, Fixed, negative_log_likelihood, sample_in_order
from course_lib.autoregressive.nade import Nade, nade_logits

__all__ = [
    "BinaryAutoregressive", "Fixed", "Made", "MaskedLinear", "Nade", "allowed_dependencies", "chain_rule_log_prob",
    "ensemble_log_prob", "enumerate_binary", "exact_conditionals", "is_autoregressive", "made_degrees", "made_masks",
    "masked_linear", "nade_logits", "negative_log_likelihood", "sample_in_order",
]  # fmt: skip
