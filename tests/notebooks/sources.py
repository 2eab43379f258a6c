"""The notebook sources as the tests see them."""

import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from tools.notebook_digest import ROOT
from tools.notebook_source import read_source

SOURCES = sorted((ROOT / "notebooks" / "source").glob("*.py"))
each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def cells_of(path: Path, kind: str = "") -> list[NotebookNode]:
    """The cells of a source, or those of one kind: `code` or `markdown`."""
    return [cell for cell in read_source(path) if not kind or cell.cell_type == kind]


def prose(markdown: str) -> str:
    """Markdown without code, pictures and link targets."""
    text = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "code", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def count_words(markdown: str) -> int:
    """Words a learner reads: headings and displayed formulas count nothing, an inline formula one."""
    text = re.sub(r"\$\$.*?\$\$", " ", prose(markdown), flags=re.DOTALL)
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    lines = [line for line in text.splitlines() if not line.startswith("#") and not re.fullmatch(r"[\s|:-]*", line)]
    return sum(1 for word in " ".join(lines).split() if any(letter.isalnum() for letter in word))
