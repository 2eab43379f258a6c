"""Does the course start on a fresh machine? The README's commands in bare Debian roots, by root and an ordinary user.

A root holds Debian's smallest system and what the README asks of a person (python3, python3-venv, make), beside git
and the certificates of the web. Root gets the committed files as from a downloaded archive, the ordinary user a clone;
both have homes of their own without any cache. It takes root's rights and debootstrap; what the commands printed is
in build/fresh.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.command import run_command
from tools.fresh.roots import PEOPLE, SUITES, CannotMakeRoots, Root, base, check_machine
from tools.fresh.trial import Failed, bring_course, perform

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "build" / "fresh"
LAB = 'make lab LAB_ARGS="--no-browser --port {port}"'
DOCTOR = "make doctor"
LAB_WITHOUT_MAKE = "python3 course.py lab --no-browser --port {port}"
TESTS = "make test-code"
NOTEBOOKS = "make test-notebooks ARGS=\"-k '00_start_here or 02c_hidden_bits'\""


@dataclass(frozen=True)
class Row:
    """One command of one person."""

    suite: str
    python: str
    who: str
    what: str
    result: str = "not run"
    seconds: float = 0.0
    note: str = ""


def commands(who: str, quick: bool) -> list[str]:
    """What a person runs, in this order. The first finds nothing set up; the third, everything."""
    longer = [] if quick or who == "root" else [TESTS, NOTEBOOKS]
    return [LAB, DOCTOR, LAB_WITHOUT_MAKE, *longer]


def table(rows: list[Row]) -> str:
    """The rows as text, columns aligned."""
    heads = ("suite", "Python", "who", "what ran", "result", "seconds", "seen")
    lines = [(r.suite, r.python, r.who, r.what, r.result, f"{r.seconds:.0f}", r.note) for r in rows]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    lines = [heads, tuple("-" * width for width in widths), *lines]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def trial(root: Root, suite: str, who: str, commit: str, quick: bool) -> Iterator[Row]:
    """Each command of a person. After a failed set-up the others are not run: they would fail for the same reason."""
    python = root.output("python3 --version").removeprefix("Python ")
    bring_course(root, who, ROOT, commit)
    for number, command in enumerate(commands(who, quick)):
        row = Row(suite, python, who, command.replace("{port}", "…"))
        begun = time.monotonic()
        try:
            note = perform(root, who, command, LOGS / f"{suite}-{who}-{number}.log")
            yield replace(row, result="passed", seconds=time.monotonic() - begun, note=note)
        except Failed as reason:
            yield replace(row, result="FAILED", seconds=time.monotonic() - begun, note=str(reason))
            if command == LAB:
                yield from (Row(suite, python, who, left.replace("{port}", "…")) for left in commands(who, quick)[1:])
                return


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make test-fresh", description=__doc__.partition("\n")[0])
    parser.add_argument("--suites", nargs="+", choices=list(SUITES), default=list(SUITES))
    parser.add_argument("--root", type=Path, help="folder in which the bare roots are kept for the next time")
    parser.add_argument("--commit", default="HEAD", help="what is tried (HEAD)")
    parser.add_argument("--quick", action="store_true", help="start the course alone; no tests, no notebooks")
    parser.add_argument("--keep", action="store_true", help="leave the roots in which it was tried")
    options = parser.parse_args(arguments)
    if options.root and options.root.exists() and not options.root.is_dir():
        parser.error(f"--root: {options.root} is no folder.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="course-fresh-") as passing:
        folder = options.root or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        LOGS.mkdir(parents=True, exist_ok=True)
        try:
            check_machine()
            try:
                commit = git("rev-parse", "--verify", f"{options.commit}^{{commit}}")
            except subprocess.CalledProcessError:
                parser.error(f"--commit: this repository has no commit {options.commit!r}.")
            print(f"Commit {commit[:7]}" + (", without what is not committed yet" if git("status", "-s") else ""))
            for suite in options.suites:
                print(f"{suite}: a bare root", flush=True)
                with Root(base(suite, folder), options.keep) as root:
                    for who in PEOPLE:
                        for row in trial(root, suite, who, commit, options.quick):
                            rows.append(row)
                            print(f"{suite}, {who}: {row.what}: {row.result}, {row.seconds:.0f} s", flush=True)
        except CannotMakeRoots as reason:
            print(reason, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Interrupted; no root's mount or process is left.", file=sys.stderr)
            return 130
        finally:
            if rows:
                print("\n" + table(rows))
                (LOGS / "table.txt").write_text(table(rows) + "\n", encoding="utf-8")
    return 0 if all(row.result == "passed" for row in rows) else 1


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.strip()


if __name__ == "__main__":
    run_command(main)
