"""The library's pages, and the links both ways: a docstring's "Taught in" to the chapter's section, and back."""

import hashlib
import importlib
import inspect
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

from tools.lessons import TAUGHT, Lesson, all_kept, kept, lessons, places


def in_the_library(chapter: str) -> str:
    """The last section of a chapter's page: what it teaches, linked."""
    by_section: dict[str, list[str]] = {}
    for lesson in lessons():
        if lesson.chapter == chapter:
            by_section.setdefault(lesson.section, []).append(f"{{py:obj}}`~{lesson.name}`")
    lines = [f"- {section or 'This chapter'}: {', '.join(names)}" for section, names in by_section.items()]
    return "## In the library\n\n" + "\n".join(lines) if lines else ""


def kept_in_the_library(cell: dict) -> str:
    """The line under a cell whose code the library keeps."""
    return "{.course-kept}\nIn the library: " + ", ".join(f"{{py:obj}}`{name}`" for name in kept(cell))


def docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Plain docstrings as reStructuredText: nothing in them is markup, save the links that are made here."""
    text = "\n".join(lines)
    taught = [Lesson(name, *place) for note in TAUGHT.findall(text) for place in places(note)]
    text = re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", TAUGHT.sub("", text))
    text = re.sub(r"(?<!`)`([^`\n]+)`(?!`)", lambda m: "\\ ``" + m[1].replace("\\", "") + "``\\ ", text)
    text = re.sub(r"(?m)(?:^\S[^\n]* = [^\n]*(?:\n|\Z)){2,}", lambda m: re.sub(r"(?m)^(?=.)", "| ", m[0]), text)
    text = re.sub(r"(?m)^( *)(Source|Numerics|Returns|Raises|Args): (?=\S)", r"\n\1**\2.** ", text)
    links = [f"`{x.section or x.chapter} <../../{x.address}>`__" for x in taught]
    lines[:] = [*text.split("\n"), "", *([f"**Taught in** {', '.join(links)}"] if links else []), ""]


SHORT = re.compile(r"[\w.]*\b(?=Array\b)")  # jax.Array, jaxtyping.Array: Array
NUMPY = r" \| ".join(rf"~?(?:numpy\.)?{name}" for name in ("ndarray", "bool", "number"))
ANY_ARRAY = re.compile(rf"~?Array \| {NUMPY} \| bool \| int \| float \| complex")  # what jaxtyping.ArrayLike is


def signature(app: Sphinx, what: str, name: str, obj: object, options: object, given: str, returns: str) -> tuple:
    """Short names of types; for a class what its constructor takes, which its metaclass hides."""
    if what == "class" and "__init__" in vars(obj):
        parameters = [*inspect.signature(obj.__init__).parameters.values()][1:]
        given = stringify_signature(inspect.Signature(parameters), unqualified_typehints=True)
    return tuple(
        text and ANY_ARRAY.sub("ArrayLike", SHORT.sub("", text)).replace("'", '"') for text in (given, returns)
    )


def kind(name: str) -> str:
    """The directive that documents a thing of the library."""
    module, _, last = name.rpartition(".")
    return "autoclass" if inspect.isclass(getattr(importlib.import_module(module), last)) else "autofunction"


class Room(SphinxDirective):
    """`{room} flows`: everything that a room of the library exports, or else everything in its files."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        package = importlib.import_module(f"course_lib.{self.arguments[0]}")
        files = [] if hasattr(package, "__all__") else sorted(Path(package.__path__[0]).glob("[!_]*.py"))
        modules = [package.__name__, *(f"{package.__name__}.{path.stem}" for path in files)]
        text = [f".. automodule:: {module}\n   :members:\n" for module in modules]
        named = [*all_kept(), *(lesson.name for lesson in lessons())]
        own = f"{package.__name__}."
        inner = dict.fromkeys(
            n for n in named if n.startswith(own) and n.count(".") in (3, 4) and n.split(".")[2].islower()
        )
        text += [f".. {kind(name)}:: {name}\n" for name in inner if not files]
        return self.parse_text_to_nodes("```{eval-rst}\n" + "\n".join(text) + "```")


def setup(app: Sphinx) -> dict:
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))
    digest = hashlib.sha256(f"{code}{lessons()}{all_kept()}".encode()).hexdigest()
    app.add_config_value("course_pages", digest, "env")  # other code or other lessons: all pages anew
    app.add_directive("room", Room)
    app.connect("autodoc-process-docstring", docstring, priority=400)
    app.connect("autodoc-process-signature", signature)
    return {"parallel_read_safe": True}
