"""MADE: an autoencoder whose masked weights make it a product of conditionals."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.autoregressive.masks import made_masks
from course_lib.autoregressive.model import BinaryAutoregressive, Fixed
from course_lib.validation import require_event_shape


def masked_linear(
    x: Float[Array, "*batch inputs"],
    kernel: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"],
    mask: Float[Array, "inputs outputs"],
) -> Float[Array, "*batch outputs"]:
    """y = b + x (W ⊙ M): a linear layer without the connections where the mask is 0.

    Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4. Taught in: 02_autoregressive, "From conditionals to pixels"
    """
    y = x @ (kernel * mask)
    return y + jnp.broadcast_to(bias, y.shape)


class MaskedLinear(nnx.Module):
    """`masked_linear` with its parameters."""

    def __init__(self, mask: Float[Array, "inputs outputs"], *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), mask.shape))
        self.bias = nnx.Param(jnp.zeros(mask.shape[1]))
        self.mask = Fixed(mask)

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        return masked_linear(x, self.kernel[...], self.bias[...], self.mask[...])


class Made(BinaryAutoregressive):
    """All conditionals in one pass: h_0 = x, h_l = relu(b_l + h_{l−1} (W_l ⊙ M_l)), logits = c + h_L (V ⊙ M).

    With no hidden layer it is a fully visible sigmoid belief network: one logistic regression a pixel.
    A sample takes D passes.

    Args: as `BinaryAutoregressive`, and hidden_sizes: width of each layer (D − 1 units can hold every degree);
        mask_key: draws the degrees of the hidden units, which are spread evenly without it.
    Source: Germain et al. 2015 (arXiv:1502.03509). Taught in: 02_autoregressive, "MADE"
    """

    def __init__(
        self, num_inputs: int, hidden_sizes: Sequence[int], *,
        ordering: ArrayLike | list | tuple | None = None, mask_key: Key[Array, ""] | None = None, rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        super().__init__(num_inputs, ordering)
        masks = made_masks(self.ordering[...], hidden_sizes, mask_key)
        self.layers = nnx.List([MaskedLinear(mask, rngs=rngs) for mask in masks])

    def conditional_logits(self, x: ArrayLike) -> Float[Array, "*batch d"]:
        """Log-odds of each pixel being 1 given its predecessors, indexed by pixel; x may hold any real numbers."""
        require_event_shape(x, (self.num_inputs,), "Made")
        h = jnp.asarray(x, float)
        for layer in self.layers[:-1]:
            h = jax.nn.relu(layer(h))
        return self.layers[-1](h)
