"""The reparameterization trick: the same noise under a moving Gaussian, and the spread of two gradient estimators."""

import jax
import jax.numpy as jnp

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Arrows, Axis, Panel, Points, Rule
from course_lib.explorers.widget import Explorer, explore

TARGET = 1.0


def gradient_estimates(noise, mean, sigma):
    """Single-sample estimates of d/dμ E[(z − 1)²], z = μ + σ ε.

    pathwise: 2 (z − 1) · dz/dμ;  score function: (z − 1)² (z − μ)/σ².  Exact: 2 (μ − 1).
    """
    z = mean + sigma * noise
    return 2 * (z - TARGET), (z - TARGET) ** 2 * (z - mean) / sigma**2


def reparameterization_explorer(num_samples: int = 150) -> Explorer:
    """Move μ and σ: every z = μ + σ ε moves smoothly, and the pathwise estimates scatter far less.

    Taught in: 05_variational_autoencoder, "The reparametrization trick"
    """
    noise = jax.random.normal(jax.random.key(0), (num_samples,))
    shown = jnp.sort(noise[:25])
    side = jnp.linspace(-15.0, 15.0, num_samples)  # of the gradients' size: one table holds both coordinates

    def quantities(mean, sigma):
        pathwise, score = gradient_estimates(noise, mean, sigma)
        z = mean + sigma * shown
        return {
            "z": jnp.stack([z, jnp.zeros_like(z)], axis=1),
            "pathwise": jnp.stack([side - 20, pathwise], axis=1),
            "score": jnp.stack([side + 20, score], axis=1),
            "exact": 2 * (mean - TARGET),
            "spread_pathwise": jnp.std(pathwise),
            "spread_score": jnp.std(score),
        }

    return explore(
        quantities,
        [Slider("mean", -2.0, 3.0, 11, -0.5, label="μ"), Slider("sigma", 0.3, 2.0, 15, 1.0, label="σ", log=True)],
        [
            Panel(
                [
                    Arrows("noise", "z", "muted", "z = μ + σ ε"),
                    Points("noise", "latent", label="ε"),
                    Points("z", "encoder", label="z"),
                ],
                Axis("ε above, z below", -6, 6),
                Axis("", -0.2, 1.2, ticks=False),
                title="the same noise, moved",
            ),
            Panel(
                [
                    Points("pathwise", "encoder", label="pathwise"),
                    Points("score", "second", label="score function"),
                    Rule(y="exact", colour="data", label="exact gradient"),
                ],
                Axis("one dot for each sample", -40, 40, ticks=False),
                Axis("gradient with respect to μ", -30, 30),
                title="two estimators of one gradient",
            ),
        ],
        title="Reparametrization",
        description="Left: noise values and the samples they become. Right: single-sample estimates of the same "
        "gradient by the pathwise and by the score-function estimator, with the exact value.",
        readouts=(
            "exact gradient {exact:.2f}",
            "standard deviation, pathwise {spread_pathwise:.2f}",
            "score function {spread_score:.2f}",
        ),
        constants={"noise": jnp.stack([shown, jnp.ones_like(shown)], axis=1)},
    )
