"""One picture of each family of models, all made from the same random numbers."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Image, Panel
from course_lib.explorers.widget import Explorer, explore


def families_explorer(
    samples: Mapping[str, Float[Array | np.ndarray, "temperatures seeds h w"]], temperatures: tuple[float, float]
) -> Explorer:
    """Choose a seed, that is a row of random numbers, and a temperature: each family makes its own image of them.

    Args:
        samples: name of the model → its images, ink 1 and paper 0.
        temperatures: the first and the last; those between are equally spaced.
    Raises: ValueError: two models with images of different shapes.

    Taught in: 06_one_yardstick, "Samples from the same numbers"
    """
    shapes = {name: np.shape(images) for name, images in samples.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"samples have shapes {shapes}; expected one shape (temperatures, seeds, h, w) for all.")
    num_temperatures, num_seeds = next(iter(shapes.values()))[:2]
    pictures = [jnp.asarray(images, jnp.float32) for images in samples.values()]
    low, high = temperatures
    spacing = (high - low) / (num_temperatures - 1)

    def at(seed, temperature):
        t, s = jnp.round((temperature - low) / spacing).astype(int), jnp.round(seed).astype(int)
        return {f"image_{i}": images[t, s] for i, images in enumerate(pictures)}

    return explore(
        at,
        [
            Slider("seed", 0, num_seeds - 1, num_seeds, 0, label="seed", step=1.0, smooth=False),
            Slider(
                "temperature",
                low,
                high,
                num_temperatures,
                low + spacing * ((num_temperatures - 1) // 2),
                label="temperature T",
                step=spacing,
                smooth=False,
            ),
        ],
        [Panel([Image(f"image_{i}")], title=name, aspect=1.0) for i, name in enumerate(samples)],
        title="All families from one seed",
        description="One image of each model. All are made from the same random numbers, which the seed chooses; the "
        "temperature makes every model keep closer to what it finds likely, or stray further from it.",
        play="seed",
    )
