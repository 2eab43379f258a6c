"""Copy the notebooks to a folder of the learner's own, and bring the copies up to date without losing an answer.

`python -m tools.my_notebooks [--to FOLDER]`; `make lab` runs it. The folder (`my_notebooks/`, ignored by git) holds the
copies, `backups/`, and in `.course/` the course's version that each copy was made from.
"""

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from course_lib.command import run_command
from tools.cell_ids import is_as_built
from tools.notebook_files import Unreadable, dump, give_ids, parse
from tools.notebook_merge import Merged, is_untouched, merge
from tools.notebook_trust import Trust
from tools.safe_files import back_up, write_in_one_step

ROOT = Path(__file__).resolve().parents[1]
BASES, BACKUPS = ".course", "backups"


@dataclass
class Folder:
    """A learner's folder and what happened in it."""

    path: Path
    trust: Trust = field(default_factory=Trust)
    copied: int = 0

    def base(self, name: str) -> Path:
        return self.path / BASES / name

    def put(self, name: str, content: bytes, course: bytes, trusted: bool = True) -> None:
        """Write the learner's file, then what it was made from: stopped in between, the next run comes to the same."""
        write_in_one_step(self.path / name, content)
        if trusted:
            self.trust.sign(parse(content))
        write_in_one_step(self.base(name), course)


def refresh(source: Path, folder: Folder) -> str:
    """Bring the copy of one notebook up to date; what there is to tell about it, or nothing.

    Raises:
        OSError: a file could not be read or written; the learner's is as it was.
        Unreadable: the learner's file is no notebook; it is as it was.
        CourseDamaged: the course's file is none.
    """
    name, course_bytes = source.name, source.read_bytes()
    mine_path = folder.path / name
    mine_bytes, base_bytes = read_if_there(mine_path), read_if_there(folder.base(name))
    mine = None if mine_bytes is None else parse(mine_bytes)
    if mine is not None and base_bytes == course_bytes:
        return ""
    course = course_notebook(course_bytes)
    if mine is None:
        folder.put(name, course_bytes, course_bytes)
        folder.copied += 1
        return ""
    base = base_of(base_bytes, mine, course)
    trusted = folder.trust.is_signed(mine)
    give_ids(mine, base)
    if is_untouched(mine, base) or is_untouched(mine, course):
        folder.put(name, course_bytes, course_bytes)
        return "" if mine_bytes == course_bytes else f"{source.stem}: updated"
    merged = merge(base, mine, course)
    if is_untouched(mine, merged.notebook):  # the course has nothing new for this copy
        write_in_one_step(folder.base(name), course_bytes)
        return ""
    content = dump(merged.notebook)
    backup = back_up(mine_bytes, name, folder.path / BACKUPS)
    if mine_path.read_bytes() != mine_bytes:
        raise OSError("another program saved it just now")
    folder.put(name, content, course_bytes, trusted)
    return f"{source.stem}: updated; {describe(merged)}; back-up in {folder.path.name}/{BACKUPS}/{backup.name}"


def read_if_there(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


class CourseDamaged(Exception):
    """A notebook of the course itself that is none."""


def course_notebook(content: bytes) -> NotebookNode:
    try:
        return parse(content)
    except Unreadable as error:
        raise CourseDamaged(str(error)) from error


def base_of(content: bytes | None, mine: NotebookNode, course: NotebookNode) -> NotebookNode:
    """The course's cells in what the copy was made from; where that was lost, the course's cells in the copy.

    Somebody may have written into the course's own notebook before it was copied: that counts as the learner's.

    Raises:
        Unreadable: the file is not a copy of this chapter.
    """
    made_from = copy.deepcopy(mine)
    try:
        made_from = parse(content or b"")
    except Unreadable as error:
        known = {cell.id for cell in course.cells}
        if not any(cell.get("id") in known for cell in mine.cells):
            raise Unreadable("it is not a copy of the chapter") from error
    return NotebookNode(course | {"cells": [cell for cell in made_from.cells if is_as_built(cell)]})


def describe(merged: Merged) -> str:
    """What a merge kept, in words."""
    parts = [
        f"{number} {word}{'s' * (number > 1)}"
        for number, word in ((merged.answers, "answer"), (merged.others, "other cell"))
        if number
    ]
    text = f"your {' and '.join(parts)} kept" if parts else "without the cells that you removed"
    if merged.noted:
        text += f", with a note below {merged.noted} of them: the course changed the cell too"
    return text


def trouble(error: Exception, name: str, folder: Path) -> str:
    """What happened to a file that could not be brought up to date, and what to do."""
    if isinstance(error, CourseDamaged):
        return f"{name}: not updated: the course's own file: {error}. Get it again: git checkout notebooks/{name}.ipynb"
    kept = f"{name}: not updated, your file is unchanged"
    if isinstance(error, OSError):
        return (
            f"{kept}: {error.strerror or error}. Is the disk full, is the file open elsewhere, "
            f"or may {shown(folder)} not be written? Mend that and start again"
        )
    reason = str(error) if isinstance(error, Unreadable) else repr(error)
    return (
        f"{kept}: {reason}. Mend it, or move it away and start again for a fresh chapter; "
        f"earlier versions may be in {shown(folder / BACKUPS)}"
    )


def shown(path: Path) -> Path:
    """The path as people read it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def update(chapters: Path, to: Path) -> tuple[list[str], bool]:
    """Make or refresh the copies of all notebooks of a folder: what to tell, and whether every chapter is there."""
    folder = Folder(to)
    sources = sorted(chapters.glob("*.ipynb"))
    lines: list[str] = []
    for source in sources:
        try:
            line = refresh(source, folder)
        except Exception as error:  # whatever it is, it must not keep the other chapters from the learner
            line = trouble(error, source.stem, to)
        lines += [line] if line else []
    gone = sorted(path for path in (to / BASES).glob("*.ipynb") if not (chapters / path.name).exists())
    for base in gone:
        base.unlink()
        lines.append(f"{base.stem}: no longer in the course; your file stays")
    folder.trust.close()
    if folder.copied and folder.trust.problem:
        lines.append(folder.trust.problem)
    if folder.copied:
        lines.insert(0, f"{folder.copied} chapter{'s' * (folder.copied > 1)} copied to {shown(to)}")
    return lines or [f"{len(sources)} chapters in {shown(to)} are up to date"], all(
        (to / s.name).exists() for s in sources
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.my_notebooks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--to", type=Path, default=ROOT / "my_notebooks", metavar="FOLDER", help="default: my_notebooks"
    )
    options = parser.parse_args(arguments)
    lines, complete = update(ROOT / "notebooks", options.to)
    print("\n".join(f"{line}." for line in lines), flush=True)
    return int(not complete)


if __name__ == "__main__":
    run_command(main)
