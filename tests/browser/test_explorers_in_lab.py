"""Every explorer in real JupyterLab: run by a kernel, and as a chapter brings it along before anything is run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError

from tests.browser.chromium import Visit, VisitMaker
from tests.browser.explorer_drive import Driver
from tests.browser.explorer_oracle import live_in, saved_from, saved_in
from tests.browser.jupyterlab import SHOWN, TRAINED, count_shown, run_gallery, running_lab, wait_until_open
from tests.browser.pages import ROOT, chapters, notebook_of
from tests.explorers.registry import EXPLORERS

WITH_EXPLORERS = [page for page in chapters() if saved_in(notebook_of(page))]
ANSWER = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code});
  let text = "";
  future.onIOPub = (m) => { if (m.header.msg_type === "stream") text += m.content.text; };
  await future.done;
  return text;
}"""


CLOSE = """path => {
  const all = [...window.jupyterapp.shell.widgets("main")];
  all.filter((w) => w.context?.path === path).forEach((w) => w.dispose());
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, visit: VisitMaker) -> Iterator[Visit]:
    """A JupyterLab with copies of the chapters and a notebook of all explorers, which is open."""
    notebooks = [(ROOT / page).with_suffix(".ipynb") for page in WITH_EXPLORERS]
    with (
        running_lab(tmp_path_factory.mktemp("lab"), notebooks) as address,
        visit(address, viewport={"width": 1400, "height": 1100}) as seen,
    ):
        wait_until_open(seen.page)
        yield seen


@pytest.fixture(scope="module")
def gallery(lab: Visit) -> Visit:
    """The notebook of all explorers, run from top to bottom by its kernel."""
    run_gallery(lab.page)
    return lab


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorer_run_by_a_kernel(gallery: Visit, name: str):
    """Moved by mouse and keys it shows the right numbers, and the kernel knows where the sliders stand."""
    explorer = EXPLORERS[name]()
    element = gallery.page.locator(SHOWN).nth(list(EXPLORERS).index(name))
    driver = Driver(gallery.page, element, saved_from(explorer), explorer.exact)
    driver.by_hand_and_keys(sliders=2)
    control = driver.saved.spec["controls"][0]
    driver.input(control).focus()
    gallery.page.keyboard.press("End")
    code, want = f"print(made[{name!r}].values[{control['name']!r}])", driver.check()[control["name"]]
    for _ in range(50):  # messages to the kernel queue up behind each other
        told = float(gallery.page.evaluate(ANSWER, code))
        if told == want:
            break
        gallery.page.wait_for_timeout(100)
    assert told == want
    assert gallery.errors == []
    assert gallery.blocked == []


def open_chapter(lab: Visit, path: str, count: int) -> None:
    """Open it until all explorers show; at most three times.

    On a machine with more to do than cores, JupyterLab now and then draws an output before it has read the notebook's
    widgets ("widget model not found"); opened again, as a person would, it shows them. What is not saved never shows.
    """
    for attempt in (1, 2, 3):
        lab.page.evaluate(
            "async (path) => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }", path
        )
        wait_until_open(lab.page, path)
        try:
            count_shown(lab.page, count)
            return
        except TimeoutError:
            if attempt == 3:
                raise
            lab.page.evaluate(CLOSE, path)
            lab.errors.clear()


@pytest.mark.parametrize("page", WITH_EXPLORERS)
def test_chapter_explorers_before_anything_is_run(lab: Visit, page: str):
    """A chapter opened after the gallery: its explorers live by what the notebook saved."""
    path, found = str(Path(page).with_suffix(".ipynb")), saved_in(notebook_of(page))
    open_chapter(lab, path, len(found))
    for number, saved in enumerate(found):
        driver = Driver(lab.page, lab.page.locator(SHOWN).nth(number), saved)
        driver.assert_appears()
        for control in driver.sliders[:1]:
            driver.by_keyboard(control)
            driver.by_mouse(control, 0.3)
        driver.drag_panel()
        driver.reset()
    trained = lab.page.locator(TRAINED)
    assert trained.count() == len(live_in(notebook_of(page)))
    for figure in trained.all():
        figure.get_by_role("button", name="Step").click()
        assert "step 1, loss" in figure.locator(".ce-readout").inner_text()
    assert lab.errors == []
    assert lab.blocked == []
