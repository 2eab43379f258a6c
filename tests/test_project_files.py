"""What the project says about itself is true: table of contents, README, licence, size of the library."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def chapters() -> list[str]:
    return sorted(p.stem for p in (ROOT / "notebooks" / "source").glob("[0-9]*.py"))


def test_table_of_contents_names_every_chapter_once_and_in_order():
    root, *parts = yaml.safe_load((ROOT / "book.yml").read_text(encoding="utf-8"))["project"]["toc"]
    files = [child["file"] for part in parts for child in part["children"]]
    assert (ROOT / root["file"]).is_file()
    assert files == [f"notebooks/{name}.ipynb" for name in chapters()]


def test_readme_links_every_chapter_and_every_link_resolves():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)|<img[^>]*src=\"([^\":]+)\"", text)
    targets = {a or b for a, b in links}
    assert len(targets) > len(chapters())
    assert [t for t in targets if not (ROOT / t).exists()] == []
    assert {f"notebooks/{name}.ipynb" for name in chapters()} <= targets


def test_readme_is_short_and_its_make_targets_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 140
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    named = set(re.findall(r"`make ([a-z-]+)", text))
    assert {"lab", "test"} <= named <= targets


def test_library_stays_small():
    """The design's limits: 4,000 lines in all, 250 a file."""
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in (ROOT / "course_lib").rglob("*.py")}
    assert sum(lines.values()) <= 4000
    assert {p.name: n for p, n in lines.items() if n > 250} == {}
