"""Sphinx configuration of the website. Title, authors and contents come from book.yml; every library is self-hosted."""

import sys
from pathlib import Path, PurePosixPath

import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from vendor import copy_libraries  # noqa: E402

BOOK = yaml.safe_load((ROOT / "book.yml").read_text(encoding="utf-8"))["project"]
BUILD = ROOT / "build" / "book"


def external_toc() -> Path:
    """The table of contents in the form that sphinx-external-toc reads."""

    def stem(entry: dict) -> str:
        return str(PurePosixPath(entry["file"]).with_suffix(""))

    root, *parts = BOOK["toc"]
    toc = {
        "format": "jb-book",
        "root": stem(root),
        "parts": [{"caption": p["title"], "chapters": [{"file": stem(c)} for c in p["children"]]} for p in parts],
    }
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / "toc.yml"
    path.write_text(yaml.safe_dump(toc), encoding="utf-8")
    return path


copy_libraries(BUILD / "static" / "vendor")

project = BOOK["title"]
author = ", ".join(a["name"] for a in BOOK["authors"])
language = "en"
extensions = ["myst_nb", "sphinx_external_toc", "sphinx_design", "sphinx_copybutton", "sphinxcontrib.bibtex"]
external_toc_path = str(external_toc())
include_patterns = ["index.md", "notebooks/*.ipynb", "book/*.md"]
exclude_patterns = ["build", ".venv", "**/node_modules"]
bibtex_bibfiles = ["references.bib"]

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static", str(BUILD / "static")]
html_css_files = ["course.css"]
html_context = {"default_mode": "auto"}
html_theme_options = {"use_download_button": True, "home_page_in_toc": False, "show_toc_level": 2}

nb_execution_mode = "off"
nb_ipywidgets_js = {"vendor/require.js": {}, "vendor-config.js": {}, "vendor/embed-amd.js": {}}
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
mathjax_path = "vendor/mathjax/tex-mml-chtml.js"
mathjax4_config = {
    "loader": {"paths": {"fonts": "[mathjax]/.."}},
    "options": {
        "enableSpeech": False,
        "enableBraille": False,
        "menuOptions": {"settings": {"speech": False, "braille": False, "enrich": False}},
    },
}
