"""What all autoregressive models share: the chain rule, labels, samples in order, the loss."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.sampling import Choose, Request, chooser, make_request
from course_lib.compiled import compiled
from course_lib.distributions import Bernoulli, Distribution, require_distribution
from course_lib.networks import Fixed
from course_lib.validation import events, is_concrete, require_classes, require_permutation, whole_number

BITS = Bernoulli()


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


class Autoregressive(nnx.Module):
    """p(x) = Π_t p(x_{o_t} | x_{o_{<t}}). A subclass says what may depend on what, `likelihood` what one variable is.

    A subclass gives `parameters`. If it can sample faster than by one full pass a variable, it replaces `draw`.

    Args: event_shape: of x; its D entries, row by row, are the variables; likelihood: of each of them; ordering:
        variable o_t is the t-th to be predicted (None: 0, …, D − 1); num_classes: of the labels, if it is p(x | label).
    Raises: ValueError: a size below 1, an ordering that is no permutation, a likelihood that is no distribution.
    Source: Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "From conditionals to pixels"
    """

    completes_any_subset = False

    def __init__(
        self,
        event_shape: Sequence[int],
        likelihood: Distribution = BITS,
        ordering: ArrayLike | list | tuple | None = None,
        num_classes: int | None = None,
    ) -> None:
        self.event_shape = tuple(whole_number(size, "a size of the event") for size in event_shape)
        self.num_inputs, self.likelihood = math.prod(self.event_shape), require_distribution(likelihood)
        self.num_classes = None if num_classes is None else whole_number(num_classes, "num_classes")
        order = np.arange(self.num_inputs) if ordering is None else np.asarray(ordering)
        self.ordering = Fixed(jnp.asarray(require_permutation(order, self.num_inputs)))

    def parameters(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event p"]:
        """The numbers of every variable's conditional given its predecessors; x may hold any real numbers.

        Raises: ValueError: a wrong shape; a label that is missing, not expected, or no class of the model.
        """
        raise NotImplementedError

    def conditional_logits(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event"]:
        """Log-odds of each bit being 1 given its predecessors. Raises: ValueError: the variables are no bits."""
        if not isinstance(self.likelihood, Bernoulli):
            raise ValueError(f"the likelihood is {self.likelihood}, which has no logits of bits; ask for `parameters`.")
        return self.parameters(x, label)[..., 0]

    def log_probs(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event"]:
        """Each factor of the chain rule, log p(x_d | its predecessors), in nats. Raises: ValueError: as `log_prob`."""
        x = events(x, self.event_shape, type(self).__name__)
        self.likelihood.check(x)
        return _log_probs(self, x, self.labels(label, x.shape[: x.ndim - len(self.event_shape)]))

    def log_prob(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch"]:
        """log p(x), or log p(x | label), in nats: the sum of `log_probs`.

        Raises: ValueError: a wrong shape; values that the likelihood does not have; a label that is missing, not
            expected, or not one of 0, …, num_classes − 1.
        """
        return self.log_probs(x, label).sum(axis=tuple(range(-len(self.event_shape), 0)))

    def sample(
        self,
        key: Key[Array, ""],
        shape: tuple[int, ...] = (),
        label: ArrayLike | None = None,
        *,
        temperature: ArrayLike = 1.0,
        given: ArrayLike | None = None,
        known: ArrayLike | None = None,
    ) -> Float[Array, "*shape_and_event"]:
        """Independent samples, drawn variable by variable in the model's ordering by one compiled loop.

        Args:
            label: for a model with labels, one class or an array of `shape`.
            temperature: every conditional is p^(1/temperature), normalized; below 1 samples are more typical.
            given, known: values (*event) or (*shape, *event), and which of them (*event) to keep; the others are drawn
                given these.
        Raises: ValueError: `known` is not the beginning of the ordering (a model without a fixed ordering takes any
            subset); labels as in `log_prob`; wrong shapes; a temperature that is not positive.
        """
        request = make_request(self.event_shape, shape, temperature, given, known, self.likelihood)
        ordering = self.ordering[...]
        if not self.completes_any_subset and is_concrete(request.known) and is_concrete(ordering):
            kept = np.asarray(request.known)[np.asarray(ordering)]
            if (np.diff(kept) > 0).any():
                raise ValueError(
                    f"known keeps pixel {int(ordering[kept.nonzero()[0][-1]])}, but not all of its predecessors in the "
                    "ordering; keep the first pixels of model.ordering, or use OrderlessNade, which takes any subset."
                )
        labels = self.labels(label, shape)
        request = request._replace(label=None if labels is None else labels.reshape(len(request.given)))
        return _draw(self, key, self.plan(), request).reshape(*shape, *self.event_shape)

    def plan(self) -> Any:
        """What `draw` must know before it is compiled (hashable)."""
        return None

    def order_for(self, known: Float[Array, " d"]) -> Int[Array, " d"]:
        """The sequence in which variables are drawn if the known ones are kept."""
        del known
        return self.ordering[...]

    def draw(
        self, choose: Choose, order: Int[Array, " d"], num_samples: int, plan: Any, label: Int[Array, " n"] | None
    ) -> Float[Array, "n d"]:
        """What `sample` compiles: one full pass a variable.

        Args: choose: from the numbers (n, p) of variable o_t, and t, to its n values.
        """
        shape = (num_samples, self.num_inputs)

        def step(x: Array, t: Array) -> tuple[Array, None]:
            images = x.reshape(num_samples, *self.event_shape)
            numbers = self.parameters(images, label).reshape(*shape, self.likelihood.num_parameters)
            return x.at[:, order[t]].set(choose(numbers[:, order[t]], t)), None

        return jax.lax.scan(step, jnp.zeros(shape), jnp.arange(self.num_inputs))[0]

    def labels(self, label: ArrayLike | None, batch: tuple[int, ...]) -> Int[Array, "..."] | None:
        """One label for each example if the model was built for labels, and only then.

        Raises: ValueError: a label that is missing, not expected, of another shape, or no class of the
            model.
        """
        if (label is None) != (self.num_classes is None):
            wanted = "no label" if self.num_classes is None else "one"
            owner = type(self).__name__
            raise ValueError(f"label is {label}; {owner} was built with num_classes={self.num_classes}: give {wanted}.")
        if label is None or self.num_classes is None:
            return None
        require_classes(label, self.num_classes)
        labels = jnp.asarray(label, int)
        if labels.shape not in ((), batch):
            raise ValueError(f"label has shape {labels.shape}; expected one integer, or integers of shape {batch}.")
        return jnp.broadcast_to(labels, batch)


@compiled
def _log_probs(
    model: Autoregressive, x: Float[Array, "*batch_and_event"], label: Int[Array, "..."] | None
) -> Float[Array, "*batch_and_event"]:
    return model.likelihood.log_prob(x, model.parameters(x, label))


@compiled(static=("plan",))
def _draw(model: Autoregressive, key: Key[Array, ""], plan: Any, request: Request) -> Float[Array, "n d"]:
    order = model.order_for(request.known)
    choose = chooser(model.likelihood, key, order, request)
    return model.draw(choose, order, len(request.given), plan, request.label)


def negative_log_likelihood(model: Any, batch: ArrayLike | tuple, key: Array | None) -> Float[Array, ""]:
    """The loss: −log p(x) in nats, averaged over the batch: x, or (x, label). No key is used."""
    return -model.log_prob(*(batch if isinstance(batch, tuple) else (batch,))).mean()
