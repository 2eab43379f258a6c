"""A sample of an autoregressive model, pixel by pixel, with the conditional probability of every pixel."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Image, Panel
from course_lib.explorers.widget import Explorer, explore

FRAME = 0.15  # ink


def generation_explorer(
    images: Float[Array | np.ndarray, "samples steps h w"],
    probabilities: Float[Array | np.ndarray, "samples steps h w"],
    current: Float[Array | np.ndarray, "steps h w"],
) -> Explorer:
    """Step through the pixels of a few samples.

    Args:
        images: each sample after t = 0, 1, …, D pixels; a pixel not yet drawn is ½ (grey).
        probabilities: the chance of ink p(x_d = 1 | pixels drawn so far) for every pixel d, at each step.
        current: 1 at the pixel that step t draws next, ½ at its predecessors, 0 elsewhere.

    A light frame around each picture sets its white pixels off from the page.

    Taught in: 02_autoregressive, "Sampling in order"
    """
    pictures, chances, where = (jnp.asarray(a, jnp.float32) for a in (images, probabilities, current))
    samples, steps = pictures.shape[:2]

    def framed(image, value=FRAME):
        return jnp.pad(image, 1, constant_values=value)

    def at(sample, step):
        t = jnp.round(step).astype(int)
        here = chances[sample, t]
        return {
            "image": framed(pictures[sample, t]),
            "probability": framed(here),
            "where": framed(where[t], 0.0),
            "next": jnp.sum(jnp.where(where[t] == 1.0, here, 0.0)),
        }

    middle = float(steps // 2)
    return explore(
        at,
        [
            Choice("sample", tuple(f"sample {i + 1}" for i in range(samples)), 0, label="which"),
            Slider("step", 0.0, steps - 1.0, steps, middle, label="pixels drawn", step=1.0, smooth=False),
        ],
        [
            Panel([Image("where", map="mask")], title="next pixel and predecessors", aspect=1.0),
            Panel([Image("image")], title="drawn so far", aspect=1.0),
            Panel([Image("probability")], title="chance of ink, given these", aspect=1.0),
        ],
        title="An image grows pixel by pixel",
        description="Left: the next pixel in red, its predecessors in green. Middle: the image so far; grey is not yet "
        "drawn. Right: the chance of ink in every pixel, given those drawn.",
        readouts=("probability of ink at the next pixel: {next:.2f}",),
        play="step",
    )
