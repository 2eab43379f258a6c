"""One network for every ordering: orderless NADE, training that is agnostic of the ordering, ensembles."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Int, Key

from course_lib.autoregressive.chain_rule import ensemble_log_prob
from course_lib.autoregressive.model import BinaryAutoregressive, Fixed
from course_lib.autoregressive.sampling import Request, choices, choose
from course_lib.probability import bernoulli_log_prob
from course_lib.validation import events, is_concrete, require_binary, require_permutation, whole_number


class OrderlessNade(BinaryAutoregressive):
    """A network that predicts any pixel from any set of observed ones; with several hidden layers, DeepNADE.

    a = c + (x ⊙ m) W + m U,  h_1 = relu(a),  h_l = relu(b_l + h_{l−1} W_l),  logits = b + h_L V

    Here m = 1 for the observed pixels. An ordering makes it a density: pixel o_d is predicted with m = 1 on o_{<d}. The
    first layer is carried along, which costs O(D H_1) in all; the layers above it are computed anew for each pixel.

    Args: as `BinaryAutoregressive`, and hidden_sizes: width of each layer, at least one.
    Raises: ValueError: no hidden layer, a width below 1.
    Source: Uria et al. 2014 (arXiv:1310.1757); Uria et al. 2016 (arXiv:1605.02226), sec. 4–5.
    Taught in: 02_autoregressive, "An ensemble over orderings"
    """

    completes_any_subset = True

    def __init__(
        self, num_inputs: int, hidden_sizes: Sequence[int], *,
        ordering: ArrayLike | list | tuple | None = None, rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        super().__init__(num_inputs, ordering)
        if not hidden_sizes:
            raise ValueError(
                "hidden_sizes is empty; an orderless NADE needs at least one hidden layer, such as (500,)."
            )
        for width in hidden_sizes:
            whole_number(width, "a hidden size")
        sizes, initial = [2 * num_inputs, *hidden_sizes, num_inputs], nnx.initializers.he_normal()
        dtype = jax.dtypes.canonicalize_dtype(float)
        self.layers = nnx.List(
            [nnx.Linear(*pair, kernel_init=initial, param_dtype=dtype, rngs=rngs) for pair in pairwise(sizes)]
        )

    def logits(self, x: Float[Array, "*batch d"], observed: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        """Log-odds of every pixel given the observed ones (1; 0 for the others, whose values do not matter)."""
        a = self.layers[0](jnp.concatenate([x * observed, observed], axis=-1))
        return self.layers[-1](self._last_hidden(a))

    def _last_hidden(self, a: Float[Array, "*batch h"]) -> Float[Array, "*batch h_last"]:
        for layer in self.layers[1:-1]:
            a = layer(jax.nn.relu(a))
        return jax.nn.relu(a)

    def _in_order(self, ordering: Int[Array, " d"], num_rows: int, pick: Callable, steps: Any) -> tuple[Array, Array]:
        """Carry a along the ordering; x_d = pick(logit, row of steps). Values and logits, (d, n) each."""
        (kernel, bias), (output_kernel, output_bias) = (
            (jnp.asarray(layer.kernel), jnp.asarray(layer.bias)) for layer in (self.layers[0], self.layers[-1])
        )
        from_values, from_mask = jnp.split(kernel, 2)

        def step(a, now):
            w, u, v, b, choice = now
            logit = self._last_hidden(a) @ v + b
            x_d = pick(logit, choice)
            return a + jnp.tensordot(x_d, w, axes=0) + jnp.broadcast_to(u, a.shape), (x_d, logit)

        weights = (from_values[ordering], from_mask[ordering], output_kernel.T[ordering], output_bias[ordering])
        a_1 = jnp.broadcast_to(bias, (num_rows, bias.size))
        return jax.lax.scan(step, a_1, (*weights, steps))[1]

    def conditional_logits(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch d"]:
        """Log-odds of each pixel given its predecessors in the model's ordering, indexed by pixel."""
        x = events(x, (self.num_inputs,), "OrderlessNade")
        self.labels(label, x.shape[:-1])
        order, rows = self.ordering[...], x.reshape(-1, self.num_inputs)
        _, logits = self._in_order(order, len(rows), lambda logit, x_d: x_d, rows.T[order])
        return logits.T[:, jnp.argsort(order)].reshape(x.shape)

    def draw(self, key: Key[Array, ""], num_samples: int, plan: Any, request: Request) -> Float[Array, "n d"]:
        """The known pixels come first, whichever they are; then the others in the model's ordering."""
        order = known_first(self.ordering[...], request.known)
        pick = lambda logit, now: choose(logit, now, request.temperature)  # noqa: E731
        x, _ = self._in_order(order, num_samples, pick, choices(key, order, request))
        return x.T[:, jnp.argsort(order)]

    def with_ordering(self, ordering: ArrayLike | list | tuple) -> "OrderlessNade":
        """The same parameters, read in another ordering."""
        member = nnx.clone(self)
        traced = isinstance(ordering, Array) and not is_concrete(ordering)
        order = ordering if traced else require_permutation(np.asarray(ordering), self.num_inputs)
        member.ordering[...] = jnp.asarray(order)
        return member

    def redrawn(self, key: Key[Array, ""]) -> "OrderlessNade":
        """`with_ordering` for an ordering drawn from the key."""
        return self.with_ordering(jax.random.permutation(key, self.num_inputs))


