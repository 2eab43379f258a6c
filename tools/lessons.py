"""Where the library's parts are taught, as docstrings and notebooks say it: read by the website and by its tests."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docutils.nodes import make_id

ROOT = Path(__file__).resolve().parents[1]
TAUGHT = re.compile(r"Taught in:((?:[^\n]|\n(?!\s*\n))*)")
PLACE = re.compile(r'(\d\d[a-z]?_\w+)(?:,\s*"([^"]+)")?')


@dataclass(frozen=True)
class Lesson:
    """A thing in the library, by the name under which it is documented, and where it is taught."""

    name: str
    chapter: str
    section: str = ""

    @property
    def address(self) -> str:
        """The page of the chapter, from the site's root, at the section if the chapter has it."""
        section = sections(self.chapter).get(self.section, "")
        return f"notebooks/{self.chapter}.html" + (f"#{section}" if section else "")


def places(note: str) -> list[tuple[str, str]]:
    """(chapter, section) of each place that a "Taught in" note names; the section may be empty."""
    return PLACE.findall(" ".join(note.split()))


@cache
def cells_of(chapter: str) -> list[dict]:
    path = ROOT / "notebooks" / f"{chapter}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []


@cache
def sections(chapter: str) -> dict[str, str]:
    """Heading, with and without its number → anchor, of a chapter's notebook."""
    cells = cells_of(chapter)
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    headings = re.findall(r"^#{2,4} (.+)$", text, flags=re.M)
    anchors = {h: make_id(h) for h in headings}
    return anchors | {re.sub(r"^(\d+[a-z]?\.)?[\d.]+ ", "", h): anchor for h, anchor in anchors.items()}


def public_name(module: str, name: str) -> str:
    """`course_lib.flows.Chain` for what its room exports, with the file's name in between for the rest."""
    room = module.rpartition(".")[0] if module.count(".") > 1 else module
    exported = getattr(importlib.import_module(room), "__all__", ())
    return f"{room if name.split('.')[0] in exported else module}.{name}"


@cache
def lessons() -> tuple[Lesson, ...]:
    """All "Taught in" notes of the library, in the order of its files."""

    def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield prefix + node.name, node
                if isinstance(node, ast.ClassDef):
                    yield from definitions(node.body, f"{node.name}.")

    found = []
    for path in sorted((ROOT / "course_lib").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for name, node in definitions(ast.parse(path.read_text(encoding="utf-8")).body):
            for note in TAUGHT.findall(ast.get_docstring(node) or ""):
                found += [Lesson(public_name(module, name), *place) for place in places(note)]
    return tuple(found)


def kept(cell: dict) -> list[str]:
    """What the library keeps of a cell's code, as its metadata say: "module:name module:name"."""
    return [public_name(*place.split(":")) for place in cell["metadata"].get("library", "").split()]


@cache
def all_kept() -> tuple[str, ...]:
    """Everything in the library whose code a chapter shows."""
    chapters = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    return tuple(dict.fromkeys(name for chapter in chapters for cell in cells_of(chapter) for name in kept(cell)))
