"""Small models for the tests of the codes; with a seed, so that another process can build the same one."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.autoregressive import Made, Nade, PixelCNN, SingleStackPixelCNN
from course_lib.distributions import Categorical, Logistic, LogisticMixture
from course_lib.flows import RealNVP
from course_lib.vae import ConvolutionalVae, Vae
from tests.laws.registry import perturbed

# name → (constructor of the seed, levels of its images)
MODELS = {
    "nade": (lambda seed: Nade(16, 5, ordering=np.arange(16)[::-1], rngs=nnx.Rngs(seed)), 2),
    "made": (lambda seed: Made(16, [20], ordering=np.random.default_rng(3).permutation(16), rngs=nnx.Rngs(seed)), 2),
    "one pixel": (lambda seed: Nade(1, 2, rngs=nnx.Rngs(seed)), 2),
    "pixelcnn": (lambda seed: PixelCNN((3, 4), 4, (1,), rngs=nnx.Rngs(seed)), 2),
    "pixelcnn, one pixel": (lambda seed: PixelCNN((1, 1), 4, (1,), rngs=nnx.Rngs(seed)), 2),
    "levels": (lambda seed: PixelCNN((3, 4), 4, (1,), likelihood=Categorical(5), rngs=nnx.Rngs(seed)), 5),
    "single stack, mixture": (
        lambda seed: SingleStackPixelCNN((3, 4), 4, (1,), likelihood=LogisticMixture(17, 2), rngs=nnx.Rngs(seed)),
        17,
    ),
    "vae": (lambda seed: Vae(16, [10], 3, rngs=nnx.Rngs(seed)), 2),
    "vae, convolutional": (lambda seed: ConvolutionalVae((4, 6), (3,), 2, rngs=nnx.Rngs(seed)), 2),
    "nade of levels": (lambda seed: Nade(9, 5, likelihood=Categorical(5), rngs=nnx.Rngs(seed)), 5),
    "made of levels": (lambda seed: Made(9, [12], likelihood=Logistic(6), rngs=nnx.Rngs(seed)), 6),
    "vae of levels": (lambda seed: Vae(16, [10], 3, likelihood=LogisticMixture(17, 2), rngs=nnx.Rngs(seed)), 17),
    "vae, one pixel": (lambda seed: Vae(1, [], 1, rngs=nnx.Rngs(seed)), 2),
    "flow": (lambda seed: RealNVP(6, 3, [8], rngs=nnx.Rngs(seed)), 5),
    "flow of bits": (lambda seed: RealNVP(2, 2, [], rngs=nnx.Rngs(seed)), 2),
}


def build(name: str, seed: int = 0):
    """The model with weights away from their start."""
    return perturbed(MODELS[name][0](seed), seed, 0.3)


def levels_for(name: str) -> dict[str, int]:
    """The arguments of `compress` beside model and images."""
    return {"levels": MODELS[name][1]} if "flow" in name else {}


def images_for(name: str, count: int, seed: int, kind: str = "random") -> np.ndarray:
    """Images that the model takes: random ones, or all of the lowest or of the highest value."""
    model, levels = build(name), MODELS[name][1]
    size = getattr(model, "num_dims", None) or getattr(model, "num_inputs", None)
    shape = (count, *getattr(model, "event_shape", (size,)))
    symbols = {"random": np.random.default_rng(seed).integers(0, levels, shape)}
    symbols |= {"zeros": np.zeros(shape), "ones": np.full(shape, levels - 1)}
    return (symbols[kind] / (levels - 1)).astype(np.float32)


def leaky_made() -> Made:
    """A MADE without masks: every conditional looks at all pixels, also at those to come."""
    model = build("made")
    for layer in model.layers:
        layer.mask[...] = jnp.ones_like(layer.mask[...])
    return model
