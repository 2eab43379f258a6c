"""A chapter run, saved and closed in JupyterLab, and opened on another day: a new server, a new kernel."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from jupyterlab.commands import get_app_dir
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Visit, VisitMaker
from tests.browser.explorer_oracle import live_in, saved_in
from tests.browser.jupyterlab import SHOWN, TRAINED, count_shown, server, wait_until_open, write_settings
from tests.browser.pages import ROOT
from tools.notebook_outputs import STATE, VIEW
from tools.notebook_source import learner_edition

SHIPPED = ROOT / "tools" / "jupyterlab" / "course_lib.json"
CHAPTERS = ["00_start_here", "02_autoregressive", "05_variational_autoencoder"]
PLUMBING = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}  # so that all cells are in the page
OPEN = "async (path) => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }"
RUN = "async () => window.jupyterapp.commands.execute('notebook:run-all-cells')"
SAVE = "async () => { await window.jupyterapp.commands.execute('docmanager:save'); }"
CLOSE = "async () => { await window.jupyterapp.commands.execute('application:close'); }"
PICTURE = "(e) => [...e.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join()"
ALL_MADE = """() => {
  const count = (names) => document.querySelectorAll(names).length, lines = count(".course-still");
  return lines > 0 && lines === count(".course-explorer, .course-live");
}"""
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
QUESTIONS = ".jp-Dialog, .Toastify__toast"
STILLS = f"{PANEL} .jp-OutputArea-child:has(+ * .course-still) img"
NO_MODEL = "Error displaying widget"


class Learner:
    """A folder with chapters, and a JupyterLab over it, with or without the settings that the course ships."""

    def __init__(self, home: Path, visit: VisitMaker, shipped: bool, chapters: list[str]):
        self.home, self.visit, self.chapters, self.application = home, visit, chapters, home / "application"
        (home / "root").mkdir()
        self.application.mkdir()
        for part in ("static", "schemas", "themes"):
            (self.application / part).symlink_to(Path(get_app_dir()) / part, target_is_directory=True)
        if shipped:
            place = self.application / "settings" / "overrides.d" / "course_lib.json"
            place.parent.mkdir(parents=True)
            shutil.copy(SHIPPED, place)
        write_settings(home, PLUMBING)
        for chapter in chapters:
            source = ROOT / "notebooks" / "source" / f"{chapter}.py"
            nbformat.write(learner_edition(source), self.path(chapter))

    def path(self, chapter: str) -> Path:
        return self.home / "root" / f"{chapter}.ipynb"

    def saved(self, chapter: str) -> dict:
        return json.loads(self.path(chapter).read_text(encoding="utf-8"))

    def run_and_save(self) -> None:
        with server(self.home, application=self.application) as address:
            for chapter in self.chapters:
                with self.visit(address(self.path(chapter).name)) as seen:
                    wait_until_open(seen.page, self.path(chapter).name)
                    assert seen.page.evaluate(RUN), f"{chapter}: a cell failed"
                    seen.page.wait_for_function(ALL_MADE, timeout=60_000)
                    seen.page.evaluate(SAVE)
                    seen.page.evaluate(CLOSE)


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory, visit: VisitMaker) -> Learner:
    learner = Learner(tmp_path_factory.mktemp("learner"), visit, not os.environ.get("COURSE_LAB_BARE"), CHAPTERS)
    learner.run_and_save()
    return learner


@pytest.fixture(scope="module")
def reopened(learner: Learner) -> Iterator[Callable[[str], Visit]]:
    """Opens a chapter of the learner's, as saved, in a new JupyterLab."""
    with (
        server(learner.home, application=learner.application) as address,
        learner.visit(address(f"{CHAPTERS[0]}.ipynb")) as seen,
    ):
        wait_until_open(seen.page, f"{CHAPTERS[0]}.ipynb")

        def open_chapter(chapter: str) -> Visit:
            seen.page.evaluate(OPEN, f"{chapter}.ipynb")
            wait_until_open(seen.page, f"{chapter}.ipynb")
            return seen

        yield open_chapter


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_explorer_is_alive_when_a_chapter_is_opened_again(learner: Learner, reopened: Callable, chapter: str):
    notebook = learner.saved(chapter)
    count = sum(VIEW in o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", []))
    assert count > 0
    explorers, trained = len(saved_in(notebook)), len(live_in(notebook))
    assert explorers + trained == count, "a view whose state was not saved, or that is no figure of the course"
    page = reopened(chapter).page
    count_shown(page, explorers)
    for number in range(explorers):
        moves(page, number)
    for number in range(trained):
        trains(page, number)
    assert NO_MODEL not in page.locator(PANEL).inner_text()
    assert "interactive(children=" not in json.dumps(notebook)
    assert stills(page) == [], "a still picture beside the figure that lives"
    assert page.locator(QUESTIONS).all_inner_texts() == []


def moves(page: Page, number: int) -> None:
    """Another setting of its controls draws another picture."""
    element = page.locator(SHOWN).nth(number)
    element.scroll_into_view_if_needed()
    before = element.evaluate(PICTURE)
    control = element.locator("[data-control]").first
    if control.evaluate("(e) => e.tagName") == "SELECT":
        control.select_option(index=control.evaluate("(e) => (e.selectedIndex + 1) % e.options.length"))
    else:
        control.focus()
        page.keyboard.press("Home")
        if element.evaluate(PICTURE) == before:
            page.keyboard.press("End")
    page.wait_for_timeout(100)
    assert element.evaluate(PICTURE) != before, f"figure {number} stands still"


def trains(page: Page, number: int) -> None:
    """A step of a figure that trains is taken, and drawn."""
    element = page.locator(TRAINED).nth(number)
    element.scroll_into_view_if_needed()
    before = element.evaluate(PICTURE)
    element.get_by_role("button", name="Step").click()
    assert "step 1, loss" in element.locator(".ce-readout").inner_text()
    assert element.evaluate(PICTURE) != before, f"figure {number} stands still"


def stills(page: Page) -> list[str]:
    """The still pictures that can be seen."""
    return [image.get_attribute("src") or "" for image in page.locator(STILLS).all() if image.is_visible()]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, visit: VisitMaker) -> Learner:
    """The same in a JupyterLab that the course did not set up."""
    learner = Learner(tmp_path_factory.mktemp("elsewhere"), visit, False, CHAPTERS[:1])
    learner.run_and_save()
    return learner


