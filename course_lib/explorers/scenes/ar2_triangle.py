"""The AR(2) triangle: drag the two coefficients and see the series, its memory and its spectrum change."""

import jax
import jax.numpy as jnp
import numpy as np

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Curve, Panel, Points, Rule
from course_lib.explorers.widget import Explorer, explore

LENGTH, LAGS, FREQUENCIES, FRAME = 80, 20, 33, 12.0


def ar2_quantities(beta_1, beta_2, noise):
    """Series, autocorrelation, spectral density and largest root of x_t = β₁ x_{t−1} + β₂ x_{t−2} + ε_t.

    Outside the triangle β₂ < 1 − |β₁|, β₂ > −1 nothing settles: there the stationary quantities are gaps (NaN). The
    series starts at 0 and is cut at the frame.
    """
    settles = (beta_2 < 1 - jnp.abs(beta_1) - 1e-4) & (beta_2 > -1 + 1e-4)

    def step(recent, kick):
        value = jnp.clip(beta_1 * recent[0] + beta_2 * recent[1] + kick, -1e6, 1e6)
        return (value, recent[0]), value

    _, series = jax.lax.scan(step, (0.0, 0.0), noise)
    _, memory = jax.lax.scan(
        lambda r, _: ((beta_1 * r[0] + beta_2 * r[1], r[0]), r[0]), (beta_1 / (1 - beta_2), 1.0), None, length=LAGS
    )
    wave = jnp.exp(-2j * jnp.pi * jnp.linspace(0, 0.5, FREQUENCIES))
    gain = jnp.abs(1 - beta_1 * wave - beta_2 * wave**2) ** -2.0
    half, square = beta_1 / 2, beta_1**2 / 4 + beta_2
    modulus = jnp.where(square < 0, jnp.sqrt(jnp.abs(beta_2)), jnp.abs(half) + jnp.sqrt(jnp.maximum(square, 0)))
    angle = jnp.arccos(jnp.clip(half / jnp.sqrt(jnp.maximum(-beta_2, 1e-6)), -1, 1))
    variance = (1 - beta_2) / ((1 + beta_2) * ((1 - beta_2) ** 2 - beta_1**2))
    here = jnp.stack([beta_1, beta_2])[None]
    return {
        "series": jnp.clip(series, -FRAME, FRAME),
        "memory": jnp.where(settles, jnp.append(1.0, memory), jnp.nan),
        "spectrum": jnp.where(settles, jnp.clip(jnp.log10(gain), -2.5, 2.5), jnp.nan),
        "inside": jnp.where(settles, here, jnp.nan),
        "outside": jnp.where(settles, jnp.nan, here),
        "modulus": modulus,
        "deviation": jnp.where(settles, jnp.sqrt(variance), jnp.nan),
        "period": jnp.where(square < -1e-6, 2 * jnp.pi / jnp.maximum(angle, 1e-3), jnp.nan),
    }


def ar2_triangle_explorer() -> Explorer:
    """Drag (β₁, β₂): inside the triangle the series settles, below the parabola it swings.

    Taught in: 02a_time_series, "The triangle of AR(2)"
    """
    noise = jax.random.normal(jax.random.key(8), (LENGTH,))
    edge, bow = np.array([[-2.0, -1.0], [0.0, 1.0], [2.0, -1.0], [-2.0, -1.0]]), np.linspace(-2, 2, 41)
    return explore(
        lambda beta_1, beta_2: ar2_quantities(beta_1, beta_2, noise),
        [  # their steps are the grid: nothing may be interpolated across the edge of the triangle
            Slider("beta_1", -2.1, 2.1, 85, 1.6, label="β₁", step=0.05),
            Slider("beta_2", -1.1, 1.1, 45, -0.8, label="β₂", step=0.05),
        ],
        [
            Panel(
                [
                    Curve("edge_x", "edge_y", "data", "settles inside"),
                    Curve("bow_x", "bow_y", "accent", "swings below", dashed=True),
                    Rule(x="middle_x"),
                    Rule(y="middle_y"),
                    Points("inside", "predecessor", size=6, opacity=1.0),
                    Points("outside", "target", size=6, opacity=1.0),
                ],
                Axis("β₁", -2.15, 2.15),
                Axis("β₂", -1.15, 2.0),
                title="drag here",
                aspect=1.2,
                drag=("beta_1", "beta_2"),
            ),
            Panel(
                [Curve("time", "series", "data")],
                Axis("step", 0, LENGTH),
                Axis("value T", -FRAME, FRAME),
                title="a series",
                aspect=1.2,
            ),
            Panel(
                [Curve("lag", "zero", "muted"), Curve("lag", "memory", "predecessor")],
                Axis("lag [steps]", 0, LAGS),
                Axis("autocorrelation", -1.05, 1.05),
                title="memory",
                aspect=1.2,
            ),
            Panel(
                [Curve("frequency", "spectrum", "model")],
                Axis("cycles a step", 0, 0.5),
                Axis("log₁₀ spectral density", -2.5, 2.5),
                title="spectrum",
                aspect=1.2,
            ),
        ],
        title="The triangle of AR(2)",
        description="First: the plane of the two coefficients with the triangle in which a series settles and the "
        "parabola below which it swings, dashed lines where a coefficient is 0; the dot is green inside the triangle "
        "and red outside. Then: a series, always with the same noise of σ = 1 and cut at the frame; its "
        "autocorrelation; its spectral density. The last two are empty where nothing settles.",
        readouts=(
            "largest root |λ| = {modulus:.3f} (settles below 1)",
            "standard deviation {deviation:.2f}",
            "period {period:.1f} steps",
        ),
        constants={
            "edge_x": edge[:, 0],
            "edge_y": edge[:, 1],
            "bow_x": bow,
            "bow_y": -(bow**2) / 4,
            "middle_x": 0,
            "middle_y": 0,
            "time": np.arange(1, LENGTH + 1),
            "lag": np.arange(LAGS + 1),
            "zero": np.zeros(LAGS + 1),
            "frequency": np.linspace(0, 0.5, FREQUENCIES),
        },
    )
