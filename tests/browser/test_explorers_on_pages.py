"""Every explorer on a static page, with no kernel: moved by mouse, keys and finger it shows the right numbers."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ipywidgets import IntSlider
from ipywidgets.embed import embed_data

from course_lib.explorers import Explorer
from tests.browser.chromium import Visit, VisitMaker
from tests.browser.explorer_drive import Driver
from tests.browser.explorer_oracle import Saved, saved, saved_from, saved_in
from tests.browser.pages import chapters, notebook_of, settle
from tests.explorers.registry import EXPLORERS

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ON_PAGES = {page: saved_in(notebook_of(page)) for page in chapters()}
CHAPTER_EXPLORERS = [
    pytest.param(page, device, number, id=f"{Path(page).stem}-{device}-{number}")
    for page, found in ON_PAGES.items() for device in ("laptop", "phone") for number in range(len(found))
]  # fmt: skip
VIEW_TYPE = "application/vnd.jupyter.widget-view+json"
PAGE = """<!doctype html><html lang="en" data-content_root="./"><meta name="viewport"
content="width=device-width"><title>Gallery</title><body>
<script type="application/vnd.jupyter.widget-state+json">{state}</script>
{views}<script defer src="_static/course.js"></script></body></html>"""


def test_front_page_explorer(address: str, visit: VisitMaker):
    with visit(address + "index.html") as seen:
        settle(seen.page)
        state = json.loads(seen.page.locator("script[type='application/vnd.jupyter.widget-state+json']").inner_text())
        entry = next(entry for entry in state["state"].values() if "spec" in entry["state"])
        Driver(seen.page, seen.page.locator(".course-explorer"), saved(entry)).by_hand_and_keys()
        seen.assert_quiet()


@pytest.fixture(scope="module")
def open_chapter(address: str, visit: VisitMaker) -> Iterator[Callable[[str, str], Visit]]:
    """Opens a chapter on a laptop or a phone, and keeps it open until another one is wanted."""
    with ExitStack() as stack:
        kept: dict[tuple[str, str], Visit] = {}

        def opened(page: str, device: str) -> Visit:
            if (page, device) not in kept:
                kept.clear()
                stack.close()
                seen = stack.enter_context(visit(address + page, **(PHONE if device == "phone" else {})))
                settle(seen.page)
                kept[page, device] = seen
            return kept[page, device]

        yield opened


@pytest.mark.parametrize(("page", "device", "number"), CHAPTER_EXPLORERS)
def test_chapter_explorer(open_chapter: Callable[[str, str], Visit], page: str, device: str, number: int):
    seen = open_chapter(page, device)
    driver = Driver(seen.page, seen.page.locator(".course-explorer").nth(number), ON_PAGES[page][number])
    driver.by_finger(sliders=2) if device == "phone" else driver.by_hand_and_keys(sliders=2)
    seen.assert_quiet()


@pytest.fixture(scope="module")
def gallery(site: Path, serve: Callable, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Explorer]]:
    """A static page with every explorer that the library can make, and the explorers themselves."""
    explorers = {name: make() for name, make in EXPLORERS.items()}
    data = embed_data(views=list(explorers.values()), drop_defaults=False)
    folder = tmp_path_factory.mktemp("gallery")
    views = [f'<script type="{VIEW_TYPE}">{json.dumps(v)}</script>' for v in data["view_specs"]]
    page = PAGE.format(state=json.dumps(data["manager_state"]), views="".join(f"<div>{v}</div>" for v in views))
    (folder / "gallery.html").write_text(page, encoding="utf-8")
    (folder / "_static").symlink_to(site / "_static", target_is_directory=True)
    return serve(folder) + "gallery.html", explorers


def test_another_widget_brings_its_libraries_along(site: Path, serve: Callable, visit: VisitMaker, tmp_path: Path):
    """A lecturer's own ipywidget stands beside an explorer, and both are drawn once."""
    data = embed_data(views=[IntSlider(7), EXPLORERS["divergence"]()], drop_defaults=False)
    views = [f'<div><script type="{VIEW_TYPE}">{json.dumps(v)}</script></div>' for v in data["view_specs"]]
    page = PAGE.format(state=json.dumps(data["manager_state"]), views="".join(views))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    (tmp_path / "_static").symlink_to(site / "_static", target_is_directory=True)
    with visit(serve(tmp_path) + "page.html") as seen:
        seen.page.locator(".widget-slider").wait_for()
        assert seen.page.locator(".course-explorer").count() == 1
        seen.assert_quiet()


def test_a_figure_that_cannot_be_drawn_leaves_the_others(
    site: Path, serve: Callable, visit: VisitMaker, tmp_path: Path
):
    data = embed_data(views=[EXPLORERS["divergence"](), EXPLORERS["evidence_bound"]()], drop_defaults=False)
    views = [f'<div><script type="{VIEW_TYPE}">{json.dumps(v)}</script></div>' for v in data["view_specs"]]
    first = data["manager_state"]["state"][data["view_specs"][0]["model_id"]]
    next(b for b in first["buffers"] if b["path"] == ["data"])["data"] = "AAAA"
    page = PAGE.format(state=json.dumps(data["manager_state"]), views="".join(views))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    (tmp_path / "_static").symlink_to(site / "_static", target_is_directory=True)
    with visit(serve(tmp_path) + "page.html") as seen:
        seen.page.locator(".course-explorer").wait_for()
        assert seen.page.locator(".course-explorer").count() == 1
        assert len(seen.errors) == 1


@pytest.fixture(scope="module", params=["laptop", "phone"])
def open_gallery(request: pytest.FixtureRequest, gallery: tuple, visit: VisitMaker) -> Iterator[tuple[Visit, str]]:
    with visit(gallery[0], **(PHONE if request.param == "phone" else {})) as seen:
        settle(seen.page)
        yield seen, request.param


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_kind_of_explorer(open_gallery: tuple[Visit, str], gallery: tuple, name: str):
    (seen, device), explorer = open_gallery, gallery[1][name]
    element = seen.page.locator(".course-explorer").nth(list(EXPLORERS).index(name))
    driver = Driver(seen.page, element, saved_from(explorer), explorer.exact)
    driver.by_finger(sliders=20) if device == "phone" else driver.by_hand_and_keys(sliders=20)
    seen.assert_quiet()


def test_a_wrong_number_is_noticed(open_gallery: tuple[Visit, str], gallery: tuple):
    """Negative control: tables stretched by one hundredth do not pass."""
    seen, _ = open_gallery
    good = saved_from(gallery[1]["divergence"])
    tables = [t | {"high": t["high"] + 0.01 * (t["high"] - t["low"])} for t in good.spec["tables"]]
    wrong = Saved(good.spec | {"tables": tables}, good.numbers)
    element = seen.page.locator(".course-explorer").nth(list(EXPLORERS).index("divergence"))
    Driver(seen.page, element, good).check()
    with pytest.raises(AssertionError):
        Driver(seen.page, element, wrong).check()
