"""The pictures of chapter 3 show what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.figures import flows as draw


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def log_normal_in_the_plane(points):
    return -0.5 * (points**2).sum(-1) - np.log(2 * np.pi)


def test_bars_keep_their_areas():
    z_edges, x_edges, masses = np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.5, 4.0]), np.array([0.3, 0.7])
    figure = draw.equal_area_bars(masses, z_edges, x_edges, (-1, 5))
    for ax, edges in zip(figure.axes, (z_edges, x_edges), strict=True):
        areas = [bar.get_width() * bar.get_height() for bar in ax.patches]
        np.testing.assert_allclose(areas, masses)
        np.testing.assert_allclose([bar.get_x() for bar in ax.patches], edges[:-1])


def test_density_on_a_square_sums_to_its_probability():
    density, cell_area = draw.evaluate_on_square(log_normal_in_the_plane, (-6.0, 6.0), 100)
    assert abs(density.sum() * cell_area - 1) < 1e-4


def test_first_axis_of_the_heat_map_is_the_second_coordinate():
    density, _ = draw.evaluate_on_square(lambda points: points[..., 1], (-1.0, 1.0), 4)
    assert (np.diff(density, axis=0) > 0).all()
    np.testing.assert_allclose(np.diff(density, axis=1), 0)


def test_heat_map_covers_the_bounds_with_low_values_at_the_bottom():
    _, ax = plt.subplots()
    draw.density_map(ax, log_normal_in_the_plane, (-2.0, 3.0), "title", cells=10, top=0.5)
    image = ax.images[0]
    assert tuple(image.get_extent()) == (-2.0, 3.0, -2.0, 3.0)
    assert image.origin == "lower"
    assert image.get_clim() == (0, 0.5)


def test_warped_grid_draws_every_line():
    lines = np.random.default_rng(0).normal(size=(2, 3, 7, 2))
    _, ax = plt.subplots()
    draw.warped_grid(ax, lines)
    drawn = np.array([line.get_xydata() for line in ax.lines])
    np.testing.assert_allclose(drawn, lines.reshape(6, 7, 2))


def labels(figure) -> set[str]:
    return {text.get_text() for ax in figure.axes for text in ax.texts}


def test_the_chain_numbers_each_inverse_like_the_map_that_it_undoes():
    ax = draw.chain_diagram().axes[0]
    place = {text.get_text(): text.get_position()[0] for text in ax.texts}
    for i in ("1", "2", "{N-1}", "N"):
        assert place[f"$g_{i}$"] == place[f"$f_{i}$"]
    assert place["$z=x_0$"] < place["$g_1$"] < place["$g_N$"] < place["$x_N=x$"]


def test_base_and_target_names_both_directions():
    figure = draw.base_and_target(log_normal_in_the_plane, log_normal_in_the_plane, (-3, 3))
    assert labels(figure) == {"$Y=g(Z)$\ngenerative", "$Z=f(Y)$\nnormalizing"}
    assert len(figure.axes) == 2


def test_jacobian_picture_leaves_zeros_empty():
    figure = draw.jacobian_picture(np.array([[1.0, 0.0], [0.5, -2.0]]), "12", "title")
    assert labels(figure) == {"1.00", "0.50", "-2.00"}
