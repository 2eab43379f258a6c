"""Drag through a two-dimensional latent space: the decoder runs in the browser, the data's codes lie behind."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float, Int

from course_lib.explorers.controls import Slider
from course_lib.explorers.marks import Axis, Image, Panel, Points, Rule
from course_lib.explorers.network import ACTIVATIONS, Network
from course_lib.explorers.widget import Explorer, explore

Layers = Sequence[tuple[np.ndarray, np.ndarray, str]]
RANK = 32


def latent_plane_explorer(
    decoder: Layers,
    codes: Float[Array | np.ndarray, "n 2"],
    labels: Int[Array | np.ndarray, " n"],
    image_shape: tuple[int, int],
    title: str = "A plane of digits",
) -> Explorer:
    """Point at a code: the decoder's picture of it, at once.

    Args:
        decoder: layers from `dense_layers`, from two numbers to the image's pixels.
        codes, labels: codes of data and their classes, drawn behind.

    Taught in: 04_autoencoder, "A plane of digits"; 05_variational_autoencoder, "A latent map"
    """
    codes = np.asarray(codes, np.float32)
    low, high = codes.min(axis=0), codes.max(axis=0)
    low, high = np.floor(low - 0.05 * (high - low)), np.ceil(high + 0.05 * (high - low))
    start = np.median(codes, axis=0)
    sliders = [
        Slider(name, float(a), float(b), 2, float(s), label=label)
        for name, label, a, b, s in zip(("z1", "z2"), ("z₁", "z₂"), low, high, start, strict=True)
    ]
    plane = Panel(
        [Points("codes", classes="labels", opacity=0.5), Rule(x="z1", colour="data"), Rule(y="z2", colour="data")],
        Axis("z₁", float(low[0]), float(high[0])),
        Axis("z₂", float(low[1]), float(high[1])),
        title="latent space: click or drag",
        aspect=1.0,
        drag=("z1", "z2"),
    )
    return explore(
        lambda z1, z2: {"z1": z1, "z2": z2},
        sliders,
        [plane, Panel([Image("picture")], title="decoded", aspect=1.0, weight=0.8)],
        title=title,
        description="Left: codes of images, coloured by class, with a cross hair. Right: the decoder's picture at the "
        "cross hair.",
        constants={"codes": codes, "labels": np.asarray(labels)},
        networks=[Network("picture", slim(decoder, low, high), ["z1", "z2"], image_shape)],
    )


def slim(
    decoder: Layers, low: np.ndarray, high: np.ndarray, side: int = 25
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The decoder in a fifth of the numbers: what its wide layers give over a plane needs few directions.

    A layer a = Wᵀh + b becomes two: a ≈ m + V(Vᵀ(a − m)), with m the mean of a over a grid in the plane and V its first
    principal directions there.
    """
    plane = [np.linspace(a, b, side) for a, b in zip(low, high, strict=True)]
    z = np.stack(np.meshgrid(*plane), axis=-1).reshape(-1, 2)
    layers: list[tuple[np.ndarray, np.ndarray, str]] = []
    for kernel, bias, activation in decoder:
        kernel, bias = np.asarray(kernel), np.asarray(bias)
        a = z @ kernel + bias
        if RANK * sum(kernel.shape) < kernel.size:
            mean = a.mean(axis=0)
            directions = np.linalg.svd(a - mean, full_matrices=False)[2][:RANK].T
            layers.append((kernel @ directions, (bias - mean) @ directions, "linear"))
            kernel, bias = directions.T, mean
        layers.append((kernel, bias, activation))
        with np.errstate(over="ignore"):
            z = ACTIVATIONS[activation](a)
    return layers
