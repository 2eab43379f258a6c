"""Densities, divergences and bounds: pure functions of arrays, all in nats."""

from course_lib.probability.bounds import effective_sample_size, elbo, iwae_bound
from course_lib.probability.densities import (
    bernoulli_log_prob,
    categorical_log_prob,
    normal_log_prob,
    standard_normal_log_prob,
)
from course_lib.probability.divergences import kl_monte_carlo, kl_standard_normal, kl_uniform
from course_lib.probability.estimates import mean_and_error
from course_lib.probability.units import bits_per_dim, nats_to_bits

__all__ = [
    "bernoulli_log_prob",
    "bits_per_dim",
    "categorical_log_prob",
    "effective_sample_size",
    "elbo",
    "iwae_bound",
    "kl_monte_carlo",
    "kl_standard_normal",
    "kl_uniform",
    "mean_and_error",
    "nats_to_bits",
    "normal_log_prob",
    "standard_normal_log_prob",
]
