"""A flow through its layers: slide from the base distribution to the data, points and grid together."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Curve, Image, Panel, Points
from course_lib.explorers.widget import Explorer, explore


def flow_layers_explorer(
    points: Float[Array | np.ndarray, "layers n 2"],
    lines: Float[Array | np.ndarray, "layers rows places 2"],
    density: Float[Array | np.ndarray, "layers h w"],
    bounds: tuple[float, float],
) -> Explorer:
    """Slide through the layers of a trained flow, from z to x.

    Args:
        points: the same samples after 0, 1, …, N layers.
        lines: the lines of a grid after as many layers, each by many places, since a map may bend it sharply.
        density: the density after as many layers on a square over `bounds`, row 0 on top, each scaled to its maximum.
        bounds: the interval that both axes show.

    Taught in: 03_normalizing_flow, "RealNVP on a density in the plane"
    """
    one_by_one = enumerate(np.moveaxis(np.asarray(lines), 1, 0))
    names = {(f"u{i}", f"v{i}"): np.moveaxis(line, -1, 0) for i, line in one_by_one}
    stacks = {name: stack for pair, both in names.items() for name, stack in zip(pair, both, strict=True)}
    stacks = {name: jnp.asarray(stack) for name, stack in (stacks | {"points": points, "density": density}).items()}
    last = len(stacks["points"]) - 1
    low, high = map(float, bounds)

    def at(layer):
        """Halfway between two layers, everything is halfway in between: a straight line for the eye."""
        below = jnp.clip(jnp.floor(layer).astype(int), 0, last - 1)
        t = layer - below
        blend = {name: (1 - t) * stack[below] + t * stack[below + 1] for name, stack in stacks.items()}
        return blend | {"applied": layer}

    frame = (Axis("x₁", low, high), Axis("x₂", low, high))
    return explore(
        at,
        [Slider("layer", 0.0, float(last), last + 1, float(last), label="layers applied", step=0.1, smooth=False)],
        [
            Panel(
                [*[Curve(u, v, "muted") for u, v in names], Points("points", "decoder", size=2.0)],
                *frame,
                title="samples and grid",
                aspect=1.0,
            ),
            Panel([Image("density", map="heat", extent=(low, high, low, high))], *frame, title="density", aspect=1.0),
        ],
        title="A flow, layer by layer",
        description="Left: samples and a square grid of the base distribution, carried through the layers. "
        "Right: the density after as many layers; between two layers it is blended.",
        readouts=("{applied:.1f} of {last:.0f} layers applied",),
        constants={"last": last},
        play="layer",
    )
