"""One constructor for each explorer of the chapters, with small stand-ins where a chapter passes a trained model."""

from itertools import pairwise

import numpy as np

from course_lib.explorers import Explorer
from course_lib.explorers.scenes.ar2_triangle import ar2_triangle_explorer
from course_lib.explorers.scenes.beta_models import beta_models_explorer
from course_lib.explorers.scenes.bits_back_steps import bits_back_steps_explorer
from course_lib.explorers.scenes.change_of_variables import change_of_variables_explorer
from course_lib.explorers.scenes.class_sampler import class_sampler_explorer
from course_lib.explorers.scenes.coupling_steps import coupling_steps_explorer
from course_lib.explorers.scenes.divergence import divergence_explorer
from course_lib.explorers.scenes.evidence_bound import evidence_explorer
from course_lib.explorers.scenes.families import families_explorer
from course_lib.explorers.scenes.flow_layers import flow_layers_explorer
from course_lib.explorers.scenes.generation import generation_explorer
from course_lib.explorers.scenes.interpolation import interpolation_explorer
from course_lib.explorers.scenes.latent_plane import latent_plane_explorer
from course_lib.explorers.scenes.latent_sliders import latent_sliders_explorer
from course_lib.explorers.scenes.masks import mask_explorer
from course_lib.explorers.scenes.receptive_field import receptive_field_explorer
from course_lib.explorers.scenes.reparameterization import reparameterization_explorer
from course_lib.explorers.scenes.ring import ring_explorer
from course_lib.explorers.scenes.row_reader import row_reader_explorer
from course_lib.explorers.scenes.spline_knots import spline_knots_explorer
from course_lib.flows import rational_quadratic_forward
from course_lib.networks import made_masks


def random_layers(rng: np.random.Generator, *sizes: int, last: str = "sigmoid") -> list:
    kernels = [rng.normal(size=(a, b)) / np.sqrt(a) for a, b in pairwise(sizes)]
    activations = ["silu"] * (len(kernels) - 1) + [last]
    return [(k, 0.1 * rng.normal(size=k.shape[1]), act) for k, act in zip(kernels, activations, strict=True)]


def _plane() -> Explorer:
    rng = np.random.default_rng(0)
    decoder = random_layers(rng, 2, 64, 128, 784)
    return latent_plane_explorer(decoder, rng.normal(size=(500, 2)), rng.integers(0, 10, 500), (28, 28))


def _sliders() -> Explorer:
    rng = np.random.default_rng(1)
    encoder, decoder = random_layers(rng, 784, 128, 20, last="linear"), random_layers(rng, 10, 128, 784)
    mean, log_sigma = rng.normal(size=(10, 10)), -rng.uniform(0, 2, (10, 10))
    return latent_sliders_explorer(encoder, decoder, rng.uniform(0, 3, 10), mean, log_sigma, np.arange(10), (28, 28))


def _flow() -> Explorer:
    rng = np.random.default_rng(2)
    t = np.linspace(0, 1, 7)[:, None, None]
    z, grid = rng.normal(size=(400, 2)), np.stack(np.meshgrid(*2 * [np.linspace(-3, 3, 15)]), axis=-1)
    points, mesh = (1 - t) * z + 2 * t * np.tanh(z), (1 - t[..., None]) * grid + 2 * t[..., None] * np.tanh(grid)
    return flow_layers_explorer(points, mesh, rng.uniform(size=(7, 48, 48)), (-3.5, 3.5))


def _families() -> Explorer:
    images = np.random.default_rng(5).integers(0, 17, (8, 5, 24, 8, 8)) / 16
    return families_explorer({f"model {i}": rows for i, rows in enumerate(images)}, (0.5, 1.5))


def _masks() -> Explorer:
    orderings = {"left to right": range(6), "right to left": range(5, -1, -1), "shuffled": [3, 0, 5, 1, 4, 2]}
    return mask_explorer({name: made_masks(np.array(o), [8, 8]) for name, o in orderings.items()})


