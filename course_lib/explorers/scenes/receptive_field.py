"""What may a pixel's prediction look at? Point at a pixel, and take the blind spot in or out."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Bars, Panel, Points
from course_lib.explorers.widget import Explorer, explore


def _dots(on: Bool[np.ndarray, "*point h w"], places: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "..."]:
    """A dot at each place that is on; the others hide under the target, the pixel that the axis before them names."""
    flat = on.reshape(*on.shape[:-2], -1)[..., None]
    return np.where(flat, places, places.reshape(*on.shape[-2:], 1, 2)).astype(np.float32)


def receptive_field_explorer(fields: Mapping[str, Shaped[Array | np.ndarray, "layers h w h w"]]) -> Explorer:
    """Point at a pixel: the earlier pixels that its prediction depends on, and those that it is blind to.

    Args:
        fields: name of the network → for 1, 2, … layers, entry [i, j, k, l]: does the prediction of pixel (i, j)
            depend on pixel (k, l)? For example, is the derivative not 0.
    Raises: ValueError: a prediction that depends on its own or a later pixel.

    Taught in: 02b_pixelcnn, "Two stacks"
    """
    seen = np.stack([np.asarray(field) != 0 for field in fields.values()])
    depth, h, w = seen.shape[1:4]
    order = np.arange(h * w).reshape(h, w)
    earlier = order[None, None] < order[:, :, None, None]
    if (seen & ~earlier).any():
        raise ValueError("a prediction depends on its own or a later pixel: the network leaks. Look at its masks.")
    places = np.stack([np.tile(np.arange(w), h), np.repeat(h - 1 - np.arange(h), w)], axis=1).astype(np.float32)
    dots, blind = jnp.asarray(_dots(seen, places)), jnp.asarray(_dots(earlier & ~seen, places))
    counts = jnp.asarray(seen.sum(axis=(-2, -1)), jnp.float32)

    def at(network, layers, column, row):
        column, row = (jnp.round(index).astype(int) for index in (column, row))
        target = h - 1 - row, column  # the axis runs upwards
        found = counts[network, layers, *target]
        number = 1.0 * (target[0] * w + target[1])
        return {
            "seen": dots[network, layers, *target],
            "blind": blind[network, layers, *target],
            "target": jnp.stack([1.0 * column, 1.0 * row])[None],
            "numbers": jnp.stack([found, number - found]),
            "found": found,
            "earlier": number,
        }

    return explore(
        at,
        [
            Choice("network", tuple(fields), 0, label="network"),
            Choice("layers", tuple(str(i + 1) for i in range(depth)), depth - 1, label="layers"),
            Slider("column", 0, w - 1, w, w // 2, label="column, from the left", step=1, smooth=False),
            Slider("row", 0, h - 1, h, h // 3, label="row, from below", step=1, smooth=False),
        ],
        [
            Panel(
                [
                    Points("pixels", "muted", size=2.5, opacity=0.35, label="not drawn yet"),
                    Points("blind", "second", size=5, opacity=1.0, label="earlier, not seen"),
                    Points("seen", "predecessor", size=6.5, opacity=1.0, label="seen"),
                    Points("target", "target", size=7.5, opacity=1.0, label="to be predicted"),
                ],
                Axis("column", -0.7, w - 0.3, ticks=False),
                Axis("row", -0.7, h - 0.3, ticks=False),
                title="click or drag: the pixel to predict",
                aspect=1.0,
                drag=("column", "row"),
            ),
            Panel(
                [Bars("numbers", ("seen", "not seen"), ("predecessor", "second"), digits=0)],
                Axis("", -0.5, 1.5),
                Axis("number of pixels", 0, h * w),
                title="earlier pixels",
                aspect=0.8,
                weight=0.5,
            ),
        ],
        title="What may a prediction look at?",
        description="Left: the pixel to be predicted in red; the earlier pixels that its prediction depends on in "
        "green, those that it cannot see in purple. Right: how many there are of each.",
        readouts=("it depends on {found:.0f} of {earlier:.0f} earlier pixels",),
        constants={"pixels": places},
    )
