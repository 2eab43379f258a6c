"""What the pages need to show the course's own figures: one script, which the browser keeps, and no widget library."""

import json
from pathlib import Path

from course_lib.explorers import Explorer
from course_lib.explorers.live import LiveTraining

KINDS = {"explorer": Explorer, "live": LiveTraining}  # by these names course.js finds what draws a figure


def write_figures(folder: Path) -> None:
    """Write `figures.js`. It is no module: from a folder, a browser loads none."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = ", ".join(f"{name}: (() => {{\n{as_function(kind.module)}\n}})()" for name, kind in KINDS.items())
    styles = json.dumps("\n".join(kind._css for kind in KINDS.values()))
    text = f"""window.courseFigures = {{ {draw} }};
document.head.append(Object.assign(document.createElement("style"), {{ textContent: {styles} }}));
"""
    path = folder / "figures.js"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def as_function(module: str) -> str:
    """A module's text as the body of a function that returns its `render`."""
    return module.replace("export default { render };", "return render;").replace("export ", "")
