"""MADE: an autoencoder whose masked weights make it a product of conditionals."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.masks import draw_degrees, made_degrees, masks_of_degrees, require_degrees
from course_lib.autoregressive.model import BinaryAutoregressive, Fixed
from course_lib.autoregressive.sampling import Request, choices, choose, largest_groups, sample_masked_network
from course_lib.initial_weights import fan_in_normal, zeros
from course_lib.validation import events


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
    """`masked_linear` with its parameters.

    Args: num_classes: if given, each class adds its own vector E[label] to the output, unmasked;
        see_mask: add the sum over the inputs of U ⊙ M, so that the layer knows which connections it has.
    """

    def __init__(
        self,
        mask: Float[Array, "inputs outputs"],
        *,
        num_classes: int | None = None,
        see_mask: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.kernel = nnx.Param(fan_in_normal(rngs.params(), mask.shape))
        self.bias = nnx.Param(zeros(None, mask.shape[1:]))
        self.mask = Fixed(mask)
        self.label_kernel = nnx.Param(zeros(None, (num_classes, mask.shape[1]))) if num_classes else None
        self.sight_kernel = nnx.Param(zeros(None, mask.shape)) if see_mask else None

    def offset(self) -> Float[Array, " outputs"]:
        """What is added whatever the input is: b, and the sum of U ⊙ M."""
        seen = 0.0 if self.sight_kernel is None else (self.sight_kernel[...] * self.mask[...]).sum(axis=0)
        return self.bias[...] + seen

    def __call__(
        self, x: Float[Array, "*batch inputs"], label: Int[Array, "*batch"] | None = None
    ) -> Float[Array, "*batch outputs"]:
        y = masked_linear(x, self.kernel[...], self.offset(), self.mask[...])
        return y if self.label_kernel is None else y + self.label_kernel[...][label]


class MaskedNetwork(nnx.Module):
    """Layers of `MaskedLinear` with relu between them; each input i gets `outputs` numbers that see its predecessors.

    Args: degrees: of the inputs and the hidden layers (`made_degrees`); direct: connections from inputs to outputs.
    """

    def __init__(
        self, degrees: Sequence[ArrayLike], outputs: int = 1, *,
        direct: bool = False, num_classes: int | None = None, see_mask: bool = False, rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        self.outputs, self.direct = outputs, direct and len(degrees) > 1
        self.degrees = nnx.List([Fixed(jnp.asarray(m)) for m in degrees])
        settings = {"num_classes": num_classes, "see_mask": see_mask, "rngs": rngs}
        self.layers = nnx.List([MaskedLinear(mask, **settings) for mask in self._masks()])

    def _masks(self) -> list[Array]:
        *masks, last = masks_of_degrees([m[...] for m in self.degrees], self.direct)
        return [*masks, jnp.repeat(last, self.outputs, axis=1)]

    def __call__(
        self, x: Float[Array, "*batch d"], label: Int[Array, "*batch"] | None = None
    ) -> Float[Array, "*batch d_outputs"]:
        h = x
        for layer in self.layers[:-1]:
            h = jax.nn.relu(layer(h, label))
        return self.layers[-1](jnp.concatenate([h, x], axis=-1) if self.direct else h, label)

    def redraw(self, key: Key[Array, ""], ordering: Int[Array, " d"]) -> None:
        """Replace all masks, for the given ordering and new degrees."""
        hidden_sizes = [m.size for m in self.degrees[1:]]
        for old, new in zip(self.degrees, draw_degrees(key, ordering, hidden_sizes), strict=True):
            old[...] = new
        for layer, mask in zip(self.layers, self._masks(), strict=True):
            layer.mask[...] = mask

    def sample(self, groups: Sequence[int], pick: Any, steps: Any, num_samples: int, label: Any) -> Array:
        """`sample_masked_network` with these parameters."""
        layers = []
        for layer in self.layers:
            rest = jnp.broadcast_to(layer.offset(), (num_samples, layer.bias.size))
            rest = rest if layer.label_kernel is None else rest + layer.label_kernel[...][label]
            layers.append((layer.kernel[...] * layer.mask[...], rest))
        return sample_masked_network(layers, [m[...] for m in self.degrees], groups, pick, steps)


class Made(BinaryAutoregressive):
    """All conditionals in one pass: h_0 = x, h_l = relu(b_l + h_{l−1} (W_l ⊙ M_l)), logits = c + h_L (V ⊙ M).

    With no hidden layer it is a fully visible sigmoid belief network: one logistic regression a pixel.
    A sample costs about as much as one pass: in step d only the hidden units of degree d are computed.

    Args: as `BinaryAutoregressive`, and hidden_sizes: width of each layer (D − 1 units can hold every degree);
        mask_key: draws the degrees of the hidden units, which are spread evenly without it;
        degrees: those of each hidden layer, given; direct: also connect inputs to outputs, masked;
        num_classes: classes of p(x | label); the label enters every layer, unmasked;
        see_mask: weights that tell each unit which connections it has, for training with `redrawn` masks.
    Source: Germain et al. 2015 (arXiv:1502.03509). Taught in: 02_autoregressive, "MADE"
    """

    def __init__(
        self, num_inputs: int, hidden_sizes: Sequence[int], *,
        ordering: ArrayLike | list | tuple | None = None, mask_key: Key[Array, ""] | None = None,
        degrees: Sequence[ArrayLike] | None = None, direct: bool = False, num_classes: int | None = None,
        see_mask: bool = False, rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        super().__init__(num_inputs, ordering, num_classes)
        order = np.arange(num_inputs) if ordering is None else np.asarray(ordering)
        spread = made_degrees(order, hidden_sizes, mask_key)
        if degrees is not None:
            spread[1:] = require_degrees(degrees, num_inputs, hidden_sizes)
        self.network = MaskedNetwork(spread, direct=direct, num_classes=num_classes, see_mask=see_mask, rngs=rngs)

    @property
    def layers(self) -> Sequence[MaskedLinear]:
        """The masked layers, from the inputs to the logits."""
        return self.network.layers

    def conditional_logits(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch d"]:
        """Log-odds of each pixel being 1 given its predecessors, indexed by pixel; x may hold any real numbers."""
        x = events(x, (self.num_inputs,), "Made")
        return self.network(x, self.labels(label, x.shape[:-1]))

    def redrawn(self, key: Key[Array, ""], ordering: Int[Array, " d"] | None = None) -> "Made":
        """The same parameters under new masks: another ordering (or the given one) and new degrees, all from the key.

        Works inside compiled code. Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4.1–4.2.
        """
        order_key, degree_key = jax.random.split(key)
        member = nnx.clone(self)
        member.ordering[...] = jax.random.permutation(order_key, self.num_inputs) if ordering is None else ordering
        member.network.redraw(degree_key, member.ordering[...])
        return member

    def plan(self) -> tuple[int, ...]:
        """How many units a step computes in each layer."""
        return largest_groups([m[...] for m in self.network.degrees])

    def draw(
        self, key: Key[Array, ""], num_samples: int, plan: tuple[int, ...], request: Request
    ) -> Float[Array, "n d"]:
        """One loop over the pixels; each hidden unit is computed when its last input has been drawn."""
        steps = choices(key, self.ordering[...], request)
        pick = lambda out, now: choose(out[0], now, request.temperature)  # noqa: E731
        return self.network.sample(plan, pick, steps, num_samples, request.label)
