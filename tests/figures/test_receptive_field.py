"""The picture of a receptive field colours each pixel by what the prediction may do with it."""

import numpy as np

from course_lib.figures.receptive_field import receptive_fields


def test_each_pixel_is_target_seen_blind_or_later():
    seen = np.zeros((3, 4))
    seen[0, 1] = seen[1, 1] = 0.5
    figure = receptive_fields({"one": seen, "two": 0 * seen}, (1, 2))
    one, two = (ax.collections[0].get_array().reshape(3, 4) for ax in figure.axes)
    np.testing.assert_array_equal(one, [[2, 1, 2, 2], [2, 1, 3, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(two, [[2, 2, 2, 2], [2, 2, 3, 0], [0, 0, 0, 0]])
    assert [ax.get_title() for ax in figure.axes] == ["one", "two"]
    assert len(figure.legends[0].get_texts()) == 4
