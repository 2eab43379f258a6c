"""Dense layers without the connections that a mask removes: in one pass, each output sees its predecessors alone."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int

from course_lib.networks.fixed import Fixed
from course_lib.networks.initial_weights import fan_in_normal, zeros
from course_lib.networks.masks import masks_of_degrees


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

    Args: mask: (inputs, outputs); num_classes: if given, each class adds its own vector E[label], unmasked.
    """

    def __init__(
        self,
        mask: Float[Array, "inputs outputs"],
        *,
        num_classes: int | None = None,
        start_at_zero: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.kernel = nnx.Param((zeros if start_at_zero else fan_in_normal)(rngs.params(), mask.shape))
        self.bias = nnx.Param(zeros(None, mask.shape[1:]))
        self.mask = Fixed(mask)
        self.label_kernel = nnx.Param(zeros(None, (num_classes, mask.shape[1]))) if num_classes else None

    def offset(self) -> Float[Array, " outputs"]:
        """What is added whatever the input is: b."""
        return self.bias[...]

    def __call__(
        self, x: Float[Array, "*batch inputs"], label: Int[Array, "*batch"] | None = None
    ) -> Float[Array, "*batch outputs"]:
        y = masked_linear(x, self.kernel[...], self.offset(), self.mask[...])
        return y if self.label_kernel is None else y + self.label_kernel[...][label]


class MaskedNetwork(nnx.Module):
    """MADE: h_0 = x, h_l = a(b_l + h_{l−1} (W_l ⊙ M_l)); P numbers for each input, which see its predecessors alone.

    Args: degrees: of the inputs and of the hidden layers (`made_degrees`); outputs: P; direct: connections from the
        inputs to the outputs; activation: a; num_classes: the label enters every layer; num_context: the context
        enters the first layer; start_at_zero: the last layer's weights are 0; layer_type: `MaskedLinear`, or more.
    Source: Germain et al. 2015 (arXiv:1502.03509). Taught in: 02_autoregressive, "MADE";
        03a_masked_and_spline_flows, "MADE becomes MAF".
    """

    def __init__(
        self,
        degrees: Sequence[ArrayLike],
        outputs: int = 1,
        *,
        direct: bool = False,
        activation: Callable[[Array], Array] = jax.nn.relu,
        num_classes: int | None = None,
        num_context: int = 0,
        start_at_zero: bool = False,
        layer_type: type[MaskedLinear] = MaskedLinear,
        rngs: nnx.Rngs,
    ) -> None:
        self.outputs, self.direct, self.activation = outputs, direct and len(degrees) > 1, activation
        self.degrees = nnx.List([Fixed(jnp.asarray(m)) for m in degrees])
        *masks, last = self.masks()
        layers = [layer_type(mask, num_classes=num_classes, rngs=rngs) for mask in masks]
        layers.append(layer_type(last, num_classes=num_classes, start_at_zero=start_at_zero, rngs=rngs))
        self.layers = nnx.List(layers)
        start = zeros if start_at_zero and len(layers) == 1 else fan_in_normal
        reader = start(rngs.params(), (num_context, layers[0].bias.size)) if num_context else None
        self.context_kernel = None if reader is None else nnx.Param(reader)

    def masks(self) -> list[Array]:
        """One mask for each layer, as the degrees say."""
        *masks, last = masks_of_degrees([m[...] for m in self.degrees], self.direct)
        return [*masks, jnp.repeat(last, self.outputs, axis=1)]

    def __call__(
        self,
        x: Float[Array, "*batch d"],
        label: Int[Array, "*batch"] | None = None,
        context: Float[Array, "*batch c"] | None = None,
    ) -> Float[Array, "*batch d outputs"]:
        h, depth = x, len(self.layers)
        for number, layer in enumerate(self.layers, start=1):
            h = layer(jnp.concatenate([h, x], axis=-1) if self.direct and number == depth else h, label)
            if number == 1 and self.context_kernel is not None and context is not None:
                h = h + context @ self.context_kernel[...]
            h = self.activation(h) if number < depth else h
        return h.reshape(*x.shape, self.outputs)
