"""The account that the explorer of bits back shows."""

import numpy as np
import pytest

from course_lib.explorers.scenes.bits_back_steps import bits_back_steps_explorer

STACK = np.array([[192.0, 120.0, 150.0, 235.0], [235.0, 160.0, 181.0, 260.0]])


@pytest.mark.parametrize("image", [0, 1])
def test_the_readouts_are_the_account(image):
    digits = np.eye(2)[None] * np.ones((2, 1, 1))
    explorer = bits_back_steps_explorer(digits, 0.3 + 0 * digits, STACK)
    for step in range(4):
        shown = explorer.exact(image=image, step=float(step))
        assert shown["now"] == STACK[image, step]
        assert shown["sum"] == STACK[image, step] - STACK[image, 0]
        assert shown["change"] == (STACK[image, step] - STACK[image, step - 1] if step else 0)
        np.testing.assert_array_equal(shown["heights"], np.where(np.arange(4) <= step, STACK[image], 0))
        np.testing.assert_allclose(shown["chance"], 0.3 if step else 0.5)
