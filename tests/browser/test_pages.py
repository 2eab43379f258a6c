"""Every page in a real browser: nothing from elsewhere, no error, accessible in light and dark, also from a folder."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Visit, VisitMaker
from tests.browser.pages import VIEW, chapters, pages, set_theme, settle

AXE = Path(__file__).resolve().parents[2] / "book" / "node_modules" / "axe-core" / "axe.min.js"
# The dark theme changes colours alone, so there the contrast is all that can differ.
RULES = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
RUN_AXE = """async (rules) =>
  (await axe.run(document, {resultTypes: ["violations"], preload: false, ...rules})).violations
  .filter((v) => ["serious", "critical"].includes(v.impact))
  .map((v) => `${v.impact} ${v.id}: ${v.nodes.length} × ` + v.nodes.slice(0, 3)
    .map((n) => n.target + " " + n.html.slice(0, 120)).join(" | "))"""

# What the page looks like on a sheet: things that reach over its edge, code with a hidden end, dark colours.
ON_PAPER = """() => {
  const article = document.querySelector(".bd-article, .bd-article-container");
  const all = [...article.querySelectorAll("*")];
  const edge = article.getBoundingClientRect().right + 2, style = (node) => getComputedStyle(node);
  const beyond = all.filter((e) => e.getBoundingClientRect().right > edge
    && !e.closest("mjx-assistive-mml, .ce-live, .visually-hidden"));
  const cut = all.filter((e) => e.tagName == "PRE" && (style(e).whiteSpace == "pre"
    || e.scrollWidth > e.clientWidth + 1 && style(e).overflowX != "visible"));
  const dark = document.documentElement.dataset.theme != "light" || all.some((e) => e.classList.contains("ce-dark"));
  return { beyond: beyond.slice(0, 5).map((e) => e.outerHTML.slice(0, 120)), cut: cut.length, dark };
}"""


@pytest.fixture(scope="module", params=pages())
def opened(request: pytest.FixtureRequest, address: str, visit: VisitMaker) -> Iterator[Visit]:
    """One page, loaded once for all the tests that look at it."""
    with visit(address + request.param) as seen:
        settle(seen.page)
        yield seen


def test_page_asks_nobody_else_and_makes_no_error(opened: Visit):
    opened.assert_quiet()


def test_formulas_are_set_without_error(opened: Visit):
    raw = opened.page.locator("article .math")
    assert opened.page.locator("article mjx-container").count() >= raw.count()
    assert opened.page.locator("mjx-merror").count() == 0


def test_images_that_widgets_make_have_descriptions_too(opened: Visit):
    without = opened.page.locator("img:not([alt]), img[alt=''], canvas:not([aria-label])")
    assert without.evaluate_all("(all) => all.map((e) => e.outerHTML.slice(0, 200))") == []


def test_page_does_not_scroll_sideways_on_a_phone(opened: Visit):
    opened.page.set_viewport_size({"width": 390, "height": 844})
    wide = opened.page.evaluate("() => document.documentElement.scrollWidth")
    opened.page.set_viewport_size({"width": 1280, "height": 900})
    assert wide <= 390


def test_a_sheet_of_paper_shows_all_of_the_page_in_light_colours(opened: Visit):
    """Printed from the dark theme; the screen shows afterwards what it showed before."""
    page = opened.page
    set_theme(page, "dark")
    page.set_viewport_size({"width": 690, "height": 1000})
    page.emulate_media(media="print")
    try:
        page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
        on_paper = page.evaluate(ON_PAPER)
        page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    finally:
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1280, "height": 900})
    assert on_paper == {"beyond": [], "cut": 0, "dark": False}
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_the_browser_s_own_printing_does_all_that(address: str, visit: VisitMaker):
    """The events come from the browser; and on the screen the same page has dark colours and cut code."""
    with visit(address + "notebooks/05_variational_autoencoder.html") as seen:
        settle(seen.page)
        set_theme(seen.page, "dark")
        seen.page.evaluate(f"() => addEventListener('beforeprint', () => {{ window.printed = ({ON_PAPER})(); }})")
        on_screen = seen.page.evaluate(ON_PAPER)
        seen.page.pdf(format="A4")
        printed = seen.page.evaluate("() => window.printed")
        assert on_screen["dark"]
        assert on_screen["cut"] > 0
        assert not printed["dark"]
        assert seen.page.evaluate(ON_PAPER) == on_screen
        seen.assert_quiet()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Visit, theme: str):
    set_theme(opened.page, theme)
    if not opened.page.evaluate("() => 'axe' in window"):
        opened.page.add_script_tag(path=AXE)
    assert opened.page.evaluate(RUN_AXE, RULES[theme]) == []


def test_axe_does_find_what_is_wrong(address: str, visit: VisitMaker):
    """Negative control: an image without description and grey on grey are found."""
    with visit(address + "404.html") as seen:
        image = "<img src='data:,'><p style='color:#999;background:#aaa'>grey</p>"
        seen.page.evaluate("(html) => document.querySelector('article').insertAdjacentHTML('beforeend', html)", image)
        seen.page.add_script_tag(path=AXE)
        found = " ".join(seen.page.evaluate(RUN_AXE, {}))
    assert "image-alt" in found
    assert "color-contrast" in found


@pytest.mark.parametrize("page", ["index.html", chapters()[-1], "book/api/probability.html"])
def test_page_works_from_a_folder(site: Path, visit: VisitMaker, page: str):
    with visit((site / page).as_uri(), within="file://") as seen:
        settle(seen.page)
        views = seen.page.locator(VIEW).count()
        assert seen.page.locator(".course-explorer").count() >= min(1, views)
        seen.assert_quiet()


def test_search_works_from_a_folder_and_finds_the_bound(site: Path, visit: VisitMaker):
    with visit((site / "search.html").as_uri() + "?q=ELBO", within="file://") as seen:
        seen.page.locator("#search-results a[href*='05_variational']").first.wait_for()
        seen.assert_quiet()


def test_far_blocks_are_skipped_and_a_link_still_lands_on_its_section(address: str, visit: VisitMaker):
    with visit(address + chapters()[-1]) as seen:
        settle(seen.page)
        skipped = "() => [...document.querySelectorAll('.bd-article *')].filter((e) => e.style.contentVisibility)"
        seen.page.wait_for_function(f"({skipped})().length > 50")
        explorers = seen.page.locator(".course-explorer")
        assert explorers.evaluate_all("(all) => all.every((e) => e.checkVisibility({contentVisibilityAuto: true}))")
        inside = f"({skipped})().map((e) => e.firstElementChild).filter((e) => e).at(-1)"
        seen.page.wait_for_function(f"!{inside}.checkVisibility({{contentVisibilityAuto: true}})")
        link = seen.page.locator(".bd-sidebar-secondary a[href^='#']").last
        name = link.get_attribute("href")
        link.click()
        seen.page.wait_for_timeout(700)  # scrolling may be smooth
        top = seen.page.locator(f"section{name}").bounding_box()
        assert top is not None
        at_end = seen.page.evaluate("() => innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
        assert 0 <= top["y"] <= 200 or at_end


def test_solutions_are_folded_and_open(address: str, visit: VisitMaker):
    with visit(address + chapters()[0]) as seen:
        solution = seen.page.locator("details", has=seen.page.locator("summary", has_text="Solution")).first
        code = solution.locator("pre").first
        assert not code.is_visible()
        solution.locator("summary").click()
        assert code.is_visible()
        assert "def " in code.inner_text()


def test_the_theme_button_changes_the_theme_and_the_figures_follow(address: str, visit: VisitMaker):
    with visit(address + "index.html", color_scheme="light") as seen:
        settle(seen.page)
        explorer = seen.page.locator(".course-explorer").first
        assert "ce-dark" not in (explorer.get_attribute("class") or "")
        seen.page.locator(".theme-switch-button").first.click()
        seen.page.locator(".theme-switch-option, [data-mode=dark]").locator("visible=true").first.click()
        explorer.locator("xpath=self::*[contains(@class, 'ce-dark')]").wait_for()


def test_unknown_addresses_get_a_page_whose_links_work(address: str, visit: VisitMaker):
    with visit(address + "no/such/page.html") as seen:
        assert seen.page.locator("article h1").inner_text() == "Page not found"
        assert [f.split()[0] for f in seen.failed] == ["404"]  # the page itself, and nothing that it loads
        links = seen.page.locator("article a").evaluate_all("(all) => all.map((a) => a.href)")
        assert len(links) >= 4
        for link in links:
            assert seen.page.request.get(link).status == 200


def test_figures_need_one_script_and_no_widget_library(address: str, visit: VisitMaker):
    for page, wanted in [("index.html", True), ("book/glossary.html", False)]:
        with visit(address + page) as seen:
            settle(seen.page)
            names = seen.page.evaluate("() => performance.getEntriesByType('resource').map((e) => e.name)")
            assert any("figures.js" in name for name in names) is wanted
            assert not [name for name in names if re.search("embed-amd|anywidget|fontawesome|favicon.ico", name)]
            pictures = seen.page.locator(".cell_output > img")
            assert [picture for picture in pictures.all() if picture.is_visible()] == [], "beside a figure that lives"
