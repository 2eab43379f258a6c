"""The built folder, read without a browser: links and anchors, weights, descriptions, references, downloads."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser.pages import ROOT, chapters, notebook_of, pages
from tests.notebooks.test_outputs import shown_names_of_controls
from tools.lessons import lessons, sections
from tools.repository import repository

MOST_BYTES = 3_000_000  # of one page: its HTML and its own pictures, beside the libraries that all pages share


class Reader(HTMLParser):
    """What a page refers to, and what may be referred to in it."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.base = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "a" and named.get("href"):
            self.links.append(named["href"] or "")
        if tag == "base":
            self.base = named.get("href") or ""
        if tag == "img":
            self.images.append(named)
        self.resources += [named[k] or "" for k in ("src", "href") if named.get(k) and tag in ("img", "script", "link")]


@cache
def read(path: Path) -> Reader:
    return Reader(path.read_text(encoding="utf-8"))


def target(site: Path, page: str, link: str) -> tuple[Path, str] | None:
    """The file and the anchor that a link leads to; None if it leads out of the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    here = site / page
    base = site if read(here).base else here.parent
    path = (base / unquote(parts.path)).resolve() if parts.path else here
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


@pytest.mark.parametrize("page", pages())
def test_links_and_anchors_lead_somewhere(site: Path, page: str):
    broken = []
    for link in {*read(site / page).links, *read(site / page).resources}:
        found = target(site, page, link)
        if found is None:
            assert urlsplit(link).scheme in ("https", "data", "mailto"), link
            continue
        path, anchor = found
        if not path.is_file() or (anchor and path.suffix == ".html" and anchor not in read(path).ids):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", pages())
def test_names_in_a_page_are_unique_and_references_to_code_resolve(site: Path, page: str):
    ids = read(site / page).ids
    assert sorted(name for name in set(ids) if ids.count(name) > 1) == []
    text = (site / page).read_text(encoding="utf-8")
    linked = re.findall(r'<a class="reference internal"[^>]*><code class="xref[^>]*>', text)
    assert len(linked) == len(re.findall(r'<code class="xref', text))


@pytest.mark.parametrize("page", pages())
def test_page_is_light_and_its_pictures_are_described(site: Path, page: str):
    reader = read(site / page)
    own = [
        found[0] for link in reader.resources if (found := target(site, page, link)) and "_static" not in str(found[0])
    ]
    weight = (site / page).stat().st_size + sum(p.stat().st_size for p in set(own) if p.name != "searchindex.js")
    assert weight <= MOST_BYTES
    assert [image.get("src") for image in reader.images if not image.get("alt")] == []


@pytest.mark.parametrize("page", chapters())
def test_chapter_carries_its_alt_texts_and_its_download(site: Path, page: str):
    wanted = {cell["metadata"]["alt"] for cell in notebook_of(page)["cells"] if cell["metadata"].get("alt")}
    assert wanted <= {image.get("alt") for image in read(site / page).images}
    assert [link for link in read(site / page).links if link.endswith(".ipynb")]
    downloaded = site / "_sources" / Path(page).with_suffix(".ipynb")
    assert downloaded.read_bytes() == (ROOT / page).with_suffix(".ipynb").read_bytes()


@pytest.mark.parametrize("page", chapters())
def test_chapter_has_facts_solutions_and_its_part_of_the_library(site: Path, page: str):
    text = (site / page).read_text(encoding="utf-8")
    assert re.search(r'<p class="course-facts">\d+ minutes to read · .*runs in ', text)
    notebook = notebook_of(page)
    solutions = sum("solution" in cell["metadata"].get("tags", []) for cell in notebook["cells"])
    assert text.count("<summary>Solution</summary>") == solutions > 0
    taught = [lesson for lesson in lessons() if lesson.chapter == Path(page).stem]
    assert all(f"#{lesson.name}" in text for lesson in taught)


def test_every_lesson_names_a_section_that_its_chapter_has():
    """A docstring's "Taught in" leads to a heading: the name without its number."""
    wrong = [(x.name, x.chapter, x.section) for x in lessons() if x.section and x.section not in sections(x.chapter)]
    assert wrong == []


def test_front_page_has_a_card_with_a_picture_for_every_chapter(site: Path):
    reader = read(site / "index.html")
    assert set(chapters()) <= set(reader.links)
    covers = {Path(image["src"] or "").stem for image in reader.images}
    assert {Path(page).stem for page in chapters()} <= covers


def test_every_cited_preprint_is_in_the_references(site: Path):
    listed = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for page in chapters():
        text = " ".join("".join(cell["source"]) for cell in notebook_of(page)["cells"])
        cited = set(re.findall(r"arXiv:(\d{4}\.\d{4,5})", text))
        assert {number for number in cited if number not in listed} == set(), page


@pytest.mark.parametrize("page", chapters())
def test_no_output_needs_python_to_be_seen(site: Path, page: str):
    """No dead control and no bare name of one: every widget is an explorer, which the page itself moves."""
    assert shown_names_of_controls(notebook_of(page)) == []
    assert "interactive(children=" not in (site / page).read_text(encoding="utf-8")
    assert "OutputModel" not in (site / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("room", sorted(p.parent.name for p in (ROOT / "course_lib").glob("*/__init__.py")))
def test_every_room_of_the_library_has_its_page(room: str):
    assert f"book/api/{room}.html" in pages()


def test_every_icon_that_a_page_shows_is_drawn_by_the_course(site: Path):
    """Else the theme's font of all icons, 110 KB, comes for one of them; it does where there are launch buttons."""
    if repository(ROOT):
        pytest.skip("the launch buttons of a course with an address have icons of the theme's font")
    style = (site / "_static" / "course.css").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^\.fa-([a-z-]+) \{ --icon", style, flags=re.M))
    pages = (path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    shown = {name for text in pages for name in re.findall(r"\bfa(?:s|-solid|b|-brands) fa-([a-z-]+)", text)}
    assert shown
    assert shown <= drawn
