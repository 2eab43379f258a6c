"""What each notebook costs: `python -m benchmarks.notebooks [NAMES] [--json]`.

Every notebook is executed twice in a fresh kernel, as a learner would run it: with an empty compile cache (cold),
then with the cache that the first run filled (warm). Nothing is written back. Run it alone on the machine;
it needs Linux or macOS.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course_lib.command import run_command
from tools.build_notebooks import ROOT, sources
from tools.notebook_source import NotebookError, learner_edition

MOST_SECONDS, MOST_MIB = 60.0, 2048.0
LONGER = {"06_one_yardstick": 120.0}  # it trains a model of each family
# Runs last in the kernel: the processor time and the largest memory of the whole process. On Linux ru_maxrss also
# counts the process that started the kernel, so there the peak is read from /proc.
PROBE = """
import pathlib as _p, re as _re, resource as _r
_u, _status = _r.getrusage(_r.RUSAGE_SELF), _p.Path("/proc/self/status")
_kib = _re.search(r"VmHWM:\\s+(\\d+)", _status.read_text()) if _status.exists() else None
_peak = int(_kib[1]) / 2**10 if _kib else _u.ru_maxrss / 2**20
print(_u.ru_utime + _u.ru_stime, _peak)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock from kernel start to last cell, processor seconds, and peak memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Row:
    """One notebook, cold and warm."""

    name: str
    cold: Cost
    warm: Cost

    @property
    def within_limits(self) -> bool:
        return (
            self.cold.seconds <= LONGER.get(self.name, MOST_SECONDS)
            and max(self.cold.peak_mib, self.warm.peak_mib) <= MOST_MIB
        )


def measure(notebook: NotebookNode, cache: str) -> Cost:
    """Execute the notebook once with `cache` as the folder of compiled programs."""
    notebook.cells.append(new_code_cell(PROBE, id="probe"))
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "notebooks")}},
        extra_arguments=["--IPKernelApp.log_level=40"],
    )  # fmt: skip
    start = time.perf_counter()
    client.execute(env={**os.environ, "COURSE_CACHE_DIR": cache, "JAX_PLATFORMS": "cpu"})
    seconds = time.perf_counter() - start
    cpu_seconds, peak_mib = map(float, notebook.cells[-1].outputs[0].text.split())
    return Cost(seconds, cpu_seconds, peak_mib)


def table(rows: Sequence[Row]) -> str:
    """The rows as text, what is over a limit marked with an exclamation mark, totals below."""
    lines = [f"{'notebook':34}{'cold s':>9}{'cold cpu s':>12}{'warm s':>9}{'peak MiB':>10}"]
    for row in rows:
        peak = max(row.cold.peak_mib, row.warm.peak_mib)
        mark = "" if row.within_limits else f"  ! over {LONGER.get(row.name, MOST_SECONDS):.0f} s or {MOST_MIB:.0f} MiB"
        lines.append(
            f"{row.name:34}{row.cold.seconds:9.1f}{row.cold.cpu_seconds:12.1f}{row.warm.seconds:9.1f}{peak:10.0f}{mark}"
        )
    cold, cpu, warm = (
        sum(row.cold.seconds for row in rows),
        sum(row.cold.cpu_seconds for row in rows),
        sum(row.warm.seconds for row in rows),
    )
    return "\n".join([*lines, f"{'total':34}{cold:9.1f}{cpu:12.1f}{warm:9.1f}"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to measure, such as 03; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    rows = []
    try:
        chosen = sources(ROOT, options.names)
    except NotebookError as error:
        parser.error(str(error))
    for source in chosen:
        with tempfile.TemporaryDirectory() as cache:
            rows.append(Row(source.stem, *(measure(learner_edition(source), cache) for _ in range(2))))
        print(f"measured {source.stem}", file=sys.stderr, flush=True)
    limits = {"seconds": MOST_SECONDS, "mib": MOST_MIB}
    report = {"limits": limits, "notebooks": [{**asdict(row), "within_limits": row.within_limits} for row in rows]}
    print(json.dumps(report, indent=1) if options.json else table(rows))
    return int(not all(row.within_limits for row in rows))


if __name__ == "__main__":
    run_command(main)
