"""What all autoregressive models of binary vectors share: the chain rule, sampling in order, the loss."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.chain_rule import chain_rule_log_prob
from course_lib.autoregressive.sampling import Request, make_request
from course_lib.validation import (
    events,
    is_concrete,
    require_binary,
    require_classes,
    require_permutation,
    whole_number,
)


class Fixed(nnx.Variable):
    """Numbers of a model that training leaves alone: masks, orderings."""


def sample_in_order(
    conditional_logits: Callable, ordering: Int[Array, " d"], key: Key[Array, ""], num_samples: int
) -> Float[Array, "{num_samples} d"]:
    """Ancestral sampling: x_{o_d} ~ Bernoulli(σ(logits_{o_d}(x_{o_{<d}}))) for d = 1, …, D.

    Args: conditional_logits: (n, d) values → (n, d) logits, indexed by pixel; pixels not drawn yet are 0.
    Taught in: 02_autoregressive, "Sampling in order"
    """

    def draw(x, step):
        pixel, step_key = step
        p = jax.nn.sigmoid(conditional_logits(x)[:, pixel])
        return x.at[:, pixel].set(jax.random.bernoulli(step_key, p).astype(float)), None

    steps = (ordering, jax.random.split(key, len(ordering)))
    x, _ = jax.lax.scan(draw, jnp.zeros((num_samples, len(ordering))), steps)
    return x


class BinaryAutoregressive(nnx.Module):
    """A subclass says how the conditionals are computed; the chain rule does the rest.

    Args: num_inputs: number D of pixels; ordering: pixel o_d is the d-th to be predicted (None: 0, …, D − 1);
        num_classes: how many classes there are, if the model is p(x | label).
    Raises: ValueError: a size below 1, an ordering that is no permutation.
    """

    completes_any_subset = False

    def __init__(
        self, num_inputs: int, ordering: ArrayLike | list | tuple | None = None, num_classes: int | None = None
    ) -> None:
        whole_number(num_inputs, "num_inputs")
        if num_classes is not None:
            whole_number(num_classes, "num_classes")
        order = np.arange(num_inputs) if ordering is None else np.asarray(ordering)
        self.num_inputs, self.num_classes = num_inputs, num_classes
        self.ordering = Fixed(jnp.asarray(require_permutation(order, num_inputs)))

    def conditional_logits(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch d"]:
        """Log-odds of each pixel being 1 given its predecessors, indexed by pixel; x may hold any real numbers."""
        raise NotImplementedError

    def log_prob(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch"]:
        """Log-probability in nats, given the label if the model was built for labels.

        Raises: ValueError: wrong number of pixels; values other than 0 and 1; a label that is missing, not expected,
            or not one of 0, …, num_classes − 1.
        """
        x = events(x, (self.num_inputs,), type(self).__name__)
        require_binary(x)
        return chain_rule_log_prob(x, self.conditional_logits(x, label))

    def sample(
        self, key: Key[Array, ""], shape: tuple[int, ...] = (), label: ArrayLike | None = None, *,
        temperature: ArrayLike = 1.0, given: ArrayLike | None = None, known: ArrayLike | None = None,
    ) -> Float[Array, "*shape d"]:  # fmt: skip
        """Independent samples, drawn pixel by pixel in the model's ordering by one compiled loop.

        Args:
            label: for a model with labels, one class or an array of `shape`.
            temperature: every logit is divided by it: below 1 likely pixels become likelier.
            given, known: pixels (d,) or (*shape, d), and which of them (d,) to keep; the others are drawn given these.
        Raises: ValueError: `known` is not the beginning of the ordering (a model without a fixed ordering takes any
            subset); labels as in `log_prob`; wrong shapes.
        """
        request = make_request(self.num_inputs, shape, temperature, given, known, require_binary)
        ordering = self.ordering[...]
        if not self.completes_any_subset and is_concrete(request.known) and is_concrete(ordering):
            kept = np.asarray(request.known)[np.asarray(ordering)]
            if (np.diff(kept) > 0).any():
                raise ValueError(
                    f"known keeps pixel {int(ordering[kept.nonzero()[0][-1]])}, but not all of its predecessors in the "
                    "ordering; keep the first pixels of model.ordering, or use OrderlessNade, which takes any subset."
                )
        labels, n = self.labels(label, shape), int(np.prod(shape))
        request = request._replace(label=None if labels is None else labels.reshape(n))
        return _compiled_draw(*nnx.split(self), key, n, self.plan(), request).reshape(*shape, self.num_inputs)

    def plan(self) -> Any:
        """What `draw` must know before it is compiled (hashable)."""
        return None

    def draw(self, key: Key[Array, ""], num_samples: int, plan: Any, request: Request) -> Float[Array, "n d"]:
        """What `sample` compiles: one full pass a pixel. A subclass that can do better replaces it."""
        certain = jnp.where(request.given > 0, jnp.inf, -jnp.inf)
        known = jnp.broadcast_to(request.known > 0, certain.shape)

        def logits(x: Array) -> Array:
            return jnp.where(known, certain, self.conditional_logits(x, request.label) / request.temperature)

        return sample_in_order(logits, self.ordering[...], key, num_samples)

    def labels(self, label: ArrayLike | None, batch: tuple[int, ...]) -> Int[Array, "..."] | None:
        """As `labels_of`."""
        return labels_of(type(self).__name__, self.num_classes, label, batch)


def labels_of(
    owner: str, num_classes: int | None, label: ArrayLike | None, batch: tuple[int, ...]
) -> Int[Array, "..."] | None:
    """One label for each example if the model was built for labels, and only then.

    Raises: ValueError: a label that is missing, not expected, of another shape, or not one of 0, …, num_classes − 1.
    """
    if (label is None) != (num_classes is None):
        wanted = "no label" if num_classes is None else "one"
        raise ValueError(f"label is {label}; {owner} was built with num_classes={num_classes}: give {wanted}.")
    if label is None or num_classes is None:
        return None
    require_classes(label, num_classes)
    labels = jnp.asarray(label, int)
    if labels.shape not in ((), batch):
        raise ValueError(f"label has shape {labels.shape}; expected one integer, or integers of shape {batch}.")
    return jnp.broadcast_to(labels, batch)


@partial(jax.jit, static_argnums=(0, 3, 4))
def _compiled_draw(graphdef, state, key, num_samples, plan, request):
    return nnx.merge(graphdef, state).draw(key, num_samples, plan, request)


def negative_log_likelihood(model: Any, batch: ArrayLike | tuple, key: Array | None) -> Float[Array, ""]:
    """The loss: −log p(x) in nats, summed over pixels, averaged over the batch: x, or (x, label). No key is used."""
    return -model.log_prob(*(batch if isinstance(batch, tuple) else (batch,))).mean()
