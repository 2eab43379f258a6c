"""What a learner finds in the built notebooks: outputs, pictures that can be heard, exercises still to be done."""

from itertools import pairwise

import nbformat
import pytest

from tests.notebooks.sources import each_source, tags
from tools.notebook_digest import ROOT
from tools.notebook_outputs import VIEW
from tools.notebook_source import chapter_number

BUILT = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_built = pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)


def notebook(path):
    return nbformat.read(path, as_version=4)


@each_built
def test_no_exercise_passes_before_it_is_solved(path):
    checks = [cell for cell in notebook(path).cells if "check" in tags(cell)]
    reports = ["".join(output.get("text", "") for output in cell.outputs) for cell in checks]
    assert all("Exercise" in report for report in reports)
    assert [report for report in reports if "All checks passed." in report or "✓" in report] == []


@each_built
def test_every_picture_has_its_alt_text(path):
    for cell in notebook(path).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata["image/png"]["alt"]
                describes_itself = output.data.get("text/plain", "").startswith(("Explorer(", "LiveTraining("))
                assert len(alt) > 40 if describes_itself else alt == cell.metadata["alt"]


@each_built
def test_every_cell_was_executed_once_in_order(path):
    counts = [cell.execution_count for cell in notebook(path).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@each_built
def test_every_check_is_followed_by_a_collapsed_solution(path):
    for before, after in pairwise(notebook(path).cells):
        if "check" in tags(before):
            assert after.source.startswith("<details>\n<summary>Solution</summary>")


def shows_a_figure(cell) -> bool:
    """A picture, or a widget that is no progress bar (the builder has removed those)."""
    return any({"image/png", VIEW} & set(output.get("data", {})) for output in cell.get("outputs", []))


@each_source
def test_every_figure_has_its_numbered_caption(path):
    cells, chapter = notebook(ROOT / "notebooks" / f"{path.stem}.ipynb").cells, chapter_number(path)
    after = [below for above, below in pairwise(cells) if above.cell_type == "code" and shows_a_figure(above)]
    captions = [cell for cell in cells if "caption" in tags(cell)]
    assert [cell.source[:60] for cell in after if cell not in captions] == []
    assert len(after) == len(captions)
    for number, cell in enumerate(captions, start=1):
        assert f"**Figure {chapter}.{number}.** " in cell.source
        assert len(cell.source) > 60
