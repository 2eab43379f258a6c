"""One affine coupling layer in slow motion: copy a half, read shift and log-scale off it, scale, shift."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Curve, Mesh, Panel, Points, Polygons, Rule
from course_lib.explorers.widget import Explorer, explore

Z1, Z2 = np.linspace(-2.5, 2.5, 21, dtype=np.float32), np.linspace(-1.5, 1.5, 7, dtype=np.float32)
CELL = (-0.25, 0.25, 0.5, 1.0)  # the marked cell: left, right, bottom, top
FLOOR, MOST = -5.2, 2.0  # where the copies come to rest; the bound of |s|


def shift_and_log_scale(
    kept: Float[Array | np.ndarray, "*batch"], shift: Float[Array, ""] | float, scale: Float[Array, ""] | float
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """A conditioner of three tanh units: b rises from −shift to +shift, s is largest in the middle.

    h = (tanh(2 z₁ + 2), tanh(2 z₁), tanh(2 z₁ − 2)),  b = shift · h₂,  s = 2 tanh(r/2) with r = scale (h₁ − h₃ − 1)
    """
    left, middle, right = (jnp.tanh(2 * kept + offset) for offset in (2.0, 0.0, -2.0))
    return shift * middle, MOST * jnp.tanh(scale * (left - right - 1) / MOST)


def coupling_steps_explorer() -> Explorer:
    """x₁ = z₁, x₂ = z₂ exp(s(z₁)) + b(z₁), one step at a time; between two steps the last one is done in part.

    During the third step s is replaced by a growing part of it, during the fourth b: always a coupling layer.

    Taught in: 03_normalizing_flow, "A coupling layer"
    """
    low, high, bottom, top = CELL
    along = np.linspace(low, high, 9, dtype=np.float32)
    outline = np.concatenate([np.stack([along, 0 * along + bottom], 1), np.stack([along, 0 * along + top], 1)[::-1]])
    grid = np.stack(np.meshgrid(Z1, Z2), axis=-1)
    fine, centre = np.linspace(-3, 3, 61, dtype=np.float32), np.asarray((low + high) / 2, np.float32)

    def quantities(step, scale, shift):
        copied, read, scaled, shifted = (jnp.clip(step - i, 0, 1) for i in range(4))

        def layer(z):
            b, s = shift_and_log_scale(z[..., 0], shift, scale)
            return jnp.stack([z[..., 0], z[..., 1] * jnp.exp(scaled * s) + shifted * b], axis=-1)

        b, s = shift_and_log_scale(jnp.asarray(fine), shift, scale)
        b_here, s_here = shift_and_log_scale(centre, shift, scale)
        cell = layer(jnp.asarray(outline))
        u, v = cell[:, 0], cell[:, 1]
        return {
            "nodes": layer(jnp.asarray(grid)),
            "cell": cell[None],
            "copies": jnp.stack([jnp.asarray(Z1), jnp.full(21, copied * FLOOR + (1 - copied) * Z2[0])], axis=1),
            "shift_curve": read * b,
            "log_scale_curve": read * s,
            "shift_here": jnp.stack([centre, read * b_here])[None],
            "log_scale_here": jnp.stack([centre, read * s_here])[None],
            "area": 0.5 * jnp.abs(jnp.sum(u * jnp.roll(v, -1) - jnp.roll(u, -1) * v)),
            "log_det": scaled * s_here,
            "factor": jnp.exp(scaled * s_here),
        }

    return explore(
        quantities,
        [
            Slider("step", 0.0, 4.0, 21, 2.0, label="1 copied, 2 read, 3 scaled, 4 shifted", step=0.05, smooth=False),
            Slider("scale", -1.0, 1.0, 7, 0.9, label="strength of the scale"),
            Slider("shift", -1.2, 1.2, 2, 0.8, label="strength of the shift"),
        ],
        [
            Panel(
                [Mesh("nodes", "latent"), Polygons("cell", "decoder"), Points("copies", "predecessor", size=3.0)],
                Axis("first coordinate: kept", -3, 3),
                Axis("second coordinate: moved", -5.5, 5.5),
                title="plane; dots: the copy",
                aspect=0.8,
            ),
            Panel(
                [
                    Rule(x="centre", label="the marked cell"),
                    Curve("fine", "log_scale_curve", "accent", "log-scale s"),
                    Curve("fine", "shift_curve", "second", "shift b"),
                    Points("log_scale_here", "accent", size=4.0, opacity=1.0),
                    Points("shift_here", "second", size=4.0, opacity=1.0),
                ],
                Axis("copied coordinate", -3, 3),
                Axis("read off the copy", -1.5, 1.5),
                title="the conditioner",
                aspect=0.8,
            ),
        ],
        title="A coupling layer, step by step",
        description="Left: a grid with one marked cell. The first coordinate is copied to the floor. Right: shift and "
        "log-scale as functions of the copy. Then the second coordinate is multiplied by exp(s), and b is added.",
        readouts=(
            "area of the cell, at first {area_before:.3f}",
            "now {area:.3f}",
            "log-determinant at its centre {log_det:.3f}",
            "its exponential {factor:.3f}",
        ),
        constants={"fine": fine, "centre": centre, "area_before": (high - low) * (top - bottom)},
        play="step",
    )
