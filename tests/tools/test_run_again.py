"""Every cell of a finished notebook is run once more: what crashes, says something else or moves a model is found."""

import re
import subprocess
import sys

import nbformat
import pytest

from tests.notebooks.test_nbval_recipe import RECIPE
from tools.notebook_digest import ROOT
from tools.notebook_source import learner_edition, read_source, trial_edition

# (metadata, code, what the report of its second run must say; "" if it passes)
CELLS = [
    ("", "import jax\nimport jax.numpy as jnp\nfrom flax import nnx", ""),
    ("", "orderings = [3, 1, 2]\nprint(sorted(orderings))", ""),
    ("", "print(orderings[0])", "KeyError: 0"),
    ("", "orderings = {'left to right': [1, 2, 3]}\norderings", ""),
    ("", "seen = []", ""),
    ("", "seen.append(len(seen))\nprint(len(seen))", "prints something else"),
    ("", "print(seen[:1], object)", ""),
    ("", "class Line(nnx.Module):\n    def __init__(self):\n        self.slope = nnx.Param(jnp.zeros(()))", ""),
    ("", "line = Line()\nkeep = {'first': [line]}", ""),
    ("", "line.slope[...] += 1.0", "changes line, which an earlier cell made"),
    ("", "print(float(line.slope[...]))", "prints something else"),  # the model has moved since
    (' again="it counts on"', "line.slope[...] += 1.0", ""),
    (' again="it never differed"', "print('the same')", "does the same as before; remove its mark (it never"),
    ("", "line.slope[...] = 2.0\nobject()", ""),
    ("", "from IPython.display import display\ndisplay(seen)\njax.random.normal(jax.random.key(0), (2,))", ""),
    ("", "draws = []", ""),
    ("", "draws.append(1)\njax.random.normal(jax.random.key(len(draws)), (2,))", "prints something else"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "98_again.py"
    path.write_text("\n".join(f"# %%{key}\n{code}\n" for key, code, _ in CELLS), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(source):
    """The failures that the recipe of `make test` prints, by the number of the cell that was run again."""
    path = source.with_suffix(".ipynb")
    nbformat.write(trial_edition(source), path)
    settings = ["-rA", "--color=no", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(source.parent)]
    command = [sys.executable, "-m", "pytest", *settings, *RECIPE, str(path)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, encoding="utf-8", timeout=200)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    _, *parts = text.split("\n____")
    failed = {
        int(part.split("run_again(")[1].split(")")[0].split(",")[0]): part for part in parts if "run_again(" in part
    }
    assert len(failed) == len(parts), "every first run passes:\n" + text
    return failed


@pytest.mark.parametrize("number", range(1, len(CELLS) + 1), ids=lambda n: CELLS[n - 1][1].splitlines()[-1])
def test_the_second_run_of_each_cell(report, number):
    expected = CELLS[number - 1][2]
    assert (number in report) == bool(expected)
    assert expected in report.get(number, "")


def test_the_message_shows_both_texts(report):
    assert all(line in report[6] for line in ("--- first run", "+++ run again", "-1", "+2"))


def test_the_reason_is_kept_out_of_both_editions(source):
    assert [cell.metadata["again"] for cell in read_source(source) if "again" in cell.metadata]
    for edition in (learner_edition(source), trial_edition(source)):
        assert not any("again" in cell.metadata for cell in edition.cells)
