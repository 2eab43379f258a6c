"""How fast every explorer answers: `python -m benchmarks.explorers [--moves 200] [--json]`.

A slider is dragged with the mouse to places drawn at random; a list of choices is walked through with the keyboard.
Measured is the time from the input event to the end of the frame that shows the result (interpolation, drawing, layout,
paint on the page's main thread), without the wait for the screen's next refresh: below 16 ms none is missed.
On the website the chapters' own explorers are moved, in JupyterLab those that a kernel has just made, with the kernel
listening. Needs Chromium; run it alone on the machine.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Locator

from benchmarks.arguments import integer
from course_lib.command import run_command
from course_lib.explorers import Explorer
from tests.browser.chromium import chromium, visit
from tests.browser.explorer_oracle import saved_in
from tests.browser.jupyterlab import SHOWN, run_gallery, running_lab, wait_until_open
from tests.browser.pages import chapters, notebook_of, settle
from tests.explorers.accuracy import table_error
from tests.explorers.registry import EXPLORERS
from tools.serve_book import SITE, server

LIMITS_MS = {"website": 16.0, "lab": 33.0}
# A message that a frame's callback posts is delivered when the frame is done.
RECORD = """(element) => {
  const times = (element.times = []);
  let begin = 0;
  element.addEventListener("input", () => { begin = performance.now(); }, { capture: true });
  element.addEventListener("input", () => {
    const handled = performance.now(), work = handled - begin;
    requestAnimationFrame((refresh) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => times.push(work + performance.now() - Math.max(refresh, handled));
      channel.port2.postMessage(0);
    });
  });
}"""


@dataclass(frozen=True)
class Row:
    """One explorer in one place: milliseconds from event to frame (median, 95th percentile), bytes, error of the
    table as a fraction of its range (where the exact function is at hand)."""

    title: str
    place: str
    median_ms: float
    p95_ms: float
    data_bytes: int
    error: float | None

    @property
    def within_limit(self) -> bool:
        return self.p95_ms <= LIMITS_MS[self.place]


def times_ms(element: Locator, moves: int) -> tuple[float, float]:
    """Median and 95th percentile over `moves` random moves of its sliders (the first four), after four to warm up."""
    page, rng = element.page, np.random.default_rng(0)
    element.evaluate(RECORD)
    controls = element.locator("input[type=range]").all()[:4] or element.locator("select").all()
    for control in controls:
        control.scroll_into_view_if_needed()
        page.wait_for_timeout(300)  # blocks that come into view may shift those below
        box, share = control.bounding_box(), moves // len(controls) + 4
        assert box is not None
        if control.get_attribute("type") == "range":
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.mouse.down()
            for place in rng.uniform(0.03, 0.97, share):
                page.mouse.move(box["x"] + place * box["width"], box["y"] + box["height"] / 2)
                page.wait_for_timeout(20)
            page.mouse.up()
        else:
            last = control.locator("option").count() - 1
            control.focus()
            for number in range(share):
                page.keyboard.press("ArrowDown" if (number // last) % 2 == 0 else "ArrowUp")
                page.wait_for_timeout(20)
    times = element.evaluate("(element) => element.times")[4:]
    if len(times) < 0.8 * moves:
        raise RuntimeError(f"{moves} moves caused {len(times)} frames")
    return float(np.median(times)), float(np.quantile(times, 0.95))


def on_the_website(browser: Browser, moves: int) -> list[Row]:
    """The explorers of every chapter of the built website."""
    service, rows = server(), []
    threading.Thread(target=service.serve_forever, daemon=True).start()
    for chapter in chapters():
        found = saved_in(notebook_of(chapter))
        with visit(browser, f"http://127.0.0.1:{service.server_port}/{chapter}") as seen:
            settle(seen.page)
            seen.page.wait_for_function("() => document.querySelector('.bd-article [style*=content-visibility]')")
            for number, saved in enumerate(found):
                times = times_ms(seen.page.locator(".course-explorer").nth(number), moves)
                rows.append(Row(saved.title, "website", *times, saved.packed_bytes, None))
    service.shutdown()
    return rows


def in_lab(browser: Browser, moves: int, explorers: dict[str, Explorer]) -> list[Row]:
    """All explorers of the library, in a notebook that a kernel has run."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as home,
        running_lab(Path(home)) as address,
        visit(browser, address, viewport={"width": 1400, "height": 1100}) as seen,
    ):
        wait_until_open(seen.page)
        run_gallery(seen.page)
        for number, explorer in enumerate(explorers.values()):
            times = times_ms(seen.page.locator(SHOWN).nth(number), moves)
            rows.append(Row(explorer.spec["title"], "lab", *times, len(explorer.data), table_error(explorer)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as text; an exclamation mark behind what takes too long."""
    lines = [f"{'explorer':44}{'place':>9}{'median ms':>11}{'p95 ms':>9}{'kB':>7}{'error %':>9}"]
    for row in rows:
        error = "" if row.error is None else f"{100 * row.error:.2f}"
        mark = "" if row.within_limit else f"  ! over {LIMITS_MS[row.place]:.0f} ms"
        times = f"{row.median_ms:11.1f}{row.p95_ms:9.1f}{row.data_bytes / 1e3:7.0f}"
        lines.append(f"{row.title[:43]:44}{row.place:>9}{times}{error:>9}{mark}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.explorers", description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=integer(1), default=200, help="moves of the mouse for each explorer")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    if not (SITE / "index.html").is_file():
        print("There is no website yet: run `make book`.", file=sys.stderr)
        return 1
    explorers = {name: make() for name, make in EXPLORERS.items()}
    with chromium() as browser:
        rows = on_the_website(browser, options.moves) + in_lab(browser, options.moves, explorers)
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else table(rows))
    return int(not all(row.within_limit for row in rows))


if __name__ == "__main__":
    run_command(main)
