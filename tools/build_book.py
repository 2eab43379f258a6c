"""Build the website into build/book/html: `python -m tools.build_book`. Warnings are errors."""

import argparse
import tempfile
from collections.abc import Sequence

from sphinx.cmd.build import build_main

from course_lib.command import run_command
from tools import node
from tools.serve_book import ROOT, SITE

OPTIONS = ["-q", "-W", "--keep-going", "-c", str(ROOT / "book"), "-d", str(SITE.parent / "doctrees")]


def main(arguments: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(prog="tools.build_book", description=(__doc__ or "").split(":")[0]).parse_args(arguments)
    SITE.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=SITE).close()  # where nothing may be written, say it before anything is fetched
    if node.install():
        return 3
    return build_main([*OPTIONS, str(ROOT), str(SITE)])


if __name__ == "__main__":
    run_command(main)
