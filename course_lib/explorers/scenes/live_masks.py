"""A fully visible sigmoid belief network that learns in the page, and what one wrong bit of its mask does."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.live import LiveTraining, live_training
from course_lib.explorers.marks import Image, Panel

BATCH, SAMPLES = 64, 16
STEPS = 4000  # of the run whose loss is the line


def live_masks_explorer(
    build: Callable[[nnx.Rngs], nnx.Module],
    loss: Callable[..., Any],
    images: np.ndarray,
    *,
    pixels: tuple[int, ...],
) -> LiveTraining:
    """One logistic regression a pixel, in raster order: the weights fill the mask's triangle, and samples form.

    A second choice opens bits of the mask that must be 0: each of `pixels` then sees itself, and the loss falls below
    what any distribution can reach.

    Args:
        build: rngs → an `Fvsbn` for rows of `images`.
        loss: (model, batch, key) → nats an image.
        images: (n, h, w), of 0 and 1.
        pixels: whose bit on the diagonal the reader can switch.

    Taught in: 02_autoregressive, "From conditionals to pixels"
    """
    height, width = images.shape[1:]
    data = np.asarray(images, np.float32).reshape(len(images), -1)
    d = data.shape[1]
    wrong = np.zeros((d, d), np.float32)
    wrong[list(pixels), list(pixels)] = 1

    def opened(model: Any, leak: Any) -> Any:
        return model.mask[...] + leak.astype(jnp.float32) * jnp.asarray(wrong)

    def leaking(model: Any, batch: Any, key: Any, leak: Any) -> Any:
        model.mask = type(model.mask)(opened(model, leak))
        return loss(model, batch, key)

    def batches(key: Any) -> Any:
        return jnp.asarray(data)[jax.random.randint(key, (BATCH,), 0, len(data))]

    def weights(model: Any, leak: Any) -> Mapping[str, Any]:
        mask = opened(model, leak)
        return {"weights": model.kernel[...] * mask, "mask": mask}

    def samples(model: Any, key: Any) -> Mapping[str, Any]:
        uniform = jax.random.uniform(key, (d, SAMPLES))

        def one_pixel(x: Any, turn: Any) -> Any:
            row, bias, u, place = turn
            ink = (u < jax.nn.sigmoid(bias + x @ row)).astype(jnp.float32)
            return x + ink[:, None] * place[None], None

        kernel = (model.kernel[...] * model.mask[...]).T
        turns = (kernel, model.bias[...], uniform, np.eye(d, dtype=np.float32))
        x, _ = jax.lax.scan(one_pixel, jnp.zeros((SAMPLES, d)), turns)
        return {"samples": x.reshape(SAMPLES, height, width)}

    return live_training(
        build,
        leaking,
        lambda rate: optax.adam(rate),
        batches,
        {"weights": weights, "samples": samples},
        [
            Slider("rate", 1e-3, 1.0, 2, 3e-2, label="learning rate", log=True),
            Choice("leak", ("as it must be", "bits of the diagonal on"), label="mask"),
        ],
        [
            Panel([Image("mask", map="mask", scale=(0.0, 2.0))], title="mask: column sees row", aspect=0.9),
            Panel([Image("weights", map="diverging", scale=(-3.0, 3.0))], title="weights under the mask", aspect=0.9),
            Panel([Image("samples", columns=4)], title="samples, pixel by pixel", aspect=0.9),
        ],
        title="Train it here: one logistic regression a pixel, and its mask",
        description="The mask, the weights that it lets through, sixteen samples drawn pixel by pixel, and the loss of "
        "every step. With bits of the diagonal on, a pixel sees itself and the loss falls below what is possible.",
        reference=STEPS,
        reference_label=f"{STEPS} steps in Python, the right mask",
        pace=4,
        still_steps=600,
    )
