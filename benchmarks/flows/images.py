"""Bits per pixel of flows on grey images: uniform dequantization, logit, and a flow in logit space.

Every batch gets fresh noise. A learned shift and scale of each pixel, which start as the data's mean and deviation,
lie between the flow and the logits. Bits per pixel follow the formula of the MAF paper (arXiv:1705.07057).
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.density.neural import parameters, train
from benchmarks.flows.run import Record, Run
from course_lib.data.digits import digits_8x8
from course_lib.flows import MAF, Affine, Chain, Flow, Logit, RealNVP, SplineTransformer, dequantize, logit_bits_per_dim

DRAWS = 4  # of the noise, for each image that is scored


def logits_of(key: Any, levels: Any, alpha: float, num_levels: int) -> jax.Array:
    """Grey levels with noise, as numbers on the whole line."""
    y = dequantize(key, levels, num_levels)
    return Logit(y.shape[-1], alpha).inverse(y)[0]


def logit_loss(alpha: float, num_levels: int) -> Callable[[Any, Any, Any], jax.Array]:
    """−log p(z) in nats of a batch of grey levels, averaged; the noise comes from the key."""
    return lambda model, levels, key: -model.log_prob(logits_of(key, levels, alpha, num_levels)).mean()


def standardized(body: Flow, levels: np.ndarray, alpha: float, num_levels: int) -> Flow:
    """The flow, followed by a learned shift and scale of each pixel: they start as those of the training images."""
    z = np.asarray(logits_of(jax.random.key(0), jnp.asarray(levels[:10_000]), alpha, num_levels))
    return Flow(body.num_dims, Chain([body.bijection, Affine(z.mean(axis=0), z.std(axis=0))]))


@partial(jax.jit, static_argnums=(0, 4, 5))
def score_batch(graphdef: Any, state: Any, levels: jax.Array, key: Any, alpha: float, num_levels: int) -> jax.Array:
    """Bits per pixel and log p(z) of a batch, with one draw of the noise."""
    z = logits_of(key, levels, alpha, num_levels)
    log_p = nnx.merge(graphdef, state).log_prob(z)
    return jnp.stack([logit_bits_per_dim(log_p, z, alpha, num_levels), log_p])


def score(
    model: Any, levels: np.ndarray, key: Any, alpha: float, num_levels: int, draws: int = DRAWS, batch: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """Bits per pixel and log p(z) of each image, averaged over `draws` of the noise."""
    (graphdef, state), total = nnx.split(model), np.zeros((2, len(levels)))
    for draw, start in np.ndindex(draws, -(-len(levels) // batch)):
        rows = jnp.asarray(levels[start * batch : (start + 1) * batch])
        noise = jax.random.fold_in(jax.random.fold_in(key, draw), start)
        both = score_batch(graphdef, state, rows, noise, alpha, num_levels)
        total[:, start * batch : start * batch + len(rows)] += np.asarray(both, np.float64) / draws
    return total[0], total[1]


def image_record(run: Run, data: str, name: str, model: Any, parts: tuple, alpha: float, num_levels: int) -> Record:
    """Validation and test of a trained model; parts: the two sets of grey levels."""
    (valid, _), (test, log_p) = (
        score(model, x, run.key(f"{data} {name}"), alpha, num_levels) for name, x in zip(("v", "t"), parts, strict=True)
    )
    return {
        "data": data, "model": name, "bits_per_pixel": float(test.mean()),
        "standard_error": float(test.std(ddof=1) / len(test) ** 0.5), "valid_bits_per_pixel": float(valid.mean()),
        "test_log_prob_nats": float(log_p.mean()), "parameters": parameters(model), "alpha": alpha,
        "num_levels": num_levels, "seed": run.seed,
    }  # fmt: skip


HIDDEN, DECAYS, DIGITS_ALPHA, GREY = (64, 256), (0.0, 0.3), 1e-3, 17
DIGITS: dict[str, Callable[[int, nnx.Rngs], Flow]] = {
    "RealNVP(8)": lambda width, rngs: RealNVP(64, 8, [width], rngs=rngs),
    "MAF(5)": lambda width, rngs: MAF(64, 5, [width], stacked=False, rngs=rngs),
    "MAF(3), spline": lambda width, rngs: MAF(64, 3, [width], transformer=SplineTransformer(8, 5.0), rngs=rngs),
}


def digits(run: Run, names: tuple[str, ...] = tuple(DIGITS), epochs: int = 300) -> Iterator[Record]:
    """8×8 digits of 17 grey levels. Width, weight decay and the epoch to stop at are chosen on validation."""
    data = digits_8x8(run.seed)
    train_x, valid_x, test_x = (
        np.round(16 * part.images).astype(np.uint8).reshape(-1, 64) for part in (data.train, data.valid, data.test)
    )
    loss, settings = logit_loss(DIGITS_ALPHA, GREY), [(width, decay) for width in HIDDEN for decay in DECAYS]
    many = jnp.asarray(np.repeat(valid_x, 4, axis=0))  # four draws of the noise
    for i, name in enumerate(names):
        begin, cpu, best, cut = time.monotonic(), time.process_time(), None, False
        deadline = begin + max(run.left, 0.0) / (len(names) - i)
        for j, (width, decay) in enumerate(settings):
            if best is not None and time.monotonic() > deadline:
                cut = True
                break
            model = standardized(DIGITS[name](width, nnx.Rngs(run.seed)), train_x, DIGITS_ALPHA, GREY)
            optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3, weight_decay=decay)
            course = train(
                model, loss, jnp.asarray(train_x), many, validation_loss=loss, key=run.key(name), optimizer=optimizer,
                epochs=epochs, batch_size=64, patience=30, average=0.9, name=f"{name} {width}",
                deadline=time.monotonic() + (deadline - time.monotonic()) / (len(settings) - j),
                rate=lambda progress: 1e-3 * (1 + np.cos(np.pi * progress)) / 2,
            )  # fmt: skip
            cut = cut or course.cut
            if best is None or course.best < best[0]:
                best = course.best, model, {"hidden": width, "weight_decay": decay, "epochs": course.epochs}
        assert best is not None
        row = image_record(run, "digits", name, best[1], (valid_x, test_x), DIGITS_ALPHA, GREY)
        seconds, cpu_seconds = time.monotonic() - begin, time.process_time() - cpu
        yield {"part": "digits", **row, **best[2], "seconds": seconds, "cpu_seconds": cpu_seconds, "cut_by_clock": cut}
