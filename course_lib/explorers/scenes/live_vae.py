"""A variational auto-encoder that learns in the page, with β as a slider during training: a code that goes silent."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from course_lib.explorers.controls import Slider
from course_lib.explorers.live import LiveTraining, live_training
from course_lib.explorers.marks import Axis, Bars, Image, Panel, Points
from course_lib.probability import kl_standard_normal

BATCH, SHOWN, SIDE, EDGE = 64, 500, 8, 2.0
STEPS = 4000  # of the run whose loss is the line


def live_vae_explorer(
    build: Callable[[nnx.Rngs], nnx.Module],
    loss: Callable[..., Any],
    images: np.ndarray,
    labels: np.ndarray,
) -> LiveTraining:
    """−E ln p(x|z) + β KL in the page: the plane of means, the decoded plane, and the bits of each latent.

    Args:
        build: rngs → a `Vae` of two latents for rows of `images`.
        loss: (model, batch, key, beta) → nats, such as `course_lib.vae.regularized_loss`.
        images: (n, h, w), of 0 and 1; labels (n,) colour the codes.

    Taught in: 05_variational_autoencoder, "What it has learned"
    """
    height, width = images.shape[1:]
    data = np.asarray(images, np.float32).reshape(len(images), -1)
    shown, classes = data[:SHOWN], np.asarray(labels[:SHOWN], np.float32)
    line = np.linspace(-EDGE, EDGE, SIDE, dtype=np.float32)
    plane = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)

    def batches(key: Any) -> Any:
        return jnp.asarray(data)[jax.random.randint(key, (BATCH,), 0, len(data))]

    def codes(model: Any) -> Mapping[str, Any]:
        mean, log_sigma = model.encode(jnp.asarray(shown))
        kl = kl_standard_normal(mean, log_sigma).mean(axis=0)
        return {"codes": mean, "classes": jnp.asarray(classes), "kl": kl}

    def decoded(model: Any) -> Mapping[str, Any]:
        return {"decoded": model.decode_mean(jnp.asarray(plane)).reshape(-1, height, width)}

    return live_training(
        build,
        loss,
        lambda rate: optax.adam(rate),
        batches,
        {"codes": codes, "decoded": decoded},
        [
            Slider("beta", 0.0, 8.0, 2, 1.0, label="β", step=0.1),
            Slider("rate", 1e-4, 1e-1, 2, 3e-3, label="learning rate", log=True),
        ],
        [
            Panel(
                [Points("codes", classes="classes", size=2.0, opacity=0.8)],
                Axis("z₁", -3.5, 3.5),
                Axis("z₂", -3.5, 3.5),
                title="means of q(z|x)",
                aspect=1.0,
            ),
            Panel([Image("decoded", columns=SIDE)], title=f"decoded, −{EDGE:.0f} to {EDGE:.0f}", aspect=0.95),
            Panel(
                [Bars("kl", ("z₁", "z₂"), ("latent",))],
                Axis("latent", -0.5, 1.5),
                Axis("KL (nats)", 0, 3),
                title="what each latent says",
                aspect=0.75,
                weight=0.7,
            ),
        ],
        title="Train it here: a variational auto-encoder with two latents",
        description="The means of the codes of 500 digits, coloured by digit; the pictures that the plane of codes "
        "decodes to; the KL of each latent; and the loss of every step.",
        reference=STEPS,
        reference_label=f"{STEPS} steps in Python, β = 1",
        seed=1,
        still_steps=800,
    )