def _generation() -> Explorer:
    rng, d = np.random.default_rng(3), 64
    drawn = np.arange(d)[None, :] < np.arange(d + 1)[:, None]
    images = np.where(drawn[None], rng.integers(0, 2, (4, 1, d)), 0.5).reshape(4, d + 1, 8, 8)
    current = (0.5 * drawn + (np.arange(d)[None] == np.arange(d + 1)[:, None])).reshape(d + 1, 8, 8)
    return generation_explorer(images, rng.uniform(size=(4, d + 1, 8, 8)), current)


def _classes() -> Explorer:
    rng = np.random.default_rng(4)
    weights, ink = rng.normal(size=(2, 5)), rng.uniform(0.05, 0.95, (2, 5, 784))
    return class_sampler_explorer(weights, ink, ("four", "nine"), (28, 28))


def _receptive_field() -> Explorer:
    """Cones for 3 × 3 masks in one stack, rectangles for two stacks, as chapter 02b derives them; 4 depths."""
    i, j, k, m = np.indices((13, 13, 13, 13), sparse=True)
    up, right = i - k, m - j
    cone, box = np.zeros((2, 4, 13, 13, 13, 13), bool)
    for depth in range(4):
        near = (up <= depth + 1) & (abs(right) <= depth + 1)
        box[depth] = near & ((up > 0) | ((up == 0) & (right < 0)))
        cone[depth] = box[depth] & (right <= up)
    return receptive_field_explorer({"one stack": cone, "two stacks": box})


def _betas() -> Explorer:
    rng = np.random.default_rng(5)
    kl = np.sort(rng.uniform(0, 3, (7, 10)))[:, ::-1]
    images = rng.uniform(size=(2, 7, 16, 14, 14))
    return beta_models_explorer(range(-4, 3), kl, kl.sum(axis=1), np.linspace(15, 50, 7), *images)


def _bits() -> Explorer:
    rng = np.random.default_rng(6)
    stack = 192.0 + np.cumsum(rng.integers([0, -90, 10, 80], [1, -50, 40, 110], (8, 4)), axis=1)
    return bits_back_steps_explorer(1.0 * rng.integers(0, 2, (8, 8, 8)), rng.uniform(size=(8, 8, 8)), stack)


def _interpolation() -> Explorer:
    rng = np.random.default_rng(7)
    images, codes, cloud = 1.0 * rng.integers(0, 2, (10, 28, 28)), rng.normal(size=(10, 16)), rng.normal(size=(500, 16))
    return interpolation_explorer(random_layers(rng, 16, 64, 128, 784), images, codes, "0123456789", cloud, 2.0)


def _rows() -> Explorer:
    rng = np.random.default_rng(8)
    steps = np.concatenate([np.zeros((10, 1)), rng.normal(scale=1.5, size=(10, 28))], axis=1)
    images = 1.0 * rng.integers(0, 2, (10, 28, 28))
    return row_reader_explorer(images, rng.integers(0, 2, 10), steps.cumsum(axis=1), ("four", "nine"))


EXPLORERS = {
    "class_sampler": _classes,
    "masks": _masks,
    "generation": _generation,
    "ar2_triangle": ar2_triangle_explorer,
    "beta_models": _betas,
    "bits_back_steps": _bits,
    "change_of_variables": change_of_variables_explorer,
    "coupling_steps": coupling_steps_explorer,
    "families": _families,
    "flow_layers": _flow,
    "interpolation": _interpolation,
    "latent_plane": _plane,
    "divergence": divergence_explorer,
    "evidence_bound": evidence_explorer,
    "ring": ring_explorer,
    "row_reader": _rows,
    "spline_knots": lambda: spline_knots_explorer(rational_quadratic_forward),
    "receptive_field": _receptive_field,
    "reparameterization": reparameterization_explorer,
    "latent_sliders": _sliders,
}
