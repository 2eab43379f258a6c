"""Which exercises were passed on this computer, and what to do next. Nothing is sent anywhere."""

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from course_lib import places

SWITCH = "COURSE_PROGRESS"  # "off": nothing is kept, nothing is known
HEADING = re.compile(r"^#+ Exercise (?P<name>\S+) (?P<stars>★{1,3})? ?— (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """An exercise as its notebook asks it."""

    name: str
    stars: str
    title: str


def remember(name: str) -> None:
    """Note that the exercise was passed. Where nothing can be written, nothing is noted."""
    if os.environ.get(SWITCH) != "off":
        with contextlib.suppress(OSError):
            folder = places.own_folder("progress")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.passed").touch()


def passed() -> set[str]:
    """The names of all exercises that were ever passed here."""
    if os.environ.get(SWITCH) == "off":
        return set()
    with contextlib.suppress(OSError):
        return {file.stem for file in places.own_folder("progress").glob("*.passed")}
    return set()


def chapters(folder: Path) -> dict[str, tuple[str, list[Asked]]]:
    """Notebook → its title and its exercises, for the notebooks in a folder; a damaged one is left out."""
    found = {}
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
            asked = [Asked(m["name"], m["stars"] or "", m["title"].strip()) for m in HEADING.finditer(text)]
            title = re.search(r"^# (.+)$", text, re.MULTILINE)
            found[path.stem] = (title[1] if title else path.stem, asked)
    return found


def progress(folder: str | Path = ".") -> None:
    """Print a table of the chapters with the exercises passed so far, and which to do next.

    Args:
        folder: where the notebooks lie; the notebook's own folder unless another is named.

    Raises:
        FileNotFoundError: no chapter lies there.

    Taught in: 00_start_here
    """
    found = chapters(Path(folder))
    if not found:
        raise FileNotFoundError(f"no chapter lies in {Path(folder)}: name the folder, as in progress('notebooks')")
    done, open_ones = passed(), []
    for notebook, (title, asked) in found.items():
        left = [exercise for exercise in asked if exercise.name not in done]
        open_ones += [(notebook, exercise) for exercise in left]
        bar = "".join("○" if exercise in left else "●" for exercise in asked)
        print(f"{title:42} {len(asked) - len(left):2} of {len(asked):2}  {bar}")
    if not open_ones:
        print("\nEvery exercise is solved.")
        return
    begun = {notebook for notebook, (_, asked) in found.items() if any(exercise.name in done for exercise in asked)}
    notebook, exercise = next((pair for pair in open_ones if pair[0] in begun), open_ones[0])
    print(f"\nNext: exercise {exercise.name} {exercise.stars} — {exercise.title}, in {notebook}.ipynb")
