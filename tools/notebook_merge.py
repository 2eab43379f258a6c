"""Three notebooks become one: the course's old version, the learner's work on it, and the course's new version.

Every cell that the learner wrote, answered or changed is kept; every other cell is the course's newest.
"""

import copy
from dataclasses import dataclass, field

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools.cell_ids import cell_digest, is_as_built
from tools.cell_pairs import successors
from tools.widget_state import carry_over, states, views

NOTE = "course-note"


@dataclass
class Merged:
    """The merged notebook, and what was kept in it."""

    notebook: NotebookNode
    answers: int = 0  # exercise cells that the learner filled in
    others: int = 0  # other cells that the learner changed or added
    noted: int = 0  # kept cells of which the course has a new version: a note stands below each
    kept: set[str] = field(default_factory=set)


def key(cell: NotebookNode) -> tuple[str, str]:
    return cell.cell_type, cell.source


def is_untouched(mine: NotebookNode, base: NotebookNode) -> bool:
    """Whether the learner changed, added, removed or moved no cell; outputs do not count."""
    return [key(cell) for cell in mine.cells] == [key(cell) for cell in base.cells]


def merge(base: NotebookNode, mine: NotebookNode, course: NotebookNode) -> Merged:
    """The learner's notebook brought up to the course's new version; all cells have ids."""
    old, new = ({cell.id: cell for cell in notebook.cells} for notebook in (base, course))
    after = successors(base.cells, course.cells, taken={cell.id for cell in mine.cells})
    result = Merged(copy.deepcopy(course))
    place = {cell.id: i for i, cell in enumerate(course.cells)}
    removed = {name for name in old if name not in {cell.id for cell in mine.cells}} & set(new)
    groups: dict[int, list[NotebookNode]] = {-1: []}
    groups |= {i: [] if cell.id in removed else [cell] for i, cell in enumerate(result.notebook.cells)}
    added: dict[int, list[NotebookNode]] = {i: [] for i in groups}
    outputs_of_mine: list[NotebookNode] = []
    noted: set[int] = set()
    here = -1
    for cell in copy.deepcopy(mine.cells):
        name = cell.id if cell.id in new else after.get(cell.id)
        before = new.get(cell.id) or old.get(cell.id)
        here = here if name is None else place[name]
        if before is not None and key(cell) == key(before):
            if cell.id in new:
                groups[here] = [_with_outputs(groups[here][0], cell, mine, outputs_of_mine)]
            continue  # untouched: the course's newest is in its place, or the course removed it
        if name is not None and key(cell) == key(new[name]):
            continue  # the learner's correction is the course's own
        if here in noted and NOTE in cell.metadata.get("tags", []) and _is_old_note(cell):
            continue  # a newer note stands there
        outputs_of_mine.append(cell)
        if before is not None and "exercise" in before.metadata.get("tags", []) and cell.cell_type == "code":
            result.answers += 1
        elif NOTE not in cell.metadata.get("tags", []):
            result.others += 1
        if name is None:
            added[here].append(cell)
            continue
        groups[here] = [cell]
        if cell.id not in new:
            cell.id = name
            groups[here].append(note(new[name]))
            noted.add(here)
            result.noted += 1
    _clear_checks(groups, outputs_of_mine)
    result.notebook.cells = [cell for i in sorted(groups) for cell in groups[i] + added[i]]
    _unique_ids(result.notebook.cells)
    extra = {name: value for name, value in mine.metadata.items() if name not in (*course.metadata, "widgets")}
    result.notebook.metadata.update(extra)
    carry_over(outputs_of_mine, mine, result.notebook)
    return result


def note(cell: NotebookNode) -> NotebookNode:
    """A cell that shows the course's new version beside the learner's own."""
    text = cell.source
    if cell.cell_type == "code":
        fence = "```"
        while fence in text:
            fence += "`"
        text = f"{fence}python\n{text}\n{fence}"
    head = (
        "> **The course changed the cell above.** Yours was kept. This is the course's new version; take from it what"
    )
    text = f"{head} you need,\n> then delete this note.\n\n{text}"
    made = new_markdown_cell(text, metadata={"tags": [NOTE]})
    made.id = f"note-{cell_digest('markdown', text)}"
    return made


def _is_old_note(cell: NotebookNode) -> bool:
    """A note that the learner did not write into."""
    return cell.id == f"note-{cell_digest('markdown', cell.source)}"


def _with_outputs(
    course: NotebookNode, mine: NotebookNode, notebook: NotebookNode, kept: list[NotebookNode]
) -> NotebookNode:
    """The course's cell with what it printed for the learner, unless that shows a widget whose state was not saved."""
    if course.cell_type == "code" and views(mine) <= set(states(notebook)):
        course.outputs, course.execution_count = mine.outputs, mine.execution_count
        kept.append(course)
    return course


def _clear_checks(groups: dict[int, list[NotebookNode]], ran: list[NotebookNode]) -> None:
    """A check that has not seen the learner's answers says nothing yet."""
    for cell in (cell for group in groups.values() for cell in group):
        if "check" in cell.metadata.get("tags", []) and not any(cell is other for other in ran):
            cell.outputs, cell.execution_count = [], None


def _unique_ids(cells: list[NotebookNode]) -> None:
    seen: set[str] = set()
    for cell in sorted(cells, key=lambda cell: not is_as_built(cell)):  # the course's cells keep theirs
        name, number = cell.id, 2
        while cell.id in seen:
            cell.id, number = f"{name[:58]}-n{number}", number + 1
        seen.add(cell.id)
