"""One constructor for each figure that trains, as its chapter makes it."""

from functools import cache

import numpy as np

from course_lib.autoencoders import DeepAutoencoder, cross_entropy_loss
from course_lib.autoregressive import Fvsbn
from course_lib.autoregressive import negative_log_likelihood as pixel_loss
from course_lib.data import digits_8x8, toy_density
from course_lib.explorers.live import LiveTraining
from course_lib.explorers.scenes.live_autoencoder import live_autoencoder_explorer
from course_lib.explorers.scenes.live_directions import live_directions_explorer
from course_lib.explorers.scenes.live_flow import live_flow_explorer
from course_lib.explorers.scenes.live_masks import live_masks_explorer
from course_lib.explorers.scenes.live_mixture import live_mixture_explorer
from course_lib.explorers.scenes.live_vae import live_vae_explorer
from course_lib.flows import Affine, Flow, RealNVP
from course_lib.flows import negative_log_likelihood as flow_loss
from course_lib.vae import Vae, regularized_loss

PLANE = ("two_moons", "ring", "pinwheel", "checkerboard", "eight_gaussians", "spirals")


def digits() -> tuple[np.ndarray, np.ndarray]:
    train = digits_8x8().train
    return (np.asarray(train.images) > 0.5).astype(np.float32), np.asarray(train.labels)


def _flow() -> LiveTraining:
    return live_flow_explorer(
        lambda rngs: RealNVP(2, 6, [32, 32], rngs=rngs), flow_loss, [toy_density(name) for name in PLANE]
    )


def _vae() -> LiveTraining:
    return live_vae_explorer(lambda rngs: Vae(64, [64], 2, rngs=rngs), regularized_loss, *digits())


def _autoencoder() -> LiveTraining:
    return live_autoencoder_explorer(
        lambda rngs: DeepAutoencoder(64, [64], 2, rngs=rngs), cross_entropy_loss, *digits()
    )


def _masks() -> LiveTraining:
    return live_masks_explorer(lambda rngs: Fvsbn(64), pixel_loss, digits()[0], pixels=(27, 35, 43))


def _directions() -> LiveTraining:
    return live_directions_explorer(lambda rngs: Flow(2, Affine(np.zeros(2), np.ones(2))))


def _mixture() -> LiveTraining:
    return live_mixture_explorer([toy_density(name) for name in ("eight_gaussians", "two_moons")])


LIVE = {
    "directions": _directions,
    "mixture": _mixture,
    "flow": _flow,
    "vae": _vae,
    "autoencoder": _autoencoder,
    "masks": _masks,
}


@cache
def live(name: str) -> LiveTraining:
    return LIVE[name]()
