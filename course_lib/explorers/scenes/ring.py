"""A round cloud bent into a ring: z → z/10 + z/‖z‖ (Doersch 2016, Figure 2), morphed."""

import jax
import jax.numpy as jnp

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Mesh, Panel, Points
from course_lib.explorers.widget import Explorer, explore


def ring(z):
    """g(z) = z/10 + z/‖z‖."""
    return z / 10 + z / jnp.linalg.norm(z, axis=-1, keepdims=True)


def ring_explorer(num_points: int = 200) -> Explorer:
    """Slide from z (t = 0) to g(z) (t = 1): one deterministic function turns a Gaussian into a ring.

    All points move in straight lines, so that a table of both ends is exact.

    Taught in: 05_variational_autoencoder, "Why have latent variables?"
    """
    z = jax.random.normal(jax.random.key(0), (num_points, 2))
    angle = jnp.linspace(0, 2 * jnp.pi, 33)
    radius = jnp.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5])
    polar = radius[:, None, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)[None]

    def morph(t):
        mesh = (1 - t) * polar + t * ring(polar)
        points = (1 - t) * z + t * ring(z)
        return {"points": points, "mesh": mesh, "radius": jnp.mean(jnp.linalg.norm(points, axis=1))}

    def panel(points, mesh, colour, title):
        frame = (Axis("first coordinate", -3, 3), Axis("second coordinate", -3, 3))
        return Panel([Mesh(mesh, "muted"), Points(points, colour)], *frame, title=title, aspect=1.0)

    return explore(
        morph,
        [Slider("t", 0.0, 1.0, 2, 0.5, label="from z to g(z)")],
        [panel("z", "polar", "latent", "z ~ N(0, I)"), panel("points", "mesh", "decoder", "(1 − t) z + t g(z)")],
        title="One function makes a ring of a Gaussian",
        description="Left: samples z of a standard Gaussian and circles around the origin. "
        "Right: the same samples, moved towards g(z) = z/10 + z/‖z‖.",
        readouts=("mean distance from the origin: {radius:.2f}",),
        constants={"z": z, "polar": polar},
        play="t",
    )
