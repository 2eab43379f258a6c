"""MADE: an autoencoder whose masked weights make it a product of conditionals."""

from collections.abc import Sequence

import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.masked_sampling import largest_groups, sample_masked_network
from course_lib.autoregressive.model import BITS, Autoregressive
from course_lib.autoregressive.sampling import Choose
from course_lib.distributions import Distribution
from course_lib.networks import MaskedLinear, MaskedNetwork, made_degrees
from course_lib.validation import events, whole_number


class Made(Autoregressive):
    """All conditionals in one pass: h_0 = x, h_l = relu(b_l + h_{l−1} (W_l ⊙ M_l)), numbers = c + h_L (V ⊙ M).

    With no hidden layer and bits it is a fully visible sigmoid belief network: one logistic regression a pixel.
    A sample costs about as much as one pass: in step d only the hidden units of degree d are computed.

    Args: num_inputs: D; hidden_sizes: width of each layer (D − 1 units can hold every degree); likelihood, ordering:
        as `Autoregressive`;
        mask_key: draws the degrees of the hidden units, which are spread evenly without it;
        direct: also connect inputs to outputs, masked;
        num_classes: classes of p(x | label); the label enters every layer, unmasked.
    Source: Germain et al. 2015 (arXiv:1502.03509); with a `GaussianMixture`, MADE MoG of Papamakarios et al. 2017
        (arXiv:1705.07057), sec. 4. Taught in: 02_autoregressive, "MADE"
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        *,
        likelihood: Distribution = BITS,
        ordering: ArrayLike | list | tuple | None = None,
        mask_key: Key[Array, ""] | None = None,
        direct: bool = False,
        num_classes: int | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__((whole_number(num_inputs, "num_inputs"),), likelihood, ordering, num_classes)
        order = np.arange(num_inputs) if ordering is None else np.asarray(ordering)
        degrees, outputs = made_degrees(order, hidden_sizes, mask_key), likelihood.num_parameters
        self.network = MaskedNetwork(degrees, outputs, direct=direct, num_classes=num_classes, rngs=rngs)
        self.network.layers[-1].bias[...] = likelihood.start(rngs, self.event_shape).ravel()

    @property
    def layers(self) -> Sequence[MaskedLinear]:
        """The masked layers, from the inputs to the numbers."""
        return self.network.layers

    def parameters(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event p"]:
        x = events(x, self.event_shape, "Made")
        return self.network(self.likelihood.as_input(x), self.labels(label, x.shape[:-1]))

    def plan(self) -> tuple[int, ...]:
        """How many units a step computes in each layer."""
        return largest_groups([m[...] for m in self.network.degrees])

    def draw(
        self,
        choose: Choose,
        order: Int[Array, " d"],
        num_samples: int,
        plan: tuple[int, ...],
        label: Int[Array, " n"] | None,
    ) -> Float[Array, "n d"]:
        """One loop over the variables; each hidden unit is computed when its last input has been drawn."""
        return sample_masked_network(self.network, plan, choose, self.likelihood.as_input, num_samples, label)
