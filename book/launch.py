"""The buttons at a chapter's top that start it elsewhere; none where book.yml names no repository."""

from docutils import nodes
from sphinx.application import Sphinx

from tools.repository import Repository


def add_buttons(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """A menu of launch links beside the theme's own buttons, and a link to the repository."""
    found: Repository | None = app.config.course_repository
    if found is None or not page.startswith("notebooks/"):
        return
    starts = [
        {"type": "link", "text": link.name, "tooltip": f"Start this chapter on {link.name}", "icon": link.icon,
         "url": link.url}
        for link in found.links(f"{page}.ipynb")
    ]  # fmt: skip
    group = {"type": "group", "tooltip": "Start this chapter elsewhere", "icon": "fas fa-rocket", "buttons": starts}
    source = {"type": "link", "url": found.address, "tooltip": "The course's repository", "icon": "fas fa-code-branch"}
    context["header_buttons"] += [group | {"label": "launch-buttons"}] * bool(starts)
    context["header_buttons"].append(source | {"label": "source-repository-button"})


def setup(app: Sphinx) -> dict:
    app.add_config_value("course_repository", None, "html", types=(Repository, type(None)))  # a new one: all pages anew
    app.connect("html-page-context", add_buttons, priority=502)  # after the theme has begun its list of buttons
    return {"parallel_read_safe": True}
