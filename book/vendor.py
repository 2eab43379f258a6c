"""Copy the browser libraries from node_modules into a folder that the website serves itself.

usage: python book/vendor.py OUTPUT_FOLDER
"""

import shutil
import sys
from pathlib import Path

NODE = Path(__file__).parent / "node_modules"


def copy_libraries(out: Path) -> None:
    """Everything that the pages load: nothing comes from another server.

    Raises:
        FileNotFoundError: the libraries are not installed; the message names the command.
    """
    if not (NODE / "requirejs").is_dir():
        raise FileNotFoundError("The browser libraries are missing: run `make book`, or `npm ci --ignore-scripts` in book/.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shutil.copy(NODE / "requirejs" / "require.js", out)
    manager = NODE / "@jupyter-widgets" / "html-manager" / "dist"
    for file in [manager / "embed-amd.js", *manager.glob("*.woff2")]:
        shutil.copy(file, out)
    shutil.copytree(NODE / "anywidget" / "dist", out / "anywidget", ignore=shutil.ignore_patterns("types*", "*.map"))
    mathjax, font = NODE / "mathjax", NODE / "@mathjax" / "mathjax-newcm-font"
    shutil.copytree(mathjax / "input" / "tex", out / "mathjax" / "input" / "tex")
    shutil.copytree(mathjax / "ui", out / "mathjax" / "ui")
    shutil.copytree(mathjax / "a11y", out / "mathjax" / "a11y")
    shutil.copy(mathjax / "tex-mml-chtml.js", out / "mathjax")
    shutil.copytree(font / "chtml", out / "mathjax-newcm-font" / "chtml")
    shutil.copy(font / "chtml.js", out / "mathjax-newcm-font")


if __name__ == "__main__":
    copy_libraries(Path(sys.argv[1]))
