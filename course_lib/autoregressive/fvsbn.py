"""FVSBN: one logistic regression a pixel, with an L1 penalty that keeps few connections."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, ArrayLike, Float

from course_lib.autoregressive.model import BITS, Autoregressive
from course_lib.networks import Fixed, made_masks, masked_linear
from course_lib.validation import as_floats, events, require_binary, require_positive, whole_number


def soft_threshold(x: Float[Array, "*shape"], penalty: ArrayLike) -> Float[Array, "*shape"]:
    """argmin_z ½ (z − x)² + λ |z| = sign(x) max(|x| − λ, 0), for each entry.

    Source: Beck & Teboulle 2009 (doi:10.1137/080716542), eq. 1.5. Taught in: 02_autoregressive, "One table"
    """
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - jnp.broadcast_to(jnp.asarray(penalty), x.shape), 0)


class Fvsbn(Autoregressive):
    """The fully visible sigmoid belief network: logits = b + x (W ⊙ M), where M lets a pixel see its predecessors.

    Built with W = 0 and b = 0; `fvsbn_path` fits it.

    Args: num_inputs: D; ordering: as `Autoregressive`.
    Source: Frey 1998; Uria et al. 2016 (arXiv:1605.02226), sec. 2. Taught in: 02_autoregressive, "One table"
    """

    def __init__(self, num_inputs: int, *, ordering: ArrayLike | list | tuple | None = None) -> None:
        super().__init__((whole_number(num_inputs, "num_inputs"),), BITS, ordering)
        self.kernel = nnx.Param(jnp.zeros((num_inputs, num_inputs)))
        self.bias = nnx.Param(jnp.zeros(num_inputs))
        order = np.arange(num_inputs) if ordering is None else np.asarray(ordering)
        self.mask = Fixed(made_masks(order, ())[0])

    def parameters(self, x: ArrayLike, label: ArrayLike | None = None) -> Float[Array, "*batch_and_event p"]:
        x = events(x, self.event_shape, "Fvsbn")
        self.labels(label, x.shape[:-1])
        return masked_linear(x, self.kernel[...], self.bias[...], self.mask[...])[..., None]


@jax.jit
def fista(
    start: tuple,
    z: Float[Array, "n d"],
    x: Float[Array, "n d"],
    mask: Float[Array, "d d"],
    curvature: Any,
    penalty: Any,
    tolerance: Any,
    max_steps: Any,
) -> tuple[tuple, Any]:
    """Minimize mean_n Σ_d −log p(x_nd | z_n) + λ Σ|W| over (W, b), all pixels at once; logits = b + z (W ⊙ M).

    A gradient step of length 1/L from a point ahead of the last one, then `soft_threshold`; where the point ahead
    proves to be too far ahead, the momentum starts anew. One example, half 0 and half 1, stands at z = 0 for all pixels
    and keeps the biases finite.

    Args: start: (W, b); z: standardized x; curvature: an upper bound L of the Hessian's eigenvalues;
        tolerance: stop when no entry of L (change of W) is larger.
    Returns: (W, b) and the number of steps.
    Source: Beck & Teboulle 2009 (doi:10.1137/080716542), sec. 4; restart: O'Donoghue & Candès 2015 (arXiv:1204.3982).
    """
    n = len(x)

    def step(state: tuple) -> tuple:
        count, (w, b), (w_ahead, b_ahead), t, _ = state
        logits = z @ w_ahead
        error = (jax.nn.sigmoid(logits + jnp.broadcast_to(b_ahead, logits.shape)) - x) / n
        slope = error.sum(axis=0) + (jax.nn.sigmoid(b_ahead) - 0.5) / n
        w_new = soft_threshold((w_ahead - z.T @ error / curvature) * mask, penalty / curvature)
        b_new = b_ahead - slope / curvature
        too_far = jnp.sum((w_ahead - w_new) * (w_new - w)) > 0
        t_new = jnp.where(too_far, 1.0, (1 + jnp.sqrt(1 + 4 * t**2)) / 2)
        momentum = jnp.where(too_far, 0.0, (t - 1) / t_new)
        ahead = (w_new + momentum * (w_new - w), b_new + momentum * (b_new - b))
        return count + 1, (w_new, b_new), ahead, t_new, curvature * jnp.abs(w_new - w).max()

    state = (0, start, start, 1.0, jnp.inf)
    count, fitted, *_ = jax.lax.while_loop(lambda s: (s[0] < max_steps) & (s[-1] > tolerance), step, state)
    return fitted, count


def fvsbn_path(
    x: ArrayLike,
    penalties: Sequence[float] | np.ndarray | None = None,
    *,
    ordering: ArrayLike | list | tuple | None = None,
    max_steps: int = 500,
) -> Iterator[tuple[float, Fvsbn]]:
    """Fit one `Fvsbn` for each λ, from large to small, each from where the last one ended: (λ, model) pairs, lazily.

    Choose among them by a validation set, and stop asking when it gets worse. The penalty is λ Σ_ij s_i |W_ij|, where
    s_i is the standard deviation of pixel i: rare pixels are not penalized more than common ones.

    Args: x: (n, d), 0 or 1; penalties: λ > 0 in nats; 30 values from the smallest that leaves W = 0, each 1.4 times
        smaller than the last, if None.
    Raises: ValueError: x is not a matrix of 0 and 1; a penalty that is not positive; no permutation.
    Source: Friedman et al. 2010 (doi:10.18637/jss.v033.i01) for paths. Taught in: 02_autoregressive, "One table"
    """
    x = as_floats(x)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"x has shape {x.shape}; expected (n, d), one row an example, at least one of each.")
    require_binary(x)
    n, d = x.shape
    mean, scale = x.mean(axis=0), jnp.maximum(x.std(axis=0), 1e-3)
    z = (x - mean[None, :]) / scale[None, :]
    top = jax.lax.fori_loop(0, 50, lambda _, v: _unit(z.T @ (z @ v)), _unit(jnp.ones(d)))
    curvature = 0.25 * jnp.maximum(1.1 * jnp.sum((z @ top) ** 2) / n, 1 + 1 / n)
    mask = Fvsbn(d, ordering=ordering).mask[...]
    if penalties is None:
        largest = jnp.abs(z.T @ (x - mean[None, :]) / n * mask).max()
        penalties = 1.01 * float(jnp.maximum(largest, 1e-3)) / 1.4 ** np.arange(30)
    odds = (x.sum(axis=0) + 0.5) / (n - x.sum(axis=0) + 0.5)
    fitted = (jnp.zeros((d, d)), jnp.log(odds))
    for penalty in map(float, penalties):
        require_positive(penalty, "a penalty")
        fitted, _ = fista(fitted, z, x, mask, curvature, penalty, penalty / 30, max_steps)
        model = Fvsbn(d, ordering=ordering)
        model.kernel[...] = fitted[0] / scale[:, None]
        model.bias[...] = fitted[1] - mean @ model.kernel[...]
        yield penalty, model


def _unit(v: Array) -> Array:
    return v / jnp.maximum(jnp.linalg.norm(v), 1e-30)
