"""Sphinx configuration of the website. Title, authors and contents come from book.yml; every library is self-hosted."""

import os
import sys
from pathlib import Path, PurePosixPath

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]

from figures import write_figures  # noqa: E402
from vendor import copy_libraries  # noqa: E402

from tools.repository import repository  # noqa: E402

BOOK = yaml.safe_load((ROOT / "book.yml").read_text(encoding="utf-8"))["project"]
BUILD = ROOT / "build" / "book"


def external_toc() -> Path:
    """The table of contents in the form that sphinx-external-toc reads."""

    def page(entry: dict) -> dict:
        toc = {"file": str(PurePosixPath(entry["file"]).with_suffix(""))}
        return toc | ({"sections": [page(child) for child in entry["children"]]} if "children" in entry else {})

    root, *parts = BOOK["toc"]
    toc = {
        "format": "jb-book",
        "root": page(root)["file"],
        "parts": [{"caption": part["title"], "chapters": [page(c) for c in part["children"]]} for part in parts],
    }
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / "toc.yml"
    path.write_text(yaml.safe_dump(toc), encoding="utf-8")
    return path


copy_libraries(BUILD / "static" / "vendor")
write_figures(BUILD / "static")

project = BOOK["title"]
author = ", ".join(a["name"] for a in BOOK["authors"])
html_show_copyright = False
language = "en"
extensions = [
    "myst_nb", "sphinx_external_toc", "sphinx_design", "sphinx_copybutton", "sphinxcontrib.bibtex",
    "sphinx.ext.autodoc", "sphinx.ext.napoleon", "chapters", "launch", "library", "symbols",
]  # fmt: skip
external_toc_path = str(external_toc())
include_patterns = ["index.md", "notebooks/*.ipynb", "book/*.md", "book/api/*.md"]
exclude_patterns = ["build", ".venv", ".git", "**/node_modules"]
bibtex_bibfiles = ["references.bib"]
templates_path = ["templates"]

course_repository = repository(ROOT)

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "_static/favicon.svg"
html_static_path = ["_static", str(BUILD / "static")]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_sourcelink_suffix = ""
html_additional_pages = {"404": "404.html"}
# Where the site's root will be served, for the one page that is shown under any address.
html_context = {"default_mode": "auto", "site_root": os.environ.get("COURSE_SITE_ROOT", "/")}
html_theme_options = {
    "search_bar_text": "Search the course",
    "navbar_persistent": [],  # the search field stands in the side bar, once
    "use_fullscreen_button": False,
    "extra_footer": "Text under CC BY 4.0, code under the MIT licence.",
}

nb_execution_mode = "off"  # except where a page asks for it: the notebooks come with their outputs
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_ipywidgets_js = {}  # course.js loads what a page needs, after the page is painted
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline", "attrs_block"]
suppress_warnings = ["myst.header"]  # an exercise may start one level deeper than the heading above it

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_custom_sections = [("Numerics", "params_style")]

mathjax_path = "vendor/mathjax/tex-mml-chtml.js"
mathjax4_config = {
    "loader": {"paths": {"fonts": "[mathjax]/.."}},
    "options": {
        "enableSpeech": False,
        "enableBraille": False,
        "menuOptions": {"settings": {"speech": False, "braille": False, "enrich": False}},
    },
}
