"""The figures that train, in Chromium: a hundred steps are Python's, and what a reader does has the right effect."""

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser.chromium import Visit, VisitMaker
from tests.browser.explorer_oracle import live_in
from tests.browser.pages import chapters, notebook_of, settle
from tests.explorers.live.page import write_page
from tests.explorers.live.registry import LIVE, live

LIVE_ROOT = "document.querySelector('.course-live').live"
STEPS = 600
TRAINED_ON = ["index.html", *(page for page in chapters() if live_in(notebook_of(page)))]
LAST_HUNDRED = """(steps) => {
  const { train, machine } = document.querySelector(".course-live").live;
  train(steps - 100);
  let sum = 0;
  for (let i = 0; i < 100; i++) { train(1); sum += machine.places.loss.values[0]; }
  return sum / 100;
}"""


@pytest.fixture(autouse=True)
def as_a_learner_has_it():
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


@contextmanager
def opened(browser: Browser, folder: Path, name: str, **options: Any) -> Iterator[Visit]:
    """The figure on a page from a file, whose policy forbids code made of text."""
    with chromium.visit(browser, write_page(live(name), folder), within="file://", **options) as seen:
        seen.page.wait_for_selector(".course-live canvas")
        yield seen


def ask(seen: Visit, expression: str) -> Any:
    return seen.page.evaluate(f"{LIVE_ROOT}.{expression}")


@pytest.mark.parametrize("name", LIVE)
def test_a_hundred_steps_in_chromium_are_those_of_python(browser: Browser, tmp_path: Path, name: str):
    widget = live(name)
    with opened(browser, tmp_path, name) as seen:
        losses = []
        for _ in range(100):
            ask(seen, "train(1)")
            losses.append(ask(seen, "machine.places.loss.values[0]"))
        names = [n for n in widget.machine["places"] if n.startswith("parameter ")]
        found = [ask(seen, f"machine.places[{n!r}].values.join(' ')") for n in names]
        seen.assert_quiet()
    run = widget.recipe.train(100, widget.training["seed"])
    np.testing.assert_allclose(losses, run.losses, rtol=1e-6)
    for text, leaf in zip(found, jax.tree.leaves(run.params), strict=True):
        wanted = np.asarray(leaf).ravel()
        got = np.array(text.split(), float)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * max(np.abs(wanted).max(), 1e-3))


@pytest.mark.parametrize("page", TRAINED_ON)
def test_what_the_site_trains_ends_where_python_ends(address: str, visit: VisitMaker, page: str):
    """Offline, by the very programs of the figure. Rounding makes long runs differ: by 3 % at most in the mean loss of
    the last hundred steps."""
    with visit(address + page) as seen:
        settle(seen.page)
        state = json.loads(seen.page.locator("script[type='application/vnd.jupyter.widget-state+json']").inner_text())
        (entry,) = (entry for entry in state["state"].values() if "training" in entry["state"])
        widget = next(
            widget for widget in map(live, LIVE) if widget.training["title"] == entry["state"]["training"]["title"]
        )
        data = next(b["data"] for b in entry["buffers"] if b["path"] == ["data"])
        assert zlib.decompress(base64.b64decode(data)) == zlib.decompress(widget.data)
        last = seen.page.evaluate(LAST_HUNDRED, STEPS)
        seen.assert_quiet()
    run = widget.recipe.train(STEPS, widget.training["seed"])
    assert abs(last / run.losses[-100:].mean() - 1) < 0.03


def test_every_figure_that_trains_is_on_the_site():
    titles = [e["state"]["training"]["title"] for page in chapters() for e in live_in(notebook_of(page))]
    assert sorted(titles) == sorted(live(name).training["title"] for name in LIVE)


def test_buttons_keys_and_words(browser: Browser, tmp_path: Path):
    with opened(browser, tmp_path, "flow") as seen:
        page = seen.page
        page.get_by_role("button", name="Step").press("Enter")
        said = page.locator(".ce-live").inner_text()
        assert said == f"step 1, loss {ask(seen, 'machine.places.loss.values[0]'):.2f} nats"
        page.get_by_role("button", name="Play").press("Space")
        page.wait_for_timeout(500)
        page.get_by_role("button", name="Pause").press("Space")
        steps = ask(seen, "steps()")
        page.wait_for_timeout(200)
        assert ask(seen, "steps()") == steps > 5
        page.get_by_role("button", name="Reset").click()
        assert ask(seen, "steps()") == 0
        assert "key 1" in page.locator(".ce-readout").inner_text()
        rate = ask(seen, "machine.places.rate.values[0]")
        page.get_by_label("learning rate").press("ArrowRight")
        assert ask(seen, "machine.places.rate.values[0]") > rate
        seen.assert_quiet()


def test_data_drawn_by_hand_and_by_keys_are_learned(browser: Browser, tmp_path: Path):
    with opened(browser, tmp_path, "flow") as seen:
        page = seen.page
        box = page.locator(".course-live canvas").first.bounding_box()
        assert box is not None
        for x in (0.35, 0.8):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + 0.4 * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + x * box["width"], box["y"] + 0.5 * box["height"], steps=20)
            page.mouse.up()
        drawn = ask(seen, "machine.places.drawn_count.values[0]")
        assert drawn >= 100
        page.locator(".course-live canvas").first.press("ArrowLeft")
        page.locator(".course-live canvas").first.press("Space")
        assert ask(seen, "machine.places.drawn_count.values[0]") == drawn + 5
        ask(seen, "train(300)")
        assert ask(seen, "curve.mean()") < 2.2, "two small blobs have little entropy"
        page.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="Play").click()
        page.wait_for_timeout(100)
        assert "Draw some points" in page.locator(".ce-trouble").inner_text()
        seen.assert_quiet()


def test_a_loss_that_is_not_finite_stops_and_says_what_to_change(browser: Browser, tmp_path: Path):
    with opened(browser, tmp_path, "vae") as seen:
        ask(seen, "play()")
        ask(seen, "machine.places.rate.values.set([NaN])")
        seen.page.wait_for_selector(".ce-trouble")
        seen.page.wait_for_timeout(200)
        assert "no longer a finite number" in seen.page.locator(".ce-trouble").inner_text()
        assert "smaller learning rate" in seen.page.locator(".ce-live").inner_text()
        assert not ask(seen, "running()")


def test_a_hidden_tab_pauses(browser: Browser, tmp_path: Path):
    with opened(browser, tmp_path, "vae") as seen:
        ask(seen, "play()")
        seen.page.wait_for_timeout(200)
        seen.page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { value: true });"
            "document.dispatchEvent(new Event('visibilitychange')); }"
        )
        assert not ask(seen, "running()")


def test_reduced_motion_paints_once_a_second(browser: Browser, tmp_path: Path):
    with opened(browser, tmp_path, "vae", reduced_motion="reduce") as seen:
        before = ask(seen, "frames")
        ask(seen, "play()")
        seen.page.wait_for_timeout(2500)
        assert 1 <= ask(seen, "frames") - before <= 4
        assert ask(seen, "steps()") > 20


def test_without_webassembly_the_page_says_so(browser: Browser, tmp_path: Path):
    policy = '<meta http-equiv="Content-Security-Policy" content="script-src \'unsafe-inline\'">'
    with chromium.visit(browser, write_page(live("vae"), tmp_path, policy), within="file://") as seen:
        seen.page.wait_for_selector(".course-live-off")
        assert "does not let it" in seen.page.locator(".course-live-off").inner_text()
