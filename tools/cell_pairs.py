"""Which cell of the course's new version takes the place of which old one."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from nbformat import NotebookNode

ALIKE = 0.5
WORDS = re.compile(r"\w+|[^\w\s]")
EXERCISE = re.compile(r"exercise\(\s*[\"']([^\"']+)")


def successors(old: Sequence[NotebookNode], new: Sequence[NotebookNode], taken: set[str]) -> dict[str, str]:
    """For the id of a cell that is no longer there, the id of the new cell that replaced it, if there is one.

    A cell of an exercise is replaced by that of the same exercise; any other by one alike, between the same neighbours.
    No new cell replaces two; those in `taken` replace none.
    """
    kept = {cell.id for cell in old} & {cell.id for cell in new}
    found: dict[str, str] = {}
    free = {cell.id for cell in new} - kept - taken
    names = dict(exercise_names(new))
    by_name = {name: cell for cell, name in names.items() if cell in free}
    for cell, name in exercise_names(old):
        if cell not in kept and name in by_name:
            found[cell] = by_name.pop(name)
    free -= set(found.values())
    blocks = SequenceMatcher(None, [cell.id for cell in old], [cell.id for cell in new], autojunk=False).get_opcodes()
    for kind, a, b, c, d in blocks:
        if kind != "replace":
            continue
        left = [cell for cell in old[a:b] if cell.id not in kept and cell.id not in found]
        right = [cell for cell in new[c:d] if cell.id in free]
        for one in left:
            at = most_alike(one, right)
            if at is not None:
                found[one.id] = right.pop(at).id
    return found


def most_alike(one: NotebookNode, others: Sequence[NotebookNode]) -> int | None:
    """Which cell has most words in common with `one`, in order; none if they share less than `ALIKE` of them."""
    matcher = SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(WORDS.findall(one.source))  # kept for all comparisons
    best, found = ALIKE, None
    for i, other in enumerate(others):
        if other.cell_type != one.cell_type:
            continue
        matcher.set_seq1(WORDS.findall(other.source))
        bounds = matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio  # the cheap ones are never below the last
        if all(bound() > best or (found is None and bound() == best) for bound in bounds):
            best, found = matcher.ratio(), i
    return found


def exercise_names(cells: Sequence[NotebookNode]) -> Iterator[tuple[str, tuple[str, str, int]]]:
    """For each cell of an exercise its id and its name: the exercise's number, the type, which one of that type."""
    waiting: list[NotebookNode] = []
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "exercise" in tags or "check" in tags:
            waiting.append(cell)
        if "check" in tags:
            number = EXERCISE.search(cell.source)
            if number:
                counts: dict[str, int] = {}
                for member in waiting:
                    role = f"check {member.cell_type}" if member is cell else member.cell_type
                    counts[role] = counts.get(role, 0) + 1
                    yield member.id, (number[1], role, counts[role])
            waiting = []
