"""The list of symbols, book/symbols.yml: the website makes a table of it, and a test holds the chapters to it."""

from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "book" / "symbols.yml"
ALL = "all"


@dataclass(frozen=True)
class Symbol:
    """One meaning of a symbol (TeX without dollars) and the chapters that use it so: "02a", or `ALL`."""

    symbol: str
    meaning: str
    chapters: tuple[str, ...]
    unit: str = ""

    def means_in(self, chapter: str) -> bool:
        return chapter in self.chapters or ALL in self.chapters


def symbols(path: Path = LIST) -> list[Symbol]:
    """The entries of the list, in its order."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Symbol(**entry | {"chapters": (ALL,) if entry["chapters"] == ALL else tuple(entry["chapters"])})
        for entry in entries
    ]


def pages(root: Path = ROOT) -> dict[str, str]:
    """Chapter → the name of its notebook: 02a → 02a_time_series."""
    return {path.stem.split("_")[0]: path.stem for path in sorted((root / "notebooks").glob("*.ipynb"))}


def table(entries: list[Symbol], notebooks: dict[str, str]) -> str:
    """The list as a table in MyST's Markdown, its chapters linked from a page in book/."""

    def link(chapter: str) -> str:
        return f"[{chapter.lstrip('0') or '0'}](../notebooks/{notebooks[chapter]}.ipynb)" if chapter != ALL else ALL

    rows = [["symbol", "meaning", "unit", "chapters"]]
    rows += [[f"${e.symbol}$", e.meaning, e.unit, ", ".join(map(link, e.chapters))] for e in entries]
    lines = ["* - " + "\n  - ".join(row) for row in rows]
    return "\n".join(["```{list-table}", ":header-rows: 1", "", *lines, "```"])
