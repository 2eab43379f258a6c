"""Strict settings for every test: no silent broadcasting between ranks, no key used twice."""

import os
from pathlib import Path

import jax
import matplotlib
import pytest

matplotlib.use("Agg")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with full MNIST and the binary data sets; a learner's machine need not have it, CI must."""
    folder = Path(os.environ.get("COURSE_DATA_DIR", ""))
    if (folder / "mnist.npz").is_file():
        return folder
    missing = "COURSE_DATA_DIR names no folder with mnist.npz"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
