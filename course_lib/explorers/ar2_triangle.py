"""The AR(2) triangle: drag the two coefficients and see the series, its memory and its spectrum change."""

import jax
import jax.numpy as jnp
import numpy as np

from course_lib.explorers.controls import Choice
from course_lib.explorers.marks import Axis, Curve, Panel, Points, Rule
from course_lib.explorers.widget import Explorer, explore

LENGTH, LAGS, FREQUENCIES, FRAME = 80, 20, 33, 12.0
BETA_1, BETA_2 = (np.linspace(-end, end, count).round(2) for end, count in ((2.1, 85), (1.1, 45)))


def on_plane(beta_1, beta_2):
    """Coefficients → the numbers of the options that stand for them."""
    return (beta_1 - BETA_1[0]) / 0.05, (beta_2 - BETA_2[0]) / 0.05


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
    here = jnp.stack(on_plane(beta_1, beta_2))[None]
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
    edge, bow = np.array([[-2.0, -1.0], [0.0, 1.0], [2.0, -1.0], [-2.0, -1.0]]).T, np.linspace(-2, 2, 41)
    edge_x, edge_y = on_plane(*edge)
    bow_x, bow_y = on_plane(bow, -(bow**2) / 4)
    names = [tuple(f"{value:.2f}".replace("-", "−") for value in grid) for grid in (BETA_1, BETA_2)]
    return explore(
        lambda beta_1, beta_2: ar2_quantities(jnp.asarray(BETA_1)[beta_1], jnp.asarray(BETA_2)[beta_2], noise),
        [  # choices, not sliders: nothing may be interpolated across the edge of the triangle
            Choice("beta_1", names[0], 74, label="β₁"),
            Choice("beta_2", names[1], 6, label="β₂"),
        ],
        [
            Panel(
                [
                    Curve("edge_x", "edge_y", "data", "settles inside"),
                    Curve("bow_x", "bow_y", "accent", "swings below", dashed=True),
                    Rule(x="middle_x"), Rule(y="middle_y"),
                    Points("inside", "predecessor", size=6, opacity=1.0),
                    Points("outside", "target", size=6, opacity=1.0),
                ],
                Axis("β₁, −2.1 to 2.1", -1, 85, ticks=False), Axis("β₂, −1.1 to 1.1", -1, 64, ticks=False),
                title="drag here", aspect=1.2, drag=("beta_1", "beta_2"),
            ),
            Panel(
                [Curve("time", "series", "data")],
                Axis("step", 0, LENGTH), Axis("x", -FRAME, FRAME), title="a series", aspect=1.2,
            ),
            Panel(
                [Curve("lag", "zero", "muted"), Curve("lag", "memory", "predecessor")],
                Axis("lag [steps]", 0, LAGS), Axis("autocorrelation", -1.05, 1.05), title="memory", aspect=1.2,
            ),
            Panel(
                [Curve("frequency", "spectrum", "model")],
                Axis("cycles a step", 0, 0.5), Axis("log₁₀ spectral density", -2.5, 2.5), title="spectrum", aspect=1.2,
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
            "edge_x": edge_x, "edge_y": edge_y, "bow_x": bow_x, "bow_y": bow_y, "middle_x": 42, "middle_y": 22,
            "time": np.arange(1, LENGTH + 1),
            "lag": np.arange(LAGS + 1), "zero": np.zeros(LAGS + 1), "frequency": np.linspace(0, 0.5, FREQUENCIES),
        },
    )  # fmt: skip
