"""Build the website into build/book/html: `python -m tools.build_book`. Warnings are errors."""

import sys

from sphinx.cmd.build import build_main

from tools import node
from tools.serve_book import ROOT, SITE

OPTIONS = ["-q", "-W", "--keep-going", "-c", str(ROOT / "book"), "-d", str(SITE.parent / "doctrees")]


def main() -> int:
    if node.install():
        return 3
    return build_main([*OPTIONS, str(ROOT), str(SITE)])


if __name__ == "__main__":
    sys.exit(main())
