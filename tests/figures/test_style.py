"""The colours mean something: they must be told apart by everybody, and importing must change nothing."""

import subprocess
import sys
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from course_lib.figures import style

ROLES = {"encoder": style.ENCODER, "latent": style.LATENT, "decoder": style.DECODER}
# Linear-RGB matrices of Viénot, Brettel and Mollon (1999) for the two common forms of colour blindness.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopia": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lightness_and_chroma(rgb):
    """CIE L*a*b* of a linear sRGB colour: equal distances look about equally different."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(to_xyz @ rgb, 0, None) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def least_difference(colours, blindness):
    seen = [lightness_and_chroma(BLINDNESS[blindness] @ linear(colour)) for colour in colours]
    return min(np.linalg.norm(a - b) for a, b in combinations(seen, 2))


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_three_roles_differ_for_every_eye(blindness):
    assert least_difference(ROLES.values(), blindness) > 20


def test_pure_red_and_green_would_fail_that_test():
    assert least_difference(["#CC0000", "#667700"], "deuteranopia") < 20


def test_targets_are_red_and_predecessors_green_as_on_the_pages():
    assert style.TARGET == style.DECODER == style.RED
    assert style.PREDECESSOR == style.LATENT == style.GREEN
    for colour, channel in [(style.RED, 0), (style.GREEN, 1), (style.BLUE, 2)]:
        assert int(np.argmax(to_rgb(colour))) == channel


@pytest.mark.parametrize("colour", [style.INK, style.GREY, style.BLUE, style.RED])
def test_colours_used_for_words_are_dark_enough_on_white(colour):
    luminance = linear(colour) @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) > 3.5  # contrast; WCAG asks 3 of large text


def test_use_sets_the_style():
    before = dict(plt.rcParams)
    try:
        style.use()
        assert plt.rcParams["image.cmap"] == "gray_r"
        assert plt.rcParams["figure.dpi"] == 100
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"][:3] == [style.BLUE, style.RED, style.GREEN]
    finally:
        plt.rcParams.update(before)


def test_importing_every_figure_module_changes_no_setting():
    code = (
        "import pkgutil, importlib, matplotlib as m; before = dict(m.rcParams); import course_lib.figures as f;"
        "[importlib.import_module(f'course_lib.figures.{x.name}') for x in pkgutil.iter_modules(f.__path__)];"
        "assert dict(m.rcParams) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
