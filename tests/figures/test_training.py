"""Learning curves draw what the history holds."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.figures.training import learning_curves
from course_lib.training import History


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def made(validation, best):
    losses = np.array([3.0, 2.0, 1.5])
    return History(losses, validation, best, steps=3, seconds=1.0, compile_seconds=1.0, stopped="finished")


def test_both_curves_and_the_best_epoch():
    (ax,) = learning_curves(made(np.array([4.0, 2.5, 2.75]), 2)).axes
    train, validation, best = ax.lines
    assert train.get_xdata().tolist() == [1, 2, 3]
    assert train.get_ydata().tolist() == [3.0, 2.0, 1.5]
    assert validation.get_ydata().tolist() == [4.0, 2.5, 2.75]
    assert (np.ravel(best.get_xdata())[0], np.ravel(best.get_ydata())[0]) == (2, 2.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation", "best: epoch 2"]
    assert ax.get_ylabel() == "loss (nats)"


def test_without_validation_one_curve():
    (ax,) = learning_curves(made(None, 3), unit="bits per pixel").axes
    assert len(ax.lines) == 1
    assert ax.get_legend() is None
    assert ax.get_ylabel() == "loss (bits per pixel)"


def test_plain_numbers():
    (ax,) = learning_curves([5.0, 4.0]).axes
    assert ax.lines[0].get_ydata().tolist() == [5.0, 4.0]


def test_interrupted_before_the_first_epoch():
    nothing = History(np.array([]), np.array([]), 0, 0, 0.0, 0.0, "interrupted")
    (ax,) = learning_curves(nothing).axes
    assert len(ax.lines) == 2
