"""A probability of its own for each level."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, ArrayLike, Float

from course_lib.distributions.discrete import Discrete, level_of
from course_lib.probability import categorical_log_prob


@dataclass(frozen=True)
class Categorical(Discrete):
    """A logit for each of the L levels, softmax over them: any distribution, and no notion that levels are ordered.

    Source: van den Oord et al. 2016 (arXiv:1601.06759), sec. 3.5. Taught in: 02b_pixelcnn, "Grey levels".
    """

    @property
    def num_parameters(self) -> int:
        """L numbers a variable."""
        return self.levels

    def log_prob(self, x: ArrayLike, parameters: Float[Array, "*batch p"]) -> Float[Array, "..."]:
        """a_level − ln Σ_ℓ exp a_ℓ, in nats. Raises: ValueError: values that are no level."""
        return categorical_log_prob(level_of(x, self.levels), parameters)

    def level_log_probs(self, parameters: Float[Array, "*batch p"]) -> Float[Array, "*batch levels"]:
        """Log-probability of every level in nats."""
        return jax.nn.log_softmax(parameters, axis=-1)
