"""A flow in the plane that learns while one watches: six densities, and data drawn by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from course_lib.explorers.controls import Slider
from course_lib.explorers.live import LiveTraining, live_training
from course_lib.explorers.marks import Axis, Image, Mesh, Panel, Points

SIDE, SAMPLES, BATCH = 36, 300, 256


def live_flow_explorer(
    build: Callable[[nnx.Rngs], nnx.Module], loss: Callable[..., Any], densities: Sequence[Any]
) -> LiveTraining:
    """Maximum likelihood in the page: the density, samples, and the grid of z under the flow, as they change.

    Args:
        build: rngs → a flow in the plane with `log_prob`, `sample` and `bijection`.
        loss: of the chapter.
        densities: of `course_lib.data.toy_density`; their entropies are the lines that no flow can pass.

    Taught in: 03_normalizing_flow, "RealNVP on a density in the plane"
    """
    low, high = densities[0].bounds
    centres = (low + (high - low) * (np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    pixels = np.stack(np.meshgrid(centres, centres[::-1]), axis=-1)
    lines = np.linspace(-2.5, 2.5, 17, dtype=np.float32)
    grid = np.stack(np.meshgrid(lines, lines), axis=-1)

    def picture(model: Any) -> Mapping[str, Any]:
        log_p = model.log_prob(jnp.asarray(pixels.reshape(-1, 2)))
        return {"density": jnp.sqrt(jnp.exp(log_p)).reshape(SIDE, SIDE)}

    def samples(model: Any, key: Any) -> Mapping[str, Any]:
        warped, _ = model.bijection.forward(jnp.asarray(grid.reshape(-1, 2)))
        return {"samples": model.sample(key, (SAMPLES,)), "grid": warped.reshape(grid.shape)}

    def drawn_from(density: Any) -> Callable[..., Any]:
        return lambda key: density.draw(key, BATCH)

    axes = Axis("x₁", low, high), Axis("x₂", low, high)
    return live_training(
        build,
        loss,
        lambda rate: optax.adam(rate),
        {d.name.replace("_", " "): drawn_from(d) for d in densities},
        {"samples": samples, "density": picture},
        [Slider("rate", 1e-4, 3e-1, 2, 3e-3, label="learning rate", log=True)],
        [
            Panel(
                [
                    Image("density", scale=(0.0, 0.7), map="heat", extent=(low, high, low, high)),
                    Points("batch", "data", label="data", size=1.3, opacity=0.5),
                    Points("samples", "decoder", label="samples of the flow", size=1.6, opacity=0.7),
                ],
                *axes,
                title="density of the flow",
                aspect=1.0,
            ),
            Panel([Mesh("grid", "latent")], *axes, title="the grid of z, warped", aspect=1.0),
        ],
        title="Train it here: a flow in the plane",
        description="Left: the density that the flow has learned, its samples and the data. Then a square grid of z as "
        "the flow bends it, and the loss of every step. One can draw data on the left picture.",
        reference={d.name.replace("_", " "): d.entropy() for d in densities},
        reference_label="entropy of the data",
        draw_on=0,
        still_steps=600,
    )