def test_without_the_settings_the_still_picture_stands_in_for_the_figure(elsewhere: Learner):
    chapter = elsewhere.saved(CHAPTERS[0])
    assert STATE not in chapter["metadata"].get("widgets", {})
    with server(elsewhere.home, application=elsewhere.application) as address:
        name = elsewhere.path(CHAPTERS[0]).name
        with elsewhere.visit(address(name)) as seen:
            wait_until_open(seen.page, name)
            seen.page.locator(STILLS).first.wait_for()
            assert all(src.startswith("data:image/png") for src in stills(seen.page))
            assert len(stills(seen.page)) == sum("course-still" in json.dumps(cell) for cell in chapter["cells"]) > 0
            assert seen.page.locator(".course-still").first.is_visible()
            assert NO_MODEL not in seen.page.locator(PANEL).inner_text()


def test_a_page_without_javascript_shows_the_still_picture_with_its_words(elsewhere: Learner, browser: Browser):
    """As nbviewer does: the notebook as it was saved, turned into HTML."""
    notebook = nbformat.read(elsewhere.path(CHAPTERS[0]), as_version=4)
    expected = [
        output.metadata["image/png"]["alt"]
        for cell in notebook.cells
        if any("course-still" in str(output.get("data", {})) for output in cell.get("outputs", []))
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    html = elsewhere.home / "page.html"
    html.write_text(HTMLExporter(template_name="classic").from_notebook_node(notebook)[0], encoding="utf-8")
    context = browser.new_context(java_script_enabled=False, offline=True)
    try:
        page = context.new_page()
        page.goto(html.as_uri(), wait_until="domcontentloaded")
        assert expected
        for alt in expected:
            image = page.get_by_alt_text(alt, exact=True)
            assert image.is_visible()
            box = image.bounding_box()
            assert box is not None
            assert box["width"] > 300
        assert page.locator(".course-still").count() == len(expected)
        text = page.locator("body").inner_text()
        assert NO_MODEL not in text
        assert "Explorer(" not in text
    finally:
        context.close()
