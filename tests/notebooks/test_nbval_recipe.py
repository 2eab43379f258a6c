"""The command that executes the notebooks in `make test` must fail when it should.

    python -m tools.build_notebooks --trial
    python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout 120 -p no:cacheprovider \\
        -n 2 --dist loadfile build/trial

`--nbval-lax` executes every cell and compares text outputs only where a cell has the tag `nbval-check-output`;
`--nbval-current-env` takes this environment's Python and no other kernel; `--dist loadfile` keeps the cells of a
notebook together. A trial edition is the learner edition with its outputs, and after its last cell the exercises with
their solutions: a cell demands that every check passed, and then every cell is run once more.
"""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.notebook_digest import ROOT

RECIPE = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "120", "-p", "no:cacheprovider"]


def cell(source, printed, *tags):
    outputs = [new_output("stream", name="stdout", text=printed)]
    return new_code_cell(source, outputs=outputs, execution_count=1, metadata={"tags": list(tags)})


CASES = {
    "same": (cell("print(1)", "1\n", "nbval-check-output"), True),
    "changed_and_tagged": (cell("print(1)", "2\n", "nbval-check-output"), False),
    "changed_and_untagged": (cell("print(1)", "2\n"), True),
    "raises": (cell("1 / 0", ""), False),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What the recipe prints for four notebooks of one cell each."""
    folder = tmp_path_factory.mktemp("recipe")
    for name, (only, _) in CASES.items():
        nbformat.write(new_notebook(cells=[only]), folder / f"{name}.ipynb")
    paths = [str(path) for path in sorted(folder.glob("*.ipynb"))]
    settings = ["-rA", "--color=no", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *settings, *RECIPE, *paths]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, encoding="utf-8").stdout


@pytest.mark.parametrize("name", CASES)
def test_the_recipe_fails_exactly_when_it_should(report, name):
    words = [line.split()[0] for line in report.splitlines() if f"/{name}.ipynb::Cell 0" in line]
    assert words == ["PASSED" if CASES[name][1] else "FAILED"]
