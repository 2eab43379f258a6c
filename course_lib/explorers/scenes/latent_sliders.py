"""One slider for each latent dimension of a VAE, sorted by how much the dimension is used."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Image, Intervals, Panel, Points
from course_lib.explorers.network import Network
from course_lib.explorers.widget import Explorer, explore

Layers = Sequence[tuple[np.ndarray, np.ndarray, str]]
REACH = 3.0


def latent_sliders_explorer(
    encoder: Layers,
    decoder: Layers,
    kl_per_dimension: Float[Array | np.ndarray, " k"],
    mean: Float[Array | np.ndarray, "n k"],
    log_sigma: Float[Array | np.ndarray, "n k"],
    labels: Int[Array | np.ndarray, " n"],
    image_shape: tuple[int, int],
) -> Explorer:
    """Move each latent variable over −3…3 standard deviations of the prior; start from a test digit or draw one.

    Args:
        encoder: layers from pixels to (μ, ln σ) of q(z|x), 2 k numbers; they read the drawing pad.
        decoder: layers from z to pixel probabilities.
        kl_per_dimension: KL(q(z_i|x)‖p(z_i)) averaged over data, in nats; the sliders are sorted by it.
        mean, log_sigma, labels: q(z|x) for a few test digits to start from, and their classes.

    Taught in: 05_variational_autoencoder, "The variational auto-encoder"
    """
    kl = np.asarray(kl_per_dimension)
    order, k = np.argsort(-kl), kl.size
    both = np.concatenate([order, k + order])
    names = [f"z{i + 1}" for i in range(k)]
    kernel, bias, activation = decoder[0]
    sorted_decoder = [(np.asarray(kernel)[order], bias, activation), *decoder[1:]]
    *inner, (kernel, bias, activation) = encoder
    sorted_encoder = [*inner, (np.asarray(kernel)[:, both], np.asarray(bias)[both], activation)]
    place = np.kron(np.eye(k), [[0.0, 1.0]]), np.stack([np.arange(k), np.zeros(k)], axis=1).ravel(), "linear"

    start = np.clip(np.asarray(mean)[:, order], -REACH, REACH)
    gap = np.full((1, k), np.nan)
    centres = np.concatenate([gap, np.asarray(mean)[:, order], gap]).astype(np.float32)
    halves = np.concatenate([gap, np.exp(np.asarray(log_sigma))[:, order], gap]).astype(np.float32)
    options = ("the mean of the prior", *(f"a test {int(label)}" for label in labels), "my drawing")

    return explore(
        lambda begin: {"posterior_mean": jnp.asarray(centres)[begin], "posterior_sigma": jnp.asarray(halves)[begin]},
        [
            Choice("begin", options, 1, label="start from"),
            *(
                Slider(name, -REACH, REACH, 2, float(v), label=f"{name} ({kl[i]:.2f} nats)")
                for name, i, v in zip(names, order, start[0], strict=True)
            ),
        ],
        [
            Panel([Image("picture")], title="decoded", aspect=1.0, weight=0.7),
            Panel(
                [
                    Intervals("prior_mean", "prior_sigma", "muted", "prior: 0 ± 1"),
                    Intervals("posterior_mean", "posterior_sigma", "encoder", "posterior: μ ± σ", width=14),
                    Points("here", "latent", label="z", size=2.5, opacity=1.0),
                ],
                Axis(f"z1 (left, the most used) to z{k} (right)", -0.6, k - 0.4, ticks=False),
                Axis("z", -3.5, 3.5),
                title="where z stands",
            ),
        ],
        title="Latent sliders",
        description="Left: the decoder's picture of z. Right: for each latent variable the prior, the posterior of the "
        "digit started from, and z. In brackets: the average KL from the prior.",
        constants={"prior_mean": np.zeros(k), "prior_sigma": np.ones(k)},
        networks=[
            Network("picture", sorted_decoder, names, image_shape),
            Network("here", [place], names, (k, 2)),
            Network("code", sorted_encoder, [], (2 * k,)),
        ],
        links={
            "begin": {name: [0.0, *map(float, column), 0.0] for name, column in zip(names, start.T, strict=True)},
        },
        pad={
            "network": "code",
            "size": image_shape[0],
            "sets": names,
            "label": "or draw a digit:",
            "brush": image_shape[0] / 18,
            "choice": "begin",
            "option": len(options) - 1,
            "mean": "posterior_mean",
            "sigma": "posterior_sigma",
        },
    )
