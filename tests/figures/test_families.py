"""The small drawings of the families: each draws what its caption says, and one SVG serves light and dark pages."""

import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.colors import to_hex

from course_lib.figures.families import FAMILIES, family, inline_svg
from course_lib.figures.style import DECODER, ENCODER, INK, LATENT

COLOURS = {
    "Latent-variable model": {LATENT, DECODER},
    "Autoregressive model": {LATENT, DECODER},  # predecessors are green as well, the target red
    "Normalizing flow": {ENCODER, LATENT, DECODER},
    "Auto-encoder": {ENCODER, LATENT, DECODER},
    "Variational auto-encoder": {ENCODER, LATENT, DECODER},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_is_drawn_in_its_colours(name):
    figure = family(name)
    ax = figure.axes[0]
    texts, patches, lines = ax.texts, ax.patches, ax.lines
    used = {to_hex(p.get_edgecolor()).upper() for p in patches} | {to_hex(line.get_color()).upper() for line in lines}
    assert used - {INK.upper()} == COLOURS[name]
    assert any("x" in text.get_text() for text in texts)
    assert ax.get_position().bounds == (0, 0, 1, 1)


def test_svg_takes_the_colours_of_the_page_and_names_of_its_own():
    pictures = [inline_svg(family(name), name) for name in FAMILIES]
    ids: list[str] = []
    for name, text in zip(FAMILIES, pictures, strict=True):
        root = ElementTree.fromstring(text.replace("xlink:href", "href"))
        assert root.get("aria-label") == name
        own = [node.get("id") for node in root.iter() if node.get("id")]
        referred = {node.get("href", "").removeprefix("#") for node in root.iter() if node.get("href")}
        assert referred <= set(own)
        ids += own
        assert INK.lower() not in text
        assert "currentColor" in text
    assert len(ids) == len(set(ids))
    assert pictures[0] == inline_svg(family("Latent-variable model"), "Latent-variable model")
