"""What the built notebooks show where there is no kernel: pictures, text, explorers; no control that needs Python."""

import json
from pathlib import Path

import pytest
from nbformat.v4 import new_output

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def shown_names_of_controls(notebook: dict) -> list[str]:
    """The outputs that read as the name of a widget."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    texts = [json.dumps(output.get("data", output.get("text", ""))) for output in outputs]
    return [text[:80] for text in texts if "interactive(children=" in text or "Box(children=" in text]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_reads_as_the_name_of_a_control(path: Path):
    assert shown_names_of_controls(json.loads(path.read_text(encoding="utf-8"))) == []


def test_a_control_is_noticed():
    """Negative control: what `ipywidgets.interact` leaves."""
    left = new_output("display_data", {"text/plain": "interactive(children=(FloatSlider(value=8.0), Output()))"})
    assert shown_names_of_controls({"cells": [{"outputs": [left]}]})
