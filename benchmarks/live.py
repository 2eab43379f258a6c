"""How fast the figures that train are: `python -m benchmarks.live [--steps 200] [--seconds 4] [--json]`.

A step is drawing a batch and one update: in the page by the interpreter, in Python by one jitted call that does both.
Frames are counted while the figure plays in Chromium, at full speed and with the processor throttled four times.
Needs Chromium; run it alone on the machine.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import numpy as np
from playwright.sync_api import Browser, Page

from benchmarks.arguments import integer
from course_lib.command import run_command
from course_lib.explorers.live import LiveTraining
from tests.browser.chromium import chromium, visit
from tests.explorers.live.machines import drive
from tests.explorers.live.page import write_page
from tests.explorers.live.registry import LIVE, live
from tests.explorers.live.test_training import job_of

LIVE_ROOT = "document.querySelector('.course-live').live"
LIMITS = {"ratio": 3.0, "first_ms": 100.0, "payload_kib": 150.0, "library_kib": 12.0}
LEAST = {"frames": 55.0, "frames_throttled": 20.0}
TIMED = """(steps) => {
  const { places, programs } = %s.machine, batch = Object.keys(programs).find((n) => n.startsWith("batch: "));
  const run = (n) => { for (let i = 0; i < n; i++) { programs[batch](); programs.step(); } };
  run(steps);
  const times = [];
  for (let k = 0; k < 5; k++) { const t = performance.now(); run(steps); times.push((performance.now() - t) / steps); }
  return times.sort((a, b) => a - b)[2];
}"""


@dataclass(frozen=True)
class Row:
    """One figure: milliseconds a step in Python, node and Chromium; frames a second; gzipped KiB of it and of
    the module that all figures share."""

    name: str
    python_ms: float
    node_ms: float
    chromium_ms: float
    frames: float
    frames_throttled: float
    first_ms: float
    payload_kib: float
    library_kib: float

    @property
    def ratio(self) -> float:
        return self.chromium_ms / self.python_ms

    def misses(self) -> list[str]:
        """What is above its limit, or below."""
        high = [name for name, limit in LIMITS.items() if getattr(self, name) > limit]
        return high + [name for name, limit in LEAST.items() if getattr(self, name) < limit]


def python_ms(widget: LiveTraining, steps: int) -> float:
    """The median of five runs."""
    recipe, key = widget.recipe, jax.random.key(0)
    source = next(iter(recipe.sources))
    state = jax.jit(recipe.first)(key, recipe.inputs)

    @jax.jit
    def once(state, inputs):
        return recipe.step(*state, key, recipe.batch(source, key, state[2], inputs), inputs)

    times = []
    for _ in range(6):
        begin = time.perf_counter()
        for _ in range(steps):
            state, value = once(state, recipe.inputs)
        jax.block_until_ready(value)
        times.append(1e3 * (time.perf_counter() - begin) / steps)
    return float(np.median(times[1:]))


def frames(page: Page, seconds: float) -> float:
    """Pictures drawn in a second, while it plays."""
    page.evaluate(f"{LIVE_ROOT}.play()")
    page.wait_for_timeout(1000)
    count = "() => [" + LIVE_ROOT + ".frames, performance.now()]"
    (before, began), _ = page.evaluate(count), page.wait_for_timeout(1000 * seconds)
    after, ended = page.evaluate(count)
    page.evaluate(f"{LIVE_ROOT}.pause()")
    return 1e3 * (after - before) / (ended - began)


def measure(browser: Browser, name: str, steps: int, seconds: float) -> Row:
    widget = live(name)
    packed = lambda *parts: len(gzip.compress(b"".join(parts), 9)) / 1024  # noqa: E731
    in_python, (in_node,) = python_ms(widget, steps), drive([job_of(widget, 5 * steps)])
    with (
        tempfile.TemporaryDirectory() as folder,
        visit(browser, write_page(widget, Path(folder)), within="file://") as seen,
    ):
        page = seen.page
        page.wait_for_selector(".course-live canvas")
        page.wait_for_timeout(500)
        first = page.evaluate(
            f"() => {{ const t = performance.now(); {LIVE_ROOT}.train(1); return performance.now() - t; }}"
        )
        in_chromium, usual = page.evaluate(TIMED % LIVE_ROOT, steps), frames(page, seconds)
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        slow = frames(page, seconds)
    sizes = packed(json.dumps(widget.training).encode(), widget.data), packed(widget.module.encode())
    return Row(name, in_python, in_node["ms"], in_chromium, usual, slow, first, *sizes)


def table(rows: Sequence[Row]) -> str:
    """The rows as text; what misses its limit at the end of its line."""
    head = ("Python ms", "node ms", "page ms", "ratio", "frames/s", "4× slower", "1st step", "KiB", "lib. KiB")
    lines = [f"{'figure':14}" + "".join(f"{text:>11}" for text in head)]
    for r in rows:
        numbers = (r.python_ms, r.node_ms, r.chromium_ms, r.ratio, r.frames, r.frames_throttled, r.first_ms)
        sizes = (r.payload_kib, r.library_kib)
        digits = (2, 2, 2, 1, 0, 0, 0, 1, 1)
        cells = "".join(f"{n:>11.{d}f}" for n, d in zip((*numbers, *sizes), digits, strict=True))
        lines.append(f"{r.name:14}{cells}" + "".join(f"  ! {miss}" for miss in r.misses()))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.live", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=integer(1), default=200, help="steps of each timed run")
    parser.add_argument("--seconds", type=integer(1), default=4, help="seconds of counting frames")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    with chromium() as browser:
        rows = [measure(browser, name, options.steps, options.seconds) for name in LIVE]
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else table(rows))
    return int(any(row.misses() for row in rows))


if __name__ == "__main__":
    run_command(main)
