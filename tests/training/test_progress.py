"""The progress bar in a notebook: it moves while a run goes on, and leaves no widget, whatever ends the run."""

from contextlib import suppress

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from tqdm import tqdm

from course_lib.training.progress import NotebookBar, progress_bar

SETUP = """
import time
from tests.training.problems import line, train
import course_lib.training.loop as loop
import course_lib.training.progress as progress
texts, display = [], progress.NotebookBar.display
def noted(self, msg=None, pos=None):
    texts.append(str(self) if msg is None else msg)
    return display(self, msg, pos)
progress.NotebookBar.display = noted
wait = loop.wait
loop.wait = lambda *given: time.sleep(0.2) or wait(*given)  # a bar is drawn ten times a second at most
"""
INTERRUPTED = """
def stop(*_):
    raise KeyboardInterrupt
loop.wait = stop
history = train(line(), epochs=3, progress=True)
loop.wait = wait
print(history.stopped)
"""
FAILED = """
loop.wait = lambda *_: 1 / 0
train(line(), epochs=3, progress=True)
"""


def run(*cells: str) -> nbformat.NotebookNode:
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in (SETUP, *cells)])
    with suppress(CellExecutionError):  # one cell fails on purpose
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


@pytest.fixture(scope="module")
def ran() -> nbformat.NotebookNode:
    return run("history = train(line(), epochs=3, progress=True)\nprint(texts)", INTERRUPTED, FAILED)


def left_by(notebook: nbformat.NotebookNode, number: int) -> list[dict]:
    """What can be read in the outputs of a cell, its printed text and its error apart."""
    outputs = notebook.cells[number].outputs
    return [dict(o.data) for o in outputs if o.output_type == "display_data" and any(o.data.values())]


def test_the_bar_counts_the_epochs_while_the_run_goes_on(ran):
    printed = "".join(o.text for o in ran.cells[1].outputs if o.output_type == "stream")
    assert "0/3 [" in printed
    assert "compiling" in printed
    assert "3/3 [" in printed
    assert "train " in printed
    assert "validation " in printed


@pytest.mark.parametrize(("number", "end"), [(1, "finished"), (2, "interrupted"), (3, "failed")])
def test_a_bar_leaves_neither_widget_nor_text_however_the_run_ends(ran, number, end):
    cell = ran.cells[number]
    assert [o.data for o in cell.outputs if o.output_type == "display_data"] == [{"text/html": ""}], end
    assert left_by(ran, number) == []
    assert all(o.get("name") != "stderr" for o in cell.outputs)
    assert ("ZeroDivisionError" in [o.get("ename") for o in cell.outputs]) == (end == "failed")
    assert "widgets" not in ran.metadata


def test_the_widget_bar_of_tqdm_would_be_left():
    """Negative control: a bar that is a widget is found in the saved outputs."""
    notebook = run("from tqdm.notebook import tqdm\nfor _ in tqdm(range(3), leave=False): pass")
    assert "application/vnd.jupyter.widget-view+json" in str(left_by(notebook, 1))


def test_outside_a_notebook_the_bar_is_a_line_of_text():
    with progress_bar(total=2, disable=True) as bar:
        assert type(bar) is tqdm


def test_what_a_bar_says_is_escaped(monkeypatch):
    shown = []
    monkeypatch.setattr("course_lib.training.progress.display", lambda output, **_: shown.append(output))
    with NotebookBar(total=2, leave=False, postfix="<b>&") as bar:
        bar.display()
    assert '<progress max="2" value="0"' in shown[0]["text/html"]
    assert "&lt;b&gt;&amp;" in shown[0]["text/html"]
