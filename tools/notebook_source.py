"""A notebook's source, with solutions, becomes its two editions: one to learn from, one to test."""

import ast
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import notebook_parts as parts
from tools.cell_ids import number_cells
from tools.install_cell import install_cell
from tools.prose_numbers import ties
from tools.repository import ROOT, Repository

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
FINAL_CELL = "from course_lib.exercises import require_all_passed\n\nrequire_all_passed()"
# `again`: why a cell does something else when it is run once more; `numbers`: where numbers in prose come from.
KEPT = ("tags", "alt", "caption", "library", "again", "numbers", "kind")
FOR_TOOLS = ("again", "caption", "numbers")
AGAIN_CELL = """import os
import sys

os.environ["COURSE_PROGRESS"] = "off"
sys.path.insert(0, {root!r})
from tools.run_again import run_again, watch

watch()"""


class NotebookError(Exception):
    """A notebook that cannot be built; the message names it and the cell."""


def describe(cell: NotebookNode, number: int) -> str:
    """How error messages name a cell: its number and its first line."""
    return f"cell {number} ({cell.source.strip().splitlines()[0][:60] if cell.source.strip() else 'empty'})"


def read_source(path: Path) -> list[NotebookNode]:
    """The cells of a jupytext percent source, with only the metadata that the course uses."""
    cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells
    for number, cell in enumerate(cells, start=1):
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k in KEPT})
        if not cell.source.strip():
            raise NotebookError(f"{describe(cell, number)}: remove the empty cell")
    return cells


def split_solution(code: str) -> tuple[str, str]:
    """The code with its marked regions replaced by stubs, and the code with solutions but without markers."""
    stub: list[str] = []
    solved: list[str] = []
    inside = False
    for line in code.splitlines():
        marker = line.strip()
        if marker in (BEGIN, END):
            if inside == (marker == BEGIN):
                raise NotebookError(f"{BEGIN} and {END} do not alternate")
            inside = not inside
            if inside:
                stub.append(line[: len(line) - len(line.lstrip())] + "...  # your code here")
            continue
        solved.append(line)
        if not inside:
            stub.append(line)
    if inside:
        raise NotebookError(f"{END} is missing")
    return "\n".join(stub), "\n".join(solved)


def solution_cell(solutions: list[str]) -> NotebookNode:
    """A collapsed solution, as Markdown that JupyterLab and a website both fold."""
    code = "\n\n\n".join(solutions)
    text = f"<details>\n<summary>Solution</summary>\n\n```python\n{code}\n```\n\n</details>"
    return new_markdown_cell(text, metadata={"tags": ["solution"]})


def _split(cell: NotebookNode, number: int) -> tuple[str, str]:
    try:
        stub, solved = split_solution(cell.source)
        if stub != solved:
            ast.parse(stub), ast.parse(solved)
        return stub, solved
    except (NotebookError, SyntaxError) as error:
        raise NotebookError(f"{describe(cell, number)}: {error}") from error


def chapter_number(path: Path) -> str:
    """The chapter's number as its headings show it: 2 for 02_autoregressive, 2a for 02a_time_series."""
    return path.stem.split("_")[0].lstrip("0") or "0"


def as_shown(cell: NotebookNode, number: int, name: str) -> str:
    """The text of a Markdown cell with its quiz, answer or hints folded; `name` is the quiz's own."""
    tags = cell.metadata.get("tags", [])
    try:
        if "quiz" in tags:
            return parts.quiz(cell.source, name)
        return parts.answer(cell.source) if "answer" in tags else parts.fold_hints(cell.source)
    except parts.PartError as error:
        raise NotebookError(f"{describe(cell, number)}: {error}") from error


def learner_edition(path: Path, found: Repository | None = None) -> NotebookNode:
    """Stubs in the place of solutions, a collapsed solution after each check, captions; not yet executed.

    Where the course has a repository, the first code cell installs it from there for those who lack it.
    """
    cells: list[NotebookNode] = []
    pending: list[str] = []
    figures, chapter = 0, chapter_number(path)
    for number, cell in enumerate(read_source(path), start=1):
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = as_shown(cell, number, f"quiz-{chapter}-{number}")
        else:
            cell.source, solved = _split(cell, number)
            pending += [solved] if solved != cell.source else []
        if text := cell.metadata.get("caption"):
            figures += 1
            cells.append(new_markdown_cell(parts.caption(text, chapter, figures), metadata={"tags": ["caption"]}))
        if "check" in cell.metadata.get("tags", []):
            if not pending:
                raise NotebookError(f"{describe(cell, number)}: no marked solution comes before this check")
            cells.append(solution_cell(pending))
            pending = []
    if pending:
        raise NotebookError(f"no check follows the solution\n{pending[0]}")
    if found is not None:
        first = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
        cells.insert(first, install_cell(found))
    return _notebook(cells)


def trial_edition(path: Path, built: NotebookNode | None = None) -> NotebookNode:
    """What the tests execute: the learner edition from top to bottom, then what a learner may do with it.

    After its last cell every exercise is solved and checked, all checks must have passed, numbers that the prose
    states are computed anew, and every cell is run once more, each exercise with its solution.

    Args: built: the learner edition with its outputs, which those of marked cells are compared with.
    """
    cells, done = learner_edition(path).cells, []
    ran = {cell.id: cell for cell in (built or {}).get("cells", []) if cell.cell_type == "code"}
    again: list[tuple[int, str]] = []
    code = [cell for cell in read_source(path) if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        solved, reason = _split(cell, number)[1], cell.metadata.get("again", "")
        if "check" in cell.metadata.get("tags", []) or solved != _split(cell, number)[0]:
            done.append(new_code_cell(solved))
            again.append((len(code) + len(done), reason))
        else:
            again.append((number, reason))
    for cell in cells:
        if cell.id in ran:
            cell.update(outputs=ran[cell.id].outputs, execution_count=ran[cell.id].execution_count)
    first, final = new_code_cell(AGAIN_CELL.format(root=str(ROOT))), [new_code_cell(FINAL_CELL)] * bool(done)
    if stated := ties(read_source(path)):
        final.append(new_code_cell("\n".join(["from tools.prose_numbers import require", "", *stated])))
    calls = [new_code_cell(f"run_again({n}, {why!r})" if why else f"run_again({n})") for n, why in again]
    return _notebook([first, *cells, *done, *final, *calls])


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook whose cell ids depend on the cells' text alone, so that one edit changes one id."""
    for cell in cells:
        for name in FOR_TOOLS:
            cell.metadata.pop(name, None)
    number_cells(cells)
    notebook = new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(notebook)
    return notebook