def known_first(ordering: Int[Array, " d"], known: ArrayLike) -> Int[Array, " d"]:
    """The known pixels, then the others, both in the sequence of the ordering."""
    return ordering[jnp.argsort(jnp.asarray(known)[ordering] <= 0, stable=True)]


def orderless_loss(model: OrderlessNade, batch: ArrayLike, key: Key[Array, ""]) -> Float[Array, ""]:
    """An unbiased estimate of −log p(x) in nats, averaged over all orderings, from one pass for each example.

    d ~ uniform 0, …, D − 1;  O ~ uniform subset of d pixels;  loss = −D/(D − d) Σ_{i ∉ O} log p(x_i | x_O).

    Source: Uria et al. 2014 (arXiv:1310.1757), eq. 12. Taught in: 02_autoregressive, "An ensemble over orderings"
    """
    batch = events(batch, (model.num_inputs,), "OrderlessNade")
    require_binary(batch)
    x, d = batch, model.num_inputs
    split_key, subset_key = jax.random.split(key)
    split = jax.random.randint(split_key, (*x.shape[:-1], 1), 0, d)
    u = jax.random.uniform(subset_key, x.shape)
    observed = (u < jnp.take_along_axis(jnp.sort(u, axis=-1), split, axis=-1)).astype(float)
    log_p = bernoulli_log_prob(x, model.logits(x, observed)) * (1 - observed)
    return -(log_p.sum(axis=-1) * d / (1 - observed).sum(axis=-1)).mean()


def redrawn_loss(model: Any, batch: ArrayLike, key: Key[Array, ""], keys: Key[Array, " k"] | None = None) -> Array:
    """−log p(x) under masks drawn anew for each batch (nats, mean over the batch).

    Args: model: a `Made` (ordering and connectivity are redrawn) or an `OrderlessNade` (the ordering);
        keys: take one of these K mask sets each time (`functools.partial(redrawn_loss, keys=keys)`).
    Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4.1–4.2.
    """
    if keys is not None:
        key = jax.random.clone(keys)[jax.random.randint(key, (), 0, len(keys))]  # the same keys again, on purpose
    return -model.redrawn(key).log_prob(batch).mean()


class Ensemble(nnx.Module):
    """The equal mixture of K readings of one model: p(x) = (1/K) Σ_k p_k(x), with p_k = `model.redrawn(keys[k])`.

    Args: model: a `Made` or an `OrderlessNade`; keys: one for each member.
    Source: Uria et al. 2014 (arXiv:1310.1757), sec. 3 (EoNADE); Germain et al. 2015 (arXiv:1502.03509), sec. 4.2.
    """

    def __init__(self, model: Any, keys: Key[Array, " k"]) -> None:
        self.model, self.keys = model, Fixed(keys)

    def log_prob(self, x: ArrayLike) -> Float[Array, "*batch"]:
        """Log-probability in nats: logsumexp_k log p_k(x) − log K; one member after the other."""
        x = events(x, (self.model.num_inputs,), "Ensemble")
        require_binary(x)
        return _ensemble_log_prob(*nnx.split(self), x)

    def sample(self, key: Key[Array, ""], shape: tuple[int, ...] = ()) -> Float[Array, "*shape d"]:
        """For each sample a member is picked, then asked."""
        pick_key, *draw_keys = jax.random.split(key, len(self.keys) + 1)
        n = int(np.prod(shape))
        member = np.asarray(jax.random.randint(pick_key, (n,), 0, len(self.keys)))
        keys, most = jax.random.clone(self.keys[...]), np.bincount(member, minlength=1).max()
        x = np.zeros((n, self.model.num_inputs), np.float32)
        for k in np.unique(member):
            chosen = member == k
            x[chosen] = self.model.redrawn(keys[k]).sample(draw_keys[k], (int(most),))[: chosen.sum()]
        return jnp.asarray(x).reshape(*shape, self.model.num_inputs)


@partial(jax.jit, static_argnums=0)
def _ensemble_log_prob(graphdef: Any, state: Any, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
    ensemble = nnx.merge(graphdef, state)
    keys = jax.random.clone(ensemble.keys[...])
    return ensemble_log_prob(jax.lax.map(lambda key: ensemble.model.redrawn(key).log_prob(x), keys))
