"""Covers: taken from the one tagged picture, and noticed when old."""

import base64
import io
import json

import pytest
from PIL import Image

from tools.covers import SIZE, cover, main


def write_notebook(path, *colours, tag="cover"):
    cells = []
    for colour in colours:
        buffer = io.BytesIO()
        Image.new("RGB", (900, 300), colour).save(buffer, "PNG")
        output = {"output_type": "display_data", "data": {"image/png": base64.b64encode(buffer.getvalue()).decode()}}
        cells.append({"cell_type": "code", "metadata": {"tags": [tag]}, "source": "", "outputs": [output]})
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")


def test_a_cover_is_the_tagged_picture_made_small(tmp_path):
    write_notebook(tmp_path / "01_a.ipynb", "red")
    image = Image.open(io.BytesIO(cover(tmp_path / "01_a.ipynb"))).convert("RGB")
    assert image.width == SIZE[0]
    assert image.height < SIZE[1]
    assert image.getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("colours", [(), ("red", "blue")])
def test_a_chapter_has_exactly_one_cover(tmp_path, colours):
    write_notebook(tmp_path / "01_a.ipynb", *colours)
    with pytest.raises(ValueError, match=f"01_a.ipynb has {len(colours)} pictures"):
        cover(tmp_path / "01_a.ipynb")


def test_old_covers_are_noticed(tmp_path, capsys):
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "01_a.ipynb", "red")
    assert main(["--check"], tmp_path) == 1
    assert "01_a.png" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    write_notebook(tmp_path / "notebooks" / "01_a.ipynb", "blue")
    assert main(["--check"], tmp_path) == 1
