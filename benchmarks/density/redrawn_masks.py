"""MADE whose masks are drawn anew for each batch, and ensembles of readings: what only this benchmark trains."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive import Made, ensemble_log_prob
from course_lib.compiled import compiled
from course_lib.networks import Fixed, MaskedLinear, MaskedNetwork, made_degrees, zeros
from course_lib.validation import events, require_binary


def draw_degrees(
    key: Key[Array, ""], ordering: Int[Array, " d"], hidden_sizes: Sequence[int]
) -> list[Int[Array, " _"]]:
    """Degrees as in `made_degrees`, all hidden ones uniform on 1…D − 1, unsorted, and drawn inside compiled code.

    A unit may end up without an input or an output; training with new degrees for each batch gives it its turn.

    Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4.2.
    """
    largest = max(ordering.size - 1, 1)
    keys = jax.random.split(key, len(hidden_sizes))
    hidden = [jax.random.randint(k, (width,), 1, largest + 1) for k, width in zip(keys, hidden_sizes, strict=True)]
    return [jnp.argsort(ordering) + 1, *hidden]


class SeesMask(MaskedLinear):
    """A `MaskedLinear` that adds the sum over the inputs of U ⊙ M, so that it knows which connections it has."""

    def __init__(self, mask: Float[Array, "inputs outputs"], **settings: Any) -> None:
        super().__init__(mask, **settings)
        self.sight_kernel = nnx.Param(zeros(None, mask.shape))

    def offset(self) -> Float[Array, " outputs"]:
        return self.bias[...] + (self.sight_kernel[...] * self.mask[...]).sum(axis=0)


class RedrawnMade(Made):
    """A `Made` of bits whose units see their masks, and which can be read under other masks."""

    def __init__(
        self, num_inputs: int, hidden_sizes: Sequence[int], *, ordering: ArrayLike | list | None = None,
        direct: bool = False, rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        super().__init__(num_inputs, hidden_sizes, ordering=ordering, direct=direct, rngs=rngs)
        degrees = made_degrees(np.asarray(self.ordering[...]), hidden_sizes)
        self.network = MaskedNetwork(degrees, direct=direct, layer_type=SeesMask, rngs=rngs)

    def redrawn(self, key: Key[Array, ""], ordering: Int[Array, " d"] | None = None) -> "RedrawnMade":
        """The same parameters under new masks: another ordering (or the given one) and new degrees, all from the key.

        Works inside compiled code. Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4.1–4.2.
        """
        order_key, degree_key = jax.random.split(key)
        member = nnx.clone(self)
        member.ordering[...] = jax.random.permutation(order_key, self.num_inputs) if ordering is None else ordering
        network = member.network
        degrees = draw_degrees(degree_key, member.ordering[...], [m.size for m in network.degrees[1:]])
        for old, new in zip(network.degrees, degrees, strict=True):
            old[...] = new
        for layer, mask in zip(network.layers, network.masks(), strict=True):
            layer.mask[...] = mask
        return member


def redrawn_loss(model: Any, batch: ArrayLike, key: Key[Array, ""], keys: Key[Array, " k"] | None = None) -> Array:
    """−log p(x) under masks drawn anew for each batch (nats, mean over the batch).

    Args: model: a `RedrawnMade` (ordering and connectivity are redrawn) or an `OrderlessNade` (the ordering);
        keys: take one of these K mask sets each time (`functools.partial(redrawn_loss, keys=keys)`).
    Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4.1–4.2.
    """
    if keys is not None:
        key = jax.random.clone(keys)[jax.random.randint(key, (), 0, len(keys))]  # the same keys again, on purpose
    return -model.redrawn(key).log_prob(batch).mean()


class Ensemble(nnx.Module):
    """The equal mixture of K readings of one model: p(x) = (1/K) Σ_k p_k(x), with p_k = `model.redrawn(keys[k])`.

    Args: model: a `RedrawnMade` or an `OrderlessNade`; keys: one for each member.
    Source: Uria et al. 2014 (arXiv:1310.1757), sec. 3 (EoNADE); Germain et al. 2015 (arXiv:1502.03509), sec. 4.2.
    """

    def __init__(self, model: Any, keys: Key[Array, " k"]) -> None:
        self.model, self.keys = model, Fixed(keys)

    def log_prob(self, x: ArrayLike) -> Float[Array, "*batch"]:
        """Log-probability in nats: logsumexp_k log p_k(x) − log K; one member after the other."""
        x = events(x, (self.model.num_inputs,), "Ensemble")
        require_binary(x)
        return _ensemble_log_prob(self, x)


@compiled
def _ensemble_log_prob(ensemble: Ensemble, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
    keys = jax.random.clone(ensemble.keys[...])
    return ensemble_log_prob(jax.lax.map(lambda key: ensemble.model.redrawn(key).log_prob(x), keys))
