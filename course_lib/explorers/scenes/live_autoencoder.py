"""An auto-encoder with a code of two numbers that learns in the page: the plane unrolls, and a point of it decodes."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from course_lib.explorers.controls import Slider
from course_lib.explorers.live import LiveTraining, live_training
from course_lib.explorers.marks import Axis, Image, Panel, Points

BATCH, SHOWN, REBUILT, ROW, EDGE = 64, 500, 8, 4, 3.0
STEPS = 4000  # of the run whose loss is the line


def live_autoencoder_explorer(
    build: Callable[[nnx.Rngs], nnx.Module],
    loss: Callable[..., Any],
    images: np.ndarray,
    labels: np.ndarray,
) -> LiveTraining:
    """The reconstruction loss in the page: the plane of codes, the picture under the pointer, digits and their copies.

    The codes have no scale of their own: they are drawn in standard deviations from their mean.

    Args:
        build: rngs → an auto-encoder of two latents for rows of `images`.
        loss: (model, batch, key) → nats an image.
        images: (n, h, w), of 0 and 1; labels (n,) colour the codes.

    Taught in: 04_autoencoder, "A plane of digits"
    """
    height, width = images.shape[1:]
    data = np.asarray(images, np.float32).reshape(len(images), -1)
    shown, classes = data[:SHOWN], np.asarray(labels[:SHOWN], np.float32)
    first = np.array([np.flatnonzero(labels == digit)[0] for digit in range(REBUILT)])

    def batches(key: Any) -> Any:
        return jnp.asarray(data)[jax.random.randint(key, (BATCH,), 0, len(data))]

    def plane(model: Any, u: Any, v: Any) -> Mapping[str, Any]:
        h = model.encode(jnp.asarray(shown))
        centre, spread = h.mean(axis=0), jnp.sqrt(h.var(axis=0) + 1e-12)
        here = jnp.stack([u, v])
        return {
            "codes": (h - centre[None]) / spread[None],
            "classes": jnp.asarray(classes),
            "here": here[None],
            "decoded": model.decode((centre + spread * here)[None]).reshape(height, width),
        }

    def copies(model: Any) -> Mapping[str, Any]:
        rows = (-1, ROW, height, width)
        pairs = jnp.stack(
            [jnp.asarray(data[first]).reshape(rows), model(jnp.asarray(data[first])).reshape(rows)], axis=1
        )
        return {"pairs": pairs.reshape(-1, height, width)}

    return live_training(
        build,
        loss,
        lambda rate: optax.adam(rate),
        batches,
        {"plane": plane, "copies": copies},
        [
            Slider("rate", 1e-4, 1e-1, 2, 3e-3, label="learning rate", log=True),
            Slider("u", -EDGE, EDGE, 2, 0.0, label="code h₁", step=0.1),
            Slider("v", -EDGE, EDGE, 2, 0.0, label="code h₂", step=0.1),
        ],
        [
            Panel(
                [
                    Points("codes", classes="classes", size=2.0, opacity=0.8),
                    Points("here", "data", size=5.0, opacity=1.0),
                ],
                Axis("h₁ (standard deviations)", -EDGE, EDGE),
                Axis("h₂", -EDGE, EDGE),
                title="codes; drag the black dot",
                aspect=1.0,
                drag=("u", "v"),
            ),
            Panel([Image("decoded")], title="decoded at the dot", aspect=0.9, weight=0.6),
            Panel([Image("pairs", columns=ROW)], title="digits, copies below", aspect=0.9, weight=0.8),
        ],
        title="Train it here: an auto-encoder with a code of two numbers",
        description="The codes of 500 digits, coloured by digit; the picture decoded at a point that one can drag; "
        "eight digits above their reconstructions; and the loss of every step.",
        reference=STEPS,
        reference_label=f"{STEPS} steps in Python",
        still_steps=800,
    )
