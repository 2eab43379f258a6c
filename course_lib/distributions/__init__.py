"""What one variable is, given a network's numbers. With a structure (what may depend on what) it makes a model."""

from course_lib.distributions.base import Distribution, require_distribution
from course_lib.distributions.bernoulli import Bernoulli
from course_lib.distributions.categorical import Categorical
from course_lib.distributions.discrete import Discrete, level_of
from course_lib.distributions.gaussian import Gaussian, GaussianMixture
from course_lib.distributions.logistic import Logistic, LogisticMixture, discretized_logistic_mixture_log_prob

__all__ = [
    "Bernoulli",
    "Categorical",
    "Discrete",
    "Distribution",
    "Gaussian",
    "GaussianMixture",
    "Logistic",
    "LogisticMixture",
    "discretized_logistic_mixture_log_prob",
    "level_of",
    "require_distribution",
]
