"""DARN: hidden bits trained on a bound, with the FVSBN's L1 penalty on the arrows between pixels."""

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.density.logistic import choose_penalty
from benchmarks.density.neural import train
from benchmarks.density.run import Row, Run
from course_lib.autoregressive import Darn, description_length

# hidden bits, penalty in units of the FVSBN's, epochs of the warm-up and of the training at the full price
CANDIDATES = ((8, 1.0, 30, 270), (4, 1.0, 30, 270), (12, 0.5, 40, 360))
BATCH, RATE, CHEAP, MOST_ENUMERATED = 100, 1e-2, 0.3, 8


def penalized(kl_weight: float, strength: float, scale: Any) -> Callable:
    """The description length plus λ Σ_ij s_i |W_ij| over pixels i → j, s_i the standard deviation of pixel i."""

    def loss(model: Darn, x: Any, key: Any) -> Any:
        layer = model.joint.layers[0]
        between = (layer.kernel[...] * layer.mask[...])[model.num_latents :]
        return description_length(model, x, key, kl_weight) + strength * (scale[:, None] * jnp.abs(between)).sum()

    return loss


def fit_darn(
    run: Run, hidden: int, strength: float, epochs: tuple[int, int], deadline: float
) -> tuple[Darn, int, bool]:
    """One DARN without hidden layers: cheap hidden bits first, then the bound; the best state on validation."""
    x, key = jnp.asarray(run.data.train, float), run.key(f"darn {hidden}")
    model = Darn(run.data.num_inputs, hidden, encoder_sizes=(64,), rngs=nnx.Rngs(run.seed))
    layer, odds = model.joint.layers[0], (x.sum(axis=0) + 0.5) / (len(x) - x.sum(axis=0) + 0.5)
    layer.bias[...] = jnp.concatenate([jnp.zeros(hidden), jnp.log(odds)])
    layer.kernel[...] = layer.kernel[...].at[hidden:].set(0.0).at[:hidden, hidden:].multiply(3.0)
    done, cut, begin = 0, False, time.monotonic()
    for stage, weight in enumerate((CHEAP, 1.0)):
        rate = (lambda t: RATE * (0.05 + 0.475 * (1 + math.cos(math.pi * t)))) if stage else None
        course = train(
            model, penalized(weight, strength, jnp.maximum(x.std(axis=0), 1e-3)), x, jnp.asarray(run.data.valid, float),
            validation_loss=lambda m, y, k: -m.elbo(k, y, 8).mean(), key=jax.random.fold_in(key, stage),
            optimizer=optax.inject_hyperparams(optax.adam)(learning_rate=RATE), epochs=epochs[stage],
            batch_size=min(BATCH, len(x)), patience=40 if stage else 10**6, every=4 if stage else 1,
            deadline=deadline if stage else begin + 0.4 * (deadline - begin), name=f"darn {hidden}", rate=rate,
        )  # fmt: skip
        done, cut = done + course.epochs, course.cut
    return model, done, cut


def darn(run: Run) -> Row:
    """The best of a few on validation; exact by enumeration for few hidden bits, otherwise a bound from 200 draws."""
    penalties, _, _ = choose_penalty(run)
    score = nnx.jit(Darn.iwae, static_argnames="num_samples")
    best, longest = None, 0.0
    for hidden, factor, *epochs in CANDIDATES:
        if best and time.monotonic() + 0.6 * longest > run.deadline:
            break
        start, left = time.monotonic(), len(CANDIDATES) - CANDIDATES.index((hidden, factor, *epochs))
        deadline = start + 0.9 * (run.deadline - start) / left
        model, done, cut = fit_darn(run, hidden, factor * penalties[-1], tuple(epochs), deadline)
        value = float(score(model, run.key("value"), run.data.valid, num_samples=50).mean())
        if best is None or value > best[0]:
            best = value, model, done, cut, {"hidden_bits": hidden, "penalty": round(factor * penalties[-1], 6)}
        longest = max(longest, time.monotonic() - start)
    _, model, done, cut, settings = best
    exact = model.num_latents <= MOST_ENUMERATED
    if exact:
        sides = [np.asarray(nnx.jit(Darn.exact_log_prob)(model, y)) for y in (run.data.valid, run.data.test)]
    else:
        sides = [np.asarray(score(model, run.key("x"), y, num_samples=200)) for y in (run.data.valid, run.data.test)]
    layer = model.joint.layers[0]
    size = int((np.abs(layer.kernel[...] * layer.mask[...]) > 1e-3).sum()) + layer.bias.size
    return Row("darn", *sides, size, done, settings, cut, bound=not exact)
