"""Spline flows on the densities in the plane: how far the test likelihood stays above the entropy."""

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from benchmarks.flows.run import Record, Run
from course_lib.data.toy import TOY_DENSITIES, ToyDensity
from course_lib.flows import SplineFlow, negative_log_likelihood
from course_lib.training import cosine_adam

LAYERS, HIDDEN, BINS = 6, [64], 8
STEPS, BATCH_SIZE, RATE, CHUNK = 5000, 512, 3e-3, 250
TEST_POINTS, SECONDS_EACH = 200_000, 60.0


def train(model: nnx.Module, density: ToyDensity, key: Any, steps: int, deadline: float) -> tuple[int, bool]:
    """Adam on fresh points in every step, its rate along half a cosine. Returns the steps and if the clock ended it."""
    optimizer = optax.chain(optax.clip_by_global_norm(5.0), cosine_adam(RATE, steps))
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)

    def step(state: Any, step_key: Any) -> tuple[Any, jax.Array]:
        params, opt_state = state
        batch = density.draw(step_key, BATCH_SIZE)
        loss, grad = jax.value_and_grad(lambda p: negative_log_likelihood(nnx.merge(graphdef, p, rest), batch))(params)
        change, opt_state = optimizer.update(grad, opt_state, params)
        return (optax.apply_updates(params, change), opt_state), loss

    chunk = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys))
    state, done, took = (params, optimizer.init(params)), 0, 0.0
    while done < steps and (done == 0 or time.monotonic() + took < deadline):
        begin, size = time.monotonic(), min(CHUNK, steps - done)
        state, losses = chunk(state, jax.random.split(jax.random.fold_in(key, done), size))
        losses.block_until_ready()
        took, done = (time.monotonic() - begin if done else 0.0), done + size
    nnx.update(model, state[0])
    return done, done < steps


def gap(model: Any, density: ToyDensity, key: Any, points: int = TEST_POINTS) -> dict[str, float]:
    """Test points under the flow q and under the truth p, in nats.

    gap = −mean log q − H(p), H by quadrature; its standard error. KL = mean (log p − log q) on the same points
    estimates the same number with less noise.
    """
    x = density.sample(key, points)
    log_q = np.asarray(jax.lax.map(model.log_prob, x, batch_size=10_000), np.float64)
    log_p = np.asarray(jax.lax.map(density.log_density, x, batch_size=10_000), np.float64)
    entropy = density.entropy()
    return {
        "entropy_nats": entropy, "test_nll_nats": float(-log_q.mean()), "gap_nats": float(-log_q.mean() - entropy),
        "standard_error": float(log_q.std(ddof=1) / points**0.5), "kl_nats": float((log_p - log_q).mean()),
    }  # fmt: skip


def toy(run: Run, names: tuple[str, ...] = tuple(TOY_DENSITIES), steps: int = STEPS) -> Iterator[Record]:
    """One recipe for every density. It was chosen on other draws than the test points."""
    for i, name in enumerate(names):
        begin, cpu = time.monotonic(), time.process_time()
        deadline = begin + min(SECONDS_EACH, max(run.left, 0.0) / (len(names) - i))
        density, model = TOY_DENSITIES[name], SplineFlow(2, LAYERS, HIDDEN, num_bins=BINS, rngs=nnx.Rngs(run.seed))
        done, cut = train(model, density, run.key(f"{name} train"), steps, deadline)
        seconds, cpu_seconds = time.monotonic() - begin, time.process_time() - cpu
        yield {
            "part": "toy", "density": name, "model": f"SplineFlow({LAYERS} layers, {HIDDEN})",
            **gap(model, density, run.key(f"{name} test")), "steps": done, "batch_size": BATCH_SIZE, "rate": RATE,
            "test_points": TEST_POINTS, "seconds": seconds, "cpu_seconds": cpu_seconds, "cut_by_clock": cut,
            "seed": run.seed,
        }  # fmt: skip
