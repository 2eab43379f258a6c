"""What may an output of a MADE look at? Choose an output and an ordering, and see the open connections."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice
from course_lib.explorers.marks import Axis, Curve, Image, Panel, Points
from course_lib.explorers.widget import Explorer, explore

Masks = Sequence[Float[Array | np.ndarray, "_ _"]]


def _open_edges(masks: Masks, output: int) -> np.ndarray:
    """Line segments (3, 2) with a gap, for each connection on a path to `output`; NaN for all others."""
    alive, layers = np.zeros(masks[-1].shape[1], bool), []
    alive[output] = True
    for mask in reversed(masks):
        layers.append(np.asarray(mask, bool) & alive[None, :])
        alive = layers[-1].any(axis=1)
    segments = []
    for level, active in enumerate(reversed(layers)):
        rows, columns = active.shape
        for i, j in np.ndindex(rows, columns):
            segment = np.array([[(i + 0.5) / rows, level], [(j + 0.5) / columns, level + 1], [np.nan, np.nan]])
            segments.append(segment if active[i, j] else np.full((3, 2), np.nan))
    return np.concatenate(segments)


def mask_explorer(masks_by_ordering: Mapping[str, Masks]) -> Explorer:
    """Choose an output x_d and an ordering: the predecessors that it may look at, and the paths to them.

    Args:
        masks_by_ordering: name of the ordering → masks (in, out) of every layer, all of the same shapes.

    Taught in: 02_autoregressive, "MADE"
    """
    networks = list(masks_by_ordering.values())
    sizes = [networks[0][0].shape[0], *(m.shape[1] for m in networks[0])]
    d, depth = sizes[0], len(sizes) - 1
    edges = jnp.asarray(np.stack([[_open_edges(masks, o) for o in range(d)] for masks in networks]), jnp.float32)
    seen = np.zeros((len(networks), d, d))
    for k, masks in enumerate(networks):
        reach = np.linalg.multi_dot([np.asarray(m, float) for m in masks]) > 0
        seen[k] = 0.5 * reach.T
        seen[k][np.arange(d), np.arange(d)] = 1.0
    seen_by = jnp.asarray(seen, jnp.float32)
    nodes = np.concatenate([[((i + 0.5) / n, level) for i in range(n)] for level, n in enumerate(sizes)])

    def quantities(ordering, output):
        paths = edges[ordering, output]
        return {
            "edge_x": paths[:, 0],
            "edge_y": paths[:, 1],
            "may_see": seen_by[ordering].T,
            "this_output": seen_by[ordering, output][None],
            "target": jnp.stack([(output + 0.5) / d, depth * jnp.ones(())])[None],
            "count": jnp.sum(seen_by[ordering, output] == 0.5).astype(float),
        }

    return explore(
        quantities,
        [
            Choice("ordering", tuple(masks_by_ordering), 0, label="ordering"),
            Choice("output", tuple(f"x{i + 1}" for i in range(d)), d // 2, label="output"),
        ],
        [
            Panel(
                [
                    Curve("edge_x", "edge_y", "predecessor"),
                    Points("nodes", "muted", size=4, opacity=1.0),
                    Points("target", "target", size=7, opacity=1.0),
                ],
                Axis("inputs below, outputs above", 0, 1, ticks=False),
                Axis("layer", -0.3, depth + 0.3, ticks=False),
                title="open paths to the red output",
            ),
            Panel([Image("this_output", map="mask")], title="inputs it may look at", aspect=3.0, weight=0.7),
            Panel([Image("may_see", map="mask")], title="input (row) to output (column)", aspect=1.0, weight=0.6),
        ],
        title="What may an output look at?",
        description="Left: the network with the open paths to the chosen output. Middle: the inputs that this output "
        "may look at in green, itself in red. Right: the same for every output, each in its column.",
        readouts=("it may look at {count:.0f} inputs",),
        constants={"nodes": nodes},
    )
