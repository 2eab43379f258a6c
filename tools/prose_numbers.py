"""Numbers that the prose of a chapter states, and where each comes from.

A number in prose is one that a cell of the same section prints (rounded as the prose rounds it) or holds in its code;
a count of things may come from any section.
What is printed nowhere is declared in the header of its Markdown cell: `numbers={"1.89": "cited: …"}` for a figure
from elsewhere, `numbers={"0.24": "gap.mean()"}` for a value of the finished notebook, which the tests compute anew.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

CITED = "cited: "
WHOLE = ("Summary", "Next")  # sections that speak of the whole chapter
UNTIED = ("Sources", "Exercises")
NOT_PROSE = {"exercise", "check", "solution"}
LEAST = 100  # smaller integers count things that one sees: "three rows", "64 pixels"

_NUMBER = re.compile(r"(?<![\w.§])[−-]?\d[\d,]*(?:\.\d+)?(?:e[−-]?\d+)?(?![\d\w]*[a-z])")
_SHARE = re.compile(r"(?: ±[ −\d.]+)?\s*(?:%|percent|points?\b)")
_UNIT = re.compile(r"\s*(?:nats?\b|bits?\b|bytes?\b)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LEFT_OUT = (
    r"```.*?```", r"\$\$.*?\$\$", r"\$[^$]*\$", r"`[^`\n]*`", r"\]\([^)]*\)", r"<[^>]*>", r"arXiv:\S+",
    r"(?i)(?:chapters?|sections?|exercises?|eq\.|figures?|§) *\(?\d+(?:\.\d+)*[a-c]?\)?"
    r"(?:(?:,| and| to| or|–) *\(?\d+\.\d+\)?)*",
    r"(?m)^#+ [^\n]*$", r"\d+(?:\.\d+)?[a-c]\.\d+", r"\d+ × \d+",
)  # fmt: skip


@dataclass(frozen=True)
class Stated:
    """A number as the prose writes it."""

    text: str
    around: str = ""
    share: bool = False  # written in percent or in points of percent

    @property
    def value(self) -> float:
        return float(self.text.replace("−", "-").replace(",", ""))

    @property
    def counts(self) -> bool:
        """A whole number without a unit: so many images, so many steps. The chapter may have told it long before."""
        return not self.share and self.text.replace(",", "").isdigit() and self.value >= LEAST

    @property
    def decimals(self) -> int:
        return len(self.text.split("e")[0].partition(".")[2])


def stated(markdown: str, own: Collection[str] = ()) -> list[Stated]:
    """The numbers that need a source: those with decimals or a unit, and integers from 100 on.

    Left out are years, what is code or part of a formula, and references; `own` names the chapter's sections.
    """
    text = markdown
    for pattern in _LEFT_OUT:
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    found = []
    for match in _NUMBER.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        share, unit = bool(_SHARE.match(after)), bool(_UNIT.match(after))
        around = " ".join(f"{before[-40:]}{match[0]}{after[:30]}".split())
        number = Stated(match[0].rstrip(","), around, share)
        of_a_section = number.text in own and not (share or unit)
        large = "." in number.text or abs(number.value) >= LEAST or share or unit
        if large and not _YEAR.fullmatch(number.text) and not of_a_section:
            found.append(number)
    return found


def agrees(number: Stated, printed: float) -> bool:
    """Does `printed`, rounded as the prose rounds, give the number? A share may be printed as a fraction of 1."""
    slack = 0.5001 * 10.0**-number.decimals
    if "e" in number.text:
        slack = 0.05 * abs(number.value)
    return any(abs(abs(number.value) - abs(scale * printed)) <= slack for scale in (1, 100)[: 1 + number.share])


def numbers_in(text: str) -> list[float]:
    """All numbers of a text, the thousands with commas or underscores or without."""
    found = re.findall(r"[−-]?\d[\d,_]*(?:\.\d+)?(?:e[−+-]?\d+)?", text)
    return [float(number.replace("−", "-").replace(",", "").replace("_", "")) for number in found]


def printed(cell: NotebookNode) -> list[float]:
    """The numbers that a code cell prints or shows as its value."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        texts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/markdown", "")]
    return [value for text in texts for value in numbers_in("".join(text)[:20_000])]


def is_tied(number: Stated, cells: list[NotebookNode]) -> bool:
    """Does one of the code cells print the number, or hold it as it stands?"""
    code = [cell for cell in cells if cell.cell_type == "code"]
    return any(agrees(number, value) for cell in code for value in printed(cell)) or any(
        number.value in numbers_in(cell.source) for cell in code
    )


def sections(cells: list[NotebookNode]) -> Iterator[tuple[str, list[NotebookNode]]]:
    """The chapter's sections: the heading's text and the cells below it; a heading inside a cell splits it."""
    title, inside = "", []
    for cell in cells:
        if cell.cell_type != "markdown":
            inside.append(cell)
            continue
        pieces = re.split(r"(?m)^(?=## )", cell.source)
        for piece in pieces:
            if heading := re.match(r"## (.*)", piece):
                yield title, inside
                title, inside = heading[1], []
            if piece.strip():
                inside.append(NotebookNode(cell | {"source": piece}))
    yield title, inside


def untied(cells: list[NotebookNode], built: list[NotebookNode]) -> list[str]:
    """Numbers in the prose of a source's cells that no cell of the built notebook prints and no header declares."""
    runs = dict(sections(built))
    own = {heading.split()[0] for heading in runs if heading}
    problems = []
    for title, inside in sections(cells):
        if title.startswith(UNTIED):
            continue
        here = built if not title or title.startswith(WHOLE) else runs.get(title, [])
        for cell in inside:
            if cell.cell_type != "markdown" or NOT_PROSE & set(cell.metadata.get("tags", [])):
                continue
            declared = cell.metadata.get("numbers", {})
            problems += [
                f"{title[:30]!r}: {number.text} in “… {number.around} …”"
                for number in stated(cell.source, own)
                if number.text not in declared and not is_tied(number, built if number.counts else here)
            ]
    return problems


def require(text: str, value: Any) -> None:
    """Is `value` what the prose states?

    Raises:
        AssertionError: it is not; the message gives both.
    """
    if not agrees(Stated(text), float(value)):
        raise AssertionError(f"the prose says {text}, the finished notebook has {float(value):.6g}")


def ties(cells: list[NotebookNode]) -> list[str]:
    """One line of code for each number that a header declares by an expression."""
    declared = [item for cell in cells for item in cell.metadata.get("numbers", {}).items()]
    return [f"require({text!r}, {source})" for text, source in declared if not source.startswith(CITED)]
