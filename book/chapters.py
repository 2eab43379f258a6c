"""What the website adds to a chapter: reading time, boxes and links."""

import base64
import html
import re
from pathlib import Path

import nbformat
from docutils import nodes
from library import in_the_library, kept_in_the_library
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from PIL import Image
from sphinx.application import Sphinx

from tools.lessons import cells_of
from tools.notebook_outputs import STATE, VIEW, smaller, tree

WORDS_A_MINUTE, LINES_A_MINUTE = 150, 20


def prepare(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change the notebook between file and page; the file, and what the download button gives, stay as they are."""
    if not docname.startswith("notebooks/"):
        return
    notebook = nbformat.reads(source[0], as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "install" not in cell.metadata.get("tags", [])]
    widgets = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    facts = f'<p class="course-facts">{facts_of(notebook)}</p>'
    shown: list[str] = []
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = markdown(cell)
            continue
        # The page itself makes a still picture move; no cell need be run.
        cell.outputs = [o for o in cell.outputs if "course-still" not in str(o.get("data", {}).get("text/html", ""))]
        views = [o.data[VIEW]["model_id"] for o in cell.outputs if VIEW in o.get("data", {})]
        shown += [part for view in views for part in tree(view, widgets)]
        if pictures := [o for o in cell.outputs if "image/png" in o.get("metadata", {})]:
            cell.metadata["mystnb"] = {"image": {"alt": pictures[0].metadata["image/png"].get("alt", "")}}
        if cell.metadata.get("library"):
            cells.append(new_markdown_cell(kept_in_the_library(cell)))
    cells[0].source = re.sub(r"(?m)^(# .*)$", rf"\1\n\n{facts}", cells[0].source, count=1)
    notebook.cells = [*cells, new_markdown_cell(in_the_library(docname.removeprefix("notebooks/")))]
    if widgets:
        for entry in widgets.values():  # what figures.js has is not needed on each page
            entry["state"] = {k: v for k, v in entry["state"].items() if k not in ("_esm", "_css")}
        notebook.metadata["widgets"][STATE]["state"] = {k: v for k, v in widgets.items() if k in shown}
    source[0] = nbformat.writes(notebook)


def facts_of(notebook: NotebookNode) -> str:
    """Reading time from words (a formula counts as one) and lines of code; the other times as the chapter says them."""
    text = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    text = re.sub(r"<details.*?</details>", "", text, flags=re.S)
    words = len(re.sub(r"\$\$.*?\$\$|\$.*?\$", " formula ", text, flags=re.S).split())
    lines = sum(c.source.count("\n") + 1 for c in notebook.cells if c.cell_type == "code")
    facts = [f"{5 * max(1, round((words / WORDS_A_MINUTE + lines / LINES_A_MINUTE) / 5))} minutes to read"]
    said = re.search(r"(?m)^\*\*(Running time|Time):\*\* (.+?)\.?$", notebook.cells[0].source)
    work, _, run = said[2].partition("; the code itself runs in ") if said else ("", "", "")
    if said and said[1] == "Running time":
        work, run = "", work
    facts += [f"{work} to work through"] * bool(work) + [f"runs in {run.removeprefix('about ')}"] * bool(run)
    return html.escape(" · ".join(facts))


def markdown(cell: NotebookNode) -> str:
    """Boxes by the cell's tags, questions set off; arXiv numbers and numbers of tagged equations as links."""
    text = re.sub(r"(?<![\w/\[])arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", cell.source)
    text = re.sub(r"(\A|\n\n)(?=\*\*Predict)", r"\1{.course-predict}\n", text)
    text = re.sub(
        r"^(\$\$(?:(?!\$\$).)*\\tag\{([\d.]+)\})", lambda m: f"({equation(m[2])})=\n{m[1]}", text, flags=re.S | re.M
    )
    text = re.sub(r"([Ee]q(?:uation|\.)s?) \((\d+\.\d+)\)", lambda m: f"[{m[1]} ({m[2]})](#{equation(m[2])})", text)
    tags = [t for t in cell.metadata.get("tags", []) if t in ("box", "derivation")]
    if not tags or re.search(r"(?m)^#", text):
        return text
    kind = "erratum" if text.startswith("**Erratum") else tags[0]
    return f"::::::{{container}} course-{kind}\n{text}\n::::::"


def equation(number: str) -> str:
    return f"eq-{number.replace('.', '-')}"


def describe_covers(app: Sphinx, doctree: nodes.document) -> None:
    """A chapter's cover is described as the figure of its cell tagged `cover` is."""
    for image in doctree.findall(nodes.image):
        if image["uri"].startswith("book/covers/"):
            tagged = (
                c["metadata"] for c in cells_of(Path(image["uri"]).stem) if "cover" in c["metadata"].get("tags", [])
            )
            image["alt"] = next(tagged)["alt"]


def outdated(app: Sphinx, *_: object) -> list[str]:
    """The front page shows the chapters' covers and runs the library: it is as old as they are."""
    page = Path(app.outdir) / "index.html"
    parts = [*Path(app.srcdir, "notebooks").glob("*.ipynb"), *Path(app.srcdir, "course_lib", "explorers").rglob("*.*")]
    return ["index"] if page.is_file() and max(p.stat().st_mtime for p in parts) > page.stat().st_mtime else []


def repair_roles(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """For screen readers: folded code is named by the words that it shows, and a list of works holds list items."""
    body = context.get("body", "").replace('<summary aria-label="Toggle hidden content">', "<summary>")
    body = body.replace(' class="sd-card-img-top"', ' class="sd-card-img-top" loading="lazy"')  # far below, all of them
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def drop_icon_script(app: Sphinx, exception: Exception | None) -> None:
    """The theme's script for all icons there are, of which course.css draws the few that pages show."""
    for page in [] if exception else Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if (shorter := re.sub(r"<script defer src=[^>]*/fontawesome\.js[^>]*></script>", "", text)) != text:
            page.write_text(shorter, encoding="utf-8")


def pack_pictures(app: Sphinx, exception: Exception | None) -> None:
    """The pictures that a page made while it was built, as small as those of the notebooks."""
    for path in [] if exception else Path(app.outdir, "_images").glob("*.png"):
        with Image.open(path) as image:
            packed = image.mode == "P"
        if not packed:
            path.write_bytes(base64.b64decode(smaller(base64.b64encode(path.read_bytes()).decode())))


def setup(app: Sphinx) -> dict:
    app.connect("env-get-outdated", outdated)
    app.connect("source-read", prepare)
    app.connect("doctree-read", describe_covers)
    app.connect("html-page-context", repair_roles)
    app.connect("build-finished", drop_icon_script)
    app.connect("build-finished", pack_pictures)
    return {"parallel_read_safe": True}
