"""β over trained models: one model for each step of the slider, with its samples, reconstructions and prices."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Bars, Curve, Image, Panel, Points
from course_lib.explorers.widget import Explorer, explore

Values = Array | np.ndarray


def beta_models_explorer(
    log2_betas: Sequence[int],
    kl: Float[Values, "models k"],
    rate: Float[Values, " models"],
    distortion: Float[Values, " models"],
    reconstructions: Float[Values, "models n h w"],
    samples: Float[Values, "models m h w"],
) -> Explorer:
    """Slide through models trained with different β; nothing is interpolated between two of them.

    Args:
        log2_betas: log₂ β of the models, equally spaced whole numbers.
        kl: KL of each latent, in nats, sorted as it should be shown; rate: their sum; distortion: −E ln p(x|z).
        reconstructions, samples: means of p(x|z) at codes of images and at draws of the prior.

    Taught in: 05b_better_bounds, "Rate against distortion"
    """
    stacks = [jnp.asarray(s) for s in (kl, rate, distortion, reconstructions, samples)]
    low, step = float(log2_betas[0]), float(log2_betas[1] - log2_betas[0])
    high = low + step * (len(log2_betas) - 1)
    most_r, most_d = float(np.max(rate)), float(np.max(distortion))

    def at(log2_beta):
        index = jnp.round((log2_beta - low) / step).astype(int)
        prices, r, d, rebuilt, drawn = (s[index] for s in stacks)
        return {
            "kl": prices,
            "here": jnp.stack([r, d])[None],
            "rate": r,
            "distortion": d,
            "bound": -r - d,
            "beta": 2.0**log2_beta,
            "rebuilt": rebuilt,
            "drawn": drawn,
        }

    return explore(
        at,
        [Slider("log2_beta", low, high, len(log2_betas), 0.0 if low <= 0 <= high else low, label="log₂ β", step=step)],
        [
            Panel([Bars("kl", colours=("latent",), digits=1)], title="KL of each latent [nats]", aspect=1.35),
            Panel(
                [Curve("all_rates", "all_distortions", "muted"), Points("here", "accent", size=4.0, opacity=1.0)],
                Axis("rate R [nats]", -0.03 * most_r, 1.05 * most_r),
                Axis("distortion D [nats]", 0.0, 1.05 * most_d),
                title="what the code costs and saves",
                aspect=1.0,
            ),
            Panel([Image("rebuilt", columns=4)], title="reconstructions", aspect=1.0),
            Panel([Image("drawn", columns=4)], title="drawn from the prior", aspect=1.0),
        ],
        title="β over trained models",
        description="For each β one trained model: the KL of each latent, rate and distortion, reconstructions of "
        "test images, and images decoded from draws of the prior.",
        readouts=("β = {beta:.4f}", "rate {rate:.1f}", "distortion {distortion:.1f}", "bound {bound:.1f} nats"),
        constants={"all_rates": np.asarray(rate, np.float32), "all_distortions": np.asarray(distortion, np.float32)},
    )
