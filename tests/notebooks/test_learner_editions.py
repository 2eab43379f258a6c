"""What a learner finds in the built notebooks: outputs, pictures that can be heard, exercises still to be done."""

from itertools import pairwise

import nbformat
import pytest

from tests.notebooks.sources import tags
from tools.notebook_digest import ROOT

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
                explorer = output.data.get("text/plain", "").startswith("Explorer(")  # it describes itself
                assert len(alt) > 40 if explorer else alt == cell.metadata["alt"]


@each_built
def test_every_cell_was_executed_once_in_order(path):
    counts = [cell.execution_count for cell in notebook(path).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@each_built
def test_every_check_is_followed_by_a_collapsed_solution(path):
    for before, after in pairwise(notebook(path).cells):
        if "check" in tags(before):
            assert after.source.startswith("<details>\n<summary>Solution</summary>")
