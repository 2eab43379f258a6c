"""Which pages the website has, and what a page must have finished before it is looked at."""

import json
from pathlib import Path

import yaml
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]'


def files_of_contents() -> list[str]:
    """Every file in the table of contents, in order."""

    def below(entry: dict) -> list[str]:
        own = [entry["file"]] if "file" in entry else []
        return own + [name for child in entry.get("children", []) for name in below(child)]

    contents = yaml.safe_load((ROOT / "book.yml").read_text(encoding="utf-8"))["project"]["toc"]
    return [name for entry in contents for name in below(entry)]


def pages() -> list[str]:
    """Addresses of all pages, relative to the site's root."""
    return [str(Path(name).with_suffix(".html")) for name in files_of_contents()] + [
        "search.html", "genindex.html", "404.html",
    ]  # fmt: skip


def chapters() -> list[str]:
    return [page for page in pages() if page.startswith("notebooks/")]


def notebook_of(page: str) -> dict:
    return json.loads((ROOT / page).with_suffix(".ipynb").read_text(encoding="utf-8"))


def settle(page: Page) -> None:
    """Wait until formulas are set and every widget is drawn."""
    page.wait_for_load_state("load")
    page.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }")
    page.wait_for_function(
        f"""() => [...document.querySelectorAll('{VIEW}')].every((script) =>
            script.parentElement.querySelector('.course-explorer, .course-live, .lm-Widget, .p-Widget'))""",
        timeout=30_000,
    )


def set_theme(page: Page, theme: str) -> None:
    """Light or dark, as the theme's button sets it, after the colours have stopped moving."""
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 350)))")
