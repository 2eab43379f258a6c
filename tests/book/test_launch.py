"""A chapter's page has its launch buttons exactly where book.yml names a repository; built with Sphinx, both ways."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.build_notebooks import write
from tools.notebook_source import learner_edition
from tools.repository import ROOT, Repository, with_block

ADDRESS, HUB = "https://github.com/ada/course", "https://hub.example.org"
CHAPTER = "notebooks/00_start_here"
SOURCE = "# %% [markdown]\n# # 0 · Start here\n#\n# Words.\n\n# %%\n1 + 1\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The website's own configuration over a front page, one small chapter and a page of prose."""
    folder = tmp_path_factory.mktemp("course")
    ignored = shutil.ignore_patterns("node_modules", "__pycache__", "covers", "api", "references.md")
    shutil.copytree(ROOT / "book", folder / "book", ignore=ignored)
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=ignored)
    (folder / "course_lib").mkdir()
    (folder / "book" / "glossary.md").write_text("# Words\n\nNo notebook.\n", encoding="utf-8")
    vendor = folder / "build" / "book" / "static" / "vendor"  # as if the browser libraries had been copied
    vendor.mkdir(parents=True)
    shutil.copy(ROOT / "book" / "package-lock.json", vendor)
    return folder


def build(folder: Path, **keys: object) -> dict[str, str]:
    """Builds over what the last build left, as `make book` does; gives the pages' texts."""
    toc = [
        {"file": "index.md"},
        {"title": "Part", "children": [{"file": f"{CHAPTER}.ipynb"}, {"file": "book/glossary.md"}]},
    ]
    book = {"title": "A course", "authors": [{"name": "Ada"}], "toc": toc, **keys}
    (folder / "book.yml").write_text(yaml.safe_dump({"project": book}), encoding="utf-8")
    found = Repository(ADDRESS, hub=HUB) if keys else None
    source = folder / "00_start_here.py"
    source.write_text(SOURCE, encoding="utf-8")
    write(learner_edition(source, found), folder / f"{CHAPTER}.ipynb")
    text = (ROOT / "index.md").read_text(encoding="utf-8")
    run_it = text[text.index("## Run it") : text.index("## Teach with it")]
    (folder / "index.md").write_text("# A course\n\n" + with_block(run_it, found), encoding="utf-8")
    out = folder / "build" / "book" / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", str(folder / "book"), str(folder), str(out)]
    done = subprocess.run(
        command, cwd=folder, env=without_project(), capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {page: (out / f"{page}.html").read_text(encoding="utf-8") for page in ("index", CHAPTER, "book/glossary")}


def without_project() -> dict[str, str]:
    """The copy's own tools are to be used, not those of this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def pages(project):
    """Three builds of the same folder: without an address, with one, and again without."""
    return [build(project), build(project, github=ADDRESS, options={"hub": HUB}), build(project)]


def outward(page: str) -> list[str]:
    """Links that leave the site, save those of the page's footer and the theme."""
    links = re.findall(r'<a\b[^>]*?href="(https?://[^"]+)"', page)
    return [link.replace("&amp;", "&") for link in links]


def test_with_an_address_a_chapter_can_be_started_elsewhere(pages):
    assert outward(pages[1][CHAPTER]) == [
        f"https://mybinder.org/v2/gh/ada/course/main?urlpath=lab/tree/{CHAPTER}.ipynb",
        f"https://colab.research.google.com/github/ada/course/blob/main/{CHAPTER}.ipynb",
        "https://codespaces.new/ada/course",
        f"{HUB}/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fada%2Fcourse&branch=main"
        "&urlpath=lab%2Ftree%2Fcourse%2Fnotebooks%2F00_start_here.ipynb",
        ADDRESS,
    ]
    assert "Start this chapter on Binder" in pages[1][CHAPTER]
    icons = re.findall(r'<img alt="[^"]*logo" src="([^"]+)"', pages[1][CHAPTER])
    assert len(icons) == 3


def test_the_front_page_then_says_how_to_get_the_course(pages):
    assert "git clone https://github.com/ada/course\ncd course\n" in re.sub(r"<[^>]+>", "", pages[1]["index"])
    assert "https://codespaces.new/ada/course" in outward(pages[1]["index"])


def test_pages_that_are_no_chapters_have_no_launch_buttons(pages):
    assert "launch-buttons" in pages[1][CHAPTER]
    assert "launch-buttons" not in pages[1]["index"] + pages[1]["book/glossary"]


def test_the_installing_cell_is_in_the_notebook_and_not_on_the_page(project, pages):
    downloaded = project / "build" / "book" / "html" / "_sources" / f"{CHAPTER}.ipynb"
    assert "%pip" not in pages[1][CHAPTER] + downloaded.read_text(encoding="utf-8")


@pytest.mark.parametrize("build_number", [0, 2])
def test_without_an_address_there_is_no_link_no_button_and_no_clone_line(pages, build_number):
    for name, page in pages[build_number].items():
        assert outward(page) == [], name
        assert not re.search(r"launch-buttons|source-repository|git clone|fa-rocket", page), name
