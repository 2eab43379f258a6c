"""The row reader adds log-odds: of the prior, and of the rows that were read."""

import numpy as np
import pytest

from course_lib.explorers import Slider
from course_lib.explorers.scenes.row_reader import UNREAD, row_reader_explorer


def test_the_posterior_is_bayes_rule_after_every_row():
    rng = np.random.default_rng(3)
    ink = rng.uniform(0.2, 0.8, (2, 12, 3))  # the probability of ink for each class and pixel
    image = 1.0 * rng.integers(0, 2, (1, 12, 3))
    by_row = np.where(image == 1, ink, 1 - ink).prod(axis=2)  # p(row | class)
    read = np.cumprod(np.concatenate([np.ones((2, 1)), by_row], axis=1), axis=1)
    explorer = row_reader_explorer(
        np.tile(image, (2, 1, 1)), np.array([1, 0]), np.tile(np.log(read[1] / read[0]), (2, 1)), ("four", "nine")
    )
    for rows, prior_odds in [(0, 0), (3, -4), (12, 10)]:
        prior = 1 / (1 + np.exp(-prior_odds))
        bayes = prior * read[1] / (prior * read[1] + (1 - prior) * read[0])
        shown = explorer.shown(image=0, rows_read=float(rows), prior_odds=float(prior_odds))
        np.testing.assert_allclose(shown["posterior"], bayes, atol=5e-4)
        assert shown["now"] == pytest.approx(bayes[rows], abs=5e-4)
        assert shown["prior"] == pytest.approx(prior, abs=5e-4)
        np.testing.assert_allclose(shown["here"], [[rows, bayes[rows]]], atol=2e-3)
        np.testing.assert_allclose(shown["picture"][:rows], image[0, :rows], atol=1e-3)
        np.testing.assert_allclose(shown["picture"][rows:], UNREAD, atol=1e-3)


def test_log_odds_that_do_not_begin_with_no_row_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 12\); expected \(1, 13\)"):
        row_reader_explorer(np.zeros((1, 12, 3)), np.array([1]), np.zeros((1, 12)), ("four", "nine"))


@pytest.mark.parametrize(
    ("low", "high", "step", "digits"), [(0.25, 2, 0.25, 2), (5, 20, 0.5, 1), (0, 28, 1, 0), (-1, 1, None, 2)]
)
def test_a_slider_shows_all_decimals_of_its_steps(low, high, step, digits):
    """The temperature 0.25 must not read 0.3."""
    slider = Slider("x", low, high, 8, high, step=step)
    assert slider.digits == slider.to_json().get("digits", digits) == digits
