"""Copy the browser libraries from node_modules into a folder that the website serves itself."""

import shutil
from pathlib import Path

HERE = Path(__file__).parent
NODE = HERE / "node_modules"


def copy_libraries(out: Path) -> None:
    """Everything that the pages load: nothing comes from another server. Copies once for each state of the lock file.

    Raises:
        FileNotFoundError: the libraries are not installed; the message names the command.
    """
    lock, stamp = (HERE / "package-lock.json").read_bytes(), out / "package-lock.json"
    if stamp.is_file() and stamp.read_bytes() == lock:
        return
    if not (NODE / ".package-lock.json").is_file():
        raise FileNotFoundError("The browser libraries are missing: run `make book`, which installs them.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shutil.copy(NODE / "requirejs" / "require.js", out)
    manager = NODE / "@jupyter-widgets" / "html-manager" / "dist"
    for file in [manager / "embed-amd.js", *manager.glob("*.woff2")]:
        shutil.copy(file, out)
    shutil.copytree(NODE / "anywidget" / "dist", out / "anywidget", ignore=shutil.ignore_patterns("types*", "*.map"))
    mathjax, font = NODE / "mathjax", NODE / "@mathjax" / "mathjax-newcm-font"
    for folder in ("input/tex", "ui", "a11y"):
        shutil.copytree(mathjax / folder, out / "mathjax" / folder)
    shutil.copy(mathjax / "tex-mml-chtml.js", out / "mathjax")
    shutil.copytree(font / "chtml", out / "mathjax-newcm-font" / "chtml")
    shutil.copy(font / "chtml.js", out / "mathjax-newcm-font")
    stamp.write_bytes(lock)
