"""Change of variables in one dimension: bend the map x = g(z) and see strips keep their area."""

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Curve, Panel, Polygons
from course_lib.explorers.widget import Explorer, explore

Z = np.linspace(-3.5, 3.5, 121, dtype=np.float32)
EDGES = np.linspace(-3, 3, 13, dtype=np.float32)


def bend(z, tilt, wave):
    """g(z) = z + tilt·softplus(2 z) + wave·sin(2 z)/2: increasing as long as |wave| < 1 and tilt ≥ 0."""
    return z + tilt * jax.nn.softplus(2 * z) + 0.5 * wave * jnp.sin(2 * z)


def _strip(x, density):
    """The outline of the area under `density` over `x`: along the axis, then back along the curve."""
    floor = jnp.stack([x, jnp.zeros_like(x)], axis=-1)
    return jnp.concatenate([floor, jnp.stack([x, density], axis=-1)[::-1]])


def change_of_variables_explorer() -> Explorer:
    """p(x) = p̃(z) / |dg/dz| with x = g(z): where the map stretches, the density falls, and each strip keeps its area.

    Taught in: 03_normalizing_flow, "The change of variables"
    """
    within = jnp.asarray(EDGES[:-1, None] + (EDGES[1:] - EDGES[:-1])[:, None] * np.linspace(0, 1, 7)[None])

    def quantities(tilt, wave):
        def pushed(z):
            slope = jax.vmap(jax.grad(lambda v: bend(v, tilt, wave)))(z)
            return bend(z, tilt, wave), norm.pdf(z) / slope

        x, density = pushed(jnp.asarray(Z))
        edges, heights = pushed(within.ravel())
        strips = jax.vmap(_strip)(edges.reshape(within.shape), heights.reshape(within.shape))
        middle = strips[6]
        u, v = middle[:, 0], middle[:, 1]
        area = 0.5 * jnp.abs(jnp.sum(u * jnp.roll(v, -1) - jnp.roll(u, -1) * v))  # of the polygon with these corners
        return {"x": x, "density": density, "strips": strips, "area": area}

    base = jax.jit(jax.vmap(lambda x: _strip(x, norm.pdf(x))))(within)
    area_before = NormalDist().cdf(0.5) - NormalDist().cdf(0.0)
    return explore(
        quantities,
        [
            Slider("tilt", 0.0, 1.0, 13, 0.4, label="stretch the right side"),
            Slider("wave", -0.8, 0.8, 17, 0.0, label="squeeze or stretch the middle"),
        ],
        [
            Panel(
                [Polygons("base", "latent"), Curve("z", "base_density", "latent", "p̃(z)")],
                Axis("z", -3.5, 3.5),
                Axis("density", 0, 1.0),
                title="base density",
            ),
            Panel(
                [Curve("z", "x", "data", "x = g(z)")],
                Axis("z", -3.5, 3.5),
                Axis("x", -4, 10),
                title="the map",
                aspect=1.1,
                weight=0.8,
            ),
            Panel(
                [Polygons("strips", "decoder"), Curve("x", "density", "decoder", "p(x)")],
                Axis("x", -4, 10),
                Axis("density", 0, 1.0),
                title="pushed-forward density",
            ),
        ],
        title="Bend the map: every strip keeps its area",
        description="Left: a Gaussian base density cut into strips. Middle: the map from z to x. "
        "Right: the density of x, cut at the images of the same points.",
        readouts=("area of the strip right of z = 0, before: {area_before:.3f}", "after: {area:.3f}"),
        constants={"z": Z, "base_density": jax.jit(norm.pdf)(Z), "base": base, "area_before": area_before},
    )
