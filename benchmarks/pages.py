"""How heavy the website's pages are: `python -m benchmarks.pages [PAGE ...] [--json]` (default: front page, chapters).

Each page is opened in a fresh Chromium, without a cache, from a server that compresses as most do (gzip), over a line
of 4 Mbit/s with 40 ms of delay and on a processor throttled four times: Chromium's own protocol sets both. Measured
are the requests, what is transferred, the time until the first figure can be used (its canvas is drawn), and how much
of the page jumps: the sum of the browser's `layout-shift` entries, until two seconds after all is loaded.
Needs Chromium and the built website (`make book`); run it alone on the machine.
"""

import argparse
import functools
import gzip
import http.server
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from playwright.sync_api import Browser

from course_lib.command import run_command
from tests.browser.chromium import chromium
from tests.browser.pages import chapters
from tools.serve_book import SITE, Handler

MBIT, DELAY_MS, THROTTLE = 4.0, 40, 4
FRONT = "index.html"
LIMITS = {FRONT: {"kib": 600 * 1000 / 1024, "figure_s": 3.0, "shift": 0.02}}
CHAPTER_LIMITS = {"kib": 2e6 / 1024}
TEXTS = {".html", ".js", ".css", ".svg", ".json", ".txt", ".xml"}
WATCH = """() => {
  window.shift = 0; window.usable = 0;
  new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shift += e.value; })
    .observe({ type: "layout-shift", buffered: true });
  const figures = ".course-explorer canvas, .course-live canvas";
  const drawn = () => [...document.querySelectorAll(figures)].some((canvas) => canvas.width > 0);
  const look = () => { if (drawn()) window.usable = performance.now(); else requestAnimationFrame(look); };
  look();
}"""


class Compressing(Handler):
    """Texts go out compressed."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if path.suffix not in TEXTS or not path.is_file():
            super().do_GET()
            return
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass(frozen=True)
class Row:
    """One page: requests, KiB transferred, seconds to the first figure (0: it has none), cumulative layout shift."""

    page: str
    requests: int
    kib: float
    figure_s: float
    shift: float

    def misses(self) -> list[str]:
        limits = LIMITS.get(self.page, CHAPTER_LIMITS)
        return [name for name, limit in limits.items() if getattr(self, name) > limit]


def measure(browser: Browser, address: str, page_name: str) -> Row:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(f"({WATCH})()")
    session, sizes = context.new_cdp_session(page), []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    session.send("Network.enable")
    line = {"offline": False, "latency": DELAY_MS, "downloadThroughput": MBIT * 1e6 / 8, "uploadThroughput": 125_000}
    session.send("Network.emulateNetworkConditions", line)
    session.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    page.goto(address + page_name, wait_until="networkidle", timeout=120_000)
    if page.locator('[type*="widget-view"]').count():
        page.wait_for_function("() => window.usable", timeout=60_000)
    page.wait_for_timeout(2000)
    usable, shift = page.evaluate("() => [window.usable, window.shift]")
    context.close()
    return Row(page_name, len(sizes), sum(sizes) / 1024, usable / 1000, shift)


def table(rows: Sequence[Row]) -> str:
    """The rows as text; what misses its limit at the end of its line."""
    lines = [f"{'page':46}{'requests':>9}{'KiB':>8}{'figure s':>10}{'shift':>8}"]
    for r in rows:
        line = f"{r.page:46}{r.requests:>9}{r.kib:>8.0f}{r.figure_s:>10.1f}{r.shift:>8.3f}"
        lines.append(line + "".join(f"  ! {miss}" for miss in r.misses()))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.pages", description=(__doc__ or "").split(":")[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as notebooks/05a_the_bits_are_real.html")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    names = options.pages or [FRONT, *chapters()]
    for name in names:
        if not (SITE / name).is_file():
            parser.error(f"there is no page {name} in build/book/html; build the website with `make book`.")
    handler = functools.partial(Compressing, directory=str(SITE))
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    with chromium() as browser:
        rows = [measure(browser, f"http://127.0.0.1:{service.server_port}/", name) for name in names]
    service.shutdown()
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else table(rows))
    return int(any(row.misses() for row in rows))


if __name__ == "__main__":
    run_command(main)
