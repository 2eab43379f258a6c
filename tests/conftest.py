"""Strict settings for every test: no silent broadcasting between ranks, no key used twice."""

import gc
import os
from pathlib import Path

import jax
import matplotlib
import pytest

from tests.compiled import keep_compiled

ROOT = Path(__file__).parents[1]
# These files take longest. They come first, so that at the end no process waits for another. Of the browser's, only
# the second needs the website, which is built meanwhile.
LONGEST = [
    "browser/test_explorers_in_lab.py", "browser/test_pages.py", "browser/test_lab_reopened.py",
    "laws/test_odd_inputs.py", "laws/test_structures_and_distributions.py", "setup/test_newer_releases.py",
    "laws/test_bijection_laws.py",
    "autoregressive/test_pixelcnn.py", "laws/test_models_anywhere.py", "setup/test_set_up.py",
    "places/test_streams.py", "vae/test_better_bounds.py", "autoregressive/test_sampling.py",
]  # fmt: skip

matplotlib.use("Agg")
os.environ["COURSE_PROGRESS"] = "off"  # what tests solve is no learner's progress
keep_compiled()
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file, and among the others, the order stays."""
    ranks = {ROOT / "tests" / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_collection_finish() -> None:
    """What is imported by now stays: Python need not look through it again and again for what can be freed."""
    gc.collect()
    gc.freeze()


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
