"""A rational-quadratic spline with one knot to move: the curve, its slope, and what it makes of a density."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Curve, Panel, Points, Polygons
from course_lib.explorers.widget import Explorer, explore

OUTER, BOUND, REACH = 1.5, 3.0, 0.9  # the neighbours of the moving knot, the ends, how far it moves
WITHIN = np.linspace(0, 1, 21, dtype=np.float32)  # places inside of a bin at which curves are drawn
Knots = tuple[Float[Array, " 5"], Float[Array, " 5"], Float[Array, " 5"]]
Curves = Callable[..., tuple[Array, Array]]


def knots(z: Array | float, x: Array | float, slope: Array | float) -> Knots:
    """Places, heights and slopes of five knots on the diagonal, the middle one moved to (z, x) with its slope."""
    row = lambda middle, side, end: jnp.stack([jnp.asarray(v, jnp.float32) for v in (-end, -side, middle, side, end)])  # noqa: E731
    return row(z, OUTER, BOUND), row(x, OUTER, BOUND), jnp.ones(5).at[2].set(slope)


def _outlines(x: Float[Array, "bins n"], density: Float[Array, "bins n"]) -> Float[Array, "bins m 2"]:
    """The areas under the density over the bins: along the axis, then back along the curve."""
    along, back = jnp.stack([x, jnp.zeros_like(x)], axis=-1), jnp.stack([x, density], axis=-1)
    return jnp.concatenate([along, back[:, ::-1]], axis=1)


def spline_knots_explorer(spline: Curves) -> Explorer:
    """Move the middle knot of a spline: x = g(z), dx/dz, and p(x) = p̃(z) / (dx/dz), bin by bin with equal areas.

    Args:
        spline: `course_lib.flows.rational_quadratic_forward`, or another map of (z, knots_z, knots_x, slopes) to
            x and log dx/dz.

    Taught in: 03a_masked_and_spline_flows, "Splines"
    """

    def quantities(base, knot_z, knot_x, slope):
        places = knots(knot_z, knot_x, slope)

        def curves(within):
            z = places[0][:-1, None] + jnp.diff(places[0])[:, None] * within[None]
            x, log_slope = spline(z, *(jnp.broadcast_to(p, (*z.shape, 5)) for p in places))
            base_density = jnp.where(base == 0, norm.pdf(z), jnp.full_like(z, 0.5 / BOUND))
            return z, x, log_slope, base_density

        z, x, log_slope, before = curves(jnp.asarray(WITHIN))
        after = before * jnp.exp(-log_slope)
        fine_z, fine_x, fine_log_slope, fine = curves(jnp.linspace(0, 1, 513))
        return {
            "z": z.ravel(),
            "x": x.ravel(),
            "slope": jnp.exp(log_slope).ravel(),
            "density": after.ravel(),
            "base_strips": _outlines(z, before),
            "strips": _outlines(x, after),
            "knots": jnp.stack(places[:2], axis=-1),
            "moving": jnp.stack([knot_z, knot_x])[None],
            "area_before": jnp.trapezoid(fine[1], fine_z[1]),
            "area": jnp.trapezoid(fine[1] * jnp.exp(-fine_log_slope[1]), fine_x[1]),
        }

    span = (-BOUND, BOUND)
    return explore(
        quantities,
        [
            Choice("base", ("normal", "uniform"), label="base density"),
            Slider("knot_z", -REACH, REACH, 9, -0.5, label="the knot's place z"),
            Slider("knot_x", -REACH, REACH, 9, 0.3, label="its height x"),
            Slider("slope", 0.2, 3.0, 7, 1.6, label="its slope", log=True),
        ],
        [
            Panel([Polygons("base_strips", "latent")], Axis("z", *span), Axis("density", 0, 1), title="base density"),
            Panel(
                [Curve("z", "x", "data"), Points("knots", "muted", size=4.0), Points("moving", "accent", size=6.0)],
                Axis("z", *span),
                Axis("x", *span),
                title="the map: drag the knot",
                aspect=1.1,
                drag=("knot_z", "knot_x"),
            ),
            Panel([Curve("z", "slope", "accent")], Axis("z", *span), Axis("dx/dz", 0, 4), title="its slope"),
            Panel(
                [Polygons("strips", "decoder"), Curve("x", "density", "decoder")],
                Axis("x", *span),
                Axis("density", 0, 1),
                title="density of x",
            ),
        ],
        title="Move a knot of a spline",
        description="First: a base density over the four bins of z. Then: the spline through five knots, of which the "
        "middle one moves; its slope; the density of x, over the images of the same bins. Areas of one bin are equal.",
        readouts=("area of the second bin, before: {area_before:.3f}", "after: {area:.3f}"),
    )
