"""What the project says about itself is true: table of contents, README, licence, size of the library."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

import course

ROOT = Path(__file__).parent.parent


def chapters() -> list[str]:
    return sorted(p.stem for p in (ROOT / "notebooks" / "source").glob("[0-9]*.py"))


def test_table_of_contents_names_every_chapter_once_and_in_order():
    root, *parts = yaml.safe_load((ROOT / "book.yml").read_text(encoding="utf-8"))["project"]["toc"]
    files = [child["file"] for part in parts for child in part["children"]]
    assert (ROOT / root["file"]).is_file()
    assert [f for f in files if f.startswith("notebooks/")] == [f"notebooks/{name}.ipynb" for name in chapters()]
    assert all((ROOT / f).is_file() for f in files)


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
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, flags=re.M))
    assert {"lab", "test"} <= named <= {*course.TARGETS, "help"}


def test_make_and_the_command_that_needs_no_make_have_the_same_targets():
    """The Makefile only hands on; each target says in a line what it does."""
    (line,) = re.findall(r"^TARGETS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    assert line.split() == ["help", *course.TARGETS]
    command = [sys.executable, str(ROOT / "course.py")]
    said = subprocess.run([*command, "help"], capture_output=True, text=True, check=True, encoding="utf-8").stdout
    assert all(f"  {name} " in said for name in course.TARGETS)
    assert all((part.__doc__ or "").strip() and "\n" not in (part.__doc__ or "") for part in course.TARGETS.values())
    wrong = subprocess.run([*command, "labb"], capture_output=True, text=True, encoding="utf-8")
    assert wrong.returncode == 2
    assert "There is no target 'labb'" in wrong.stderr


def test_files_of_the_library_stay_readable():
    """At most 250 lines a file."""
    texts = {p: p.read_text(encoding="utf-8") for p in (ROOT / "course_lib").rglob("*.py")}
    assert {p.name for p, text in texts.items() if len(text.splitlines()) > 250} == set()


def test_the_tests_mirror_the_tree():
    rooms = {path.parent.name for path in (ROOT / "course_lib").glob("*/__init__.py")} | {"tools", "benchmarks", "book"}
    assert {room for room in rooms if not list((ROOT / "tests" / room).glob("test_*.py"))} == set()
