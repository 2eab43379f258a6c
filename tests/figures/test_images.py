"""Grids of images: every image in its place, ink dark, classes at their medians."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.figures.images import image_grid, image_rows, scatter_by_class, tile


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def numbered(n, h=2, w=3):
    """Image i is constant i + 1, so that every pixel says where it came from."""
    return np.broadcast_to(np.arange(1.0, n + 1)[:, None, None], (n, h, w))


def test_tile_places_images_row_by_row():
    picture = tile(numbered(5), columns=2, pad=1, fill=0.0)
    assert picture.shape == (3 * 3 + 1, 2 * 4 + 1)
    assert picture[1:3, 1:4].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert (picture[1:3, 5:8] == 2).all()
    assert (picture[4:6, 1:4] == 3).all()
    assert (picture[7:9, 5:8] == 0).all()  # the sixth place is empty


def test_tile_borders_have_the_fill_and_can_be_left_out():
    picture = tile(numbered(4), columns=2, pad=2, fill=0.5)
    assert (picture[:2] == 0.5).all()
    assert (picture[:, -2:] == 0.5).all()
    bare = tile(numbered(4), columns=2, pad=0)
    assert bare.shape == (4, 6)
    assert set(bare.ravel()) == {1, 2, 3, 4}


def test_tile_keeps_orientation():
    image = np.zeros((1, 3, 3))
    image[0, 0, 2] = 1.0
    assert tile(image, 1, pad=0)[0, 2] == 1.0


def test_image_rows_labels_each_row_and_uses_one_scale():
    figure = image_rows({"originals": numbered(4), "rebuilt": numbered(3)}, vmin=-1, vmax=7)
    assert [ax.get_ylabel() for ax in figure.axes] == ["originals", "rebuilt"]
    widths = [ax.images[0].get_array().shape for ax in figure.axes]
    assert widths[0] == widths[1]  # a shorter row leaves places empty, not larger images
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(-1, 7)}
    assert all(len(ax.get_xticks()) == 0 for ax in figure.axes)


def test_image_grid_has_title_and_shape():
    figure = image_grid(numbered(7), columns=3, title="seven")
    (ax,) = figure.axes
    assert ax.get_title() == "seven"
    assert ax.images[0].get_array().shape == (3 * 3 + 1, 3 * 4 + 1)


@pytest.mark.parametrize("make", [lambda x, **k: image_grid(x, 2, **k), lambda x, **k: image_rows({"": x}, **k)])
def test_colour_map_is_passed_on(make):
    assert make(numbered(2)).axes[0].images[0].get_cmap().name == plt.rcParams["image.cmap"]
    assert make(numbered(2), cmap="PuOr_r").axes[0].images[0].get_cmap().name == "PuOr_r"


def test_ink_is_dark_in_the_style_of_the_course():
    from course_lib.figures import style

    with plt.rc_context(style.SETTINGS):
        image = image_grid(np.ones((1, 2, 2)), columns=1).axes[0].images[0]
        assert image.get_cmap()(image.norm(1.0))[:3] == (0, 0, 0)
        assert image.get_cmap()(image.norm(0.0))[:3] == (1, 1, 1)


def test_scatter_writes_each_class_at_its_median_in_its_colour():
    points = np.array([[0, 0], [1, 2], [2, 100], [10, 10], [12, 10]], dtype=float)
    labels = np.array([3, 3, 3, 7, 7])
    _, ax = plt.subplots()
    scatter_by_class(ax, points, labels)
    assert [text.get_text() for text in ax.texts] == ["3", "7"]
    assert [text.xy for text in ax.texts] == [(1, 2), (11, 10)]
    for c, drawn in zip((3, 7), ax.collections, strict=True):
        np.testing.assert_array_equal(drawn.get_offsets(), points[labels == c])
        assert tuple(drawn.get_facecolor()[0][:3]) == plt.get_cmap("tab10")(c)[:3]


def test_scatter_takes_names():
    _, ax = plt.subplots()
    scatter_by_class(ax, np.zeros((2, 2)), np.array([0, 1]), names=["cat", "dog"])
    assert [text.get_text() for text in ax.texts] == ["cat", "dog"]
