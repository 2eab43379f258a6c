r"""Every symbol that a chapter's formulas use stands in book/symbols.yml for that chapter, with one meaning.

A symbol is a letter of a formula, Latin or Greek, or a letter with an accent or in an alphabet of its own: `x`,
`\hat x` and `\mathbf x` are three. Indices, primes and arguments belong to a symbol, and their letters are symbols
themselves. No symbols are: words (`\mathrm{KL}`, `\text{gap}`), operators, functions, relations, brackets, code, the
`d` of a differential `dx`, the number `e` in powers and after π, and π itself after a digit.

What an exercise or a quiz uses is left out on both sides: its letters are defined on the spot and mean nothing
elsewhere. Captions count, for they stand on the page. A word such as `\mathrm{KL}` may be listed, and is then used.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.notebooks.sources import SOURCES, cells_of, prose, tags
from tools.symbols import ALL, ROOT, Symbol, pages, symbols, table

GREEK = (
    "(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|iota|kappa|lambda|mu|nu|xi|pi|varpi|rho|varrho|"
    "sigma|varsigma|tau|upsilon|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|ell)"
    "(?![A-Za-z])"
)
LETTER = rf"\\{GREEK}|[A-Za-z]"
MARKS = "tilde|hat|bar|vec|dot|ddot|check|mathbf|mathcal|mathbb|mathfrak|mathscr|boldsymbol"
MARKED = rf"\\(?:wide)?({MARKS})(?![A-Za-z])\s*(?:\{{\s*({LETTER})\s*\}}|({LETTER}))"
WORD = r"\\(?:mathrm|operatorname\*?)(?![A-Za-z])\s*(?:\{([^{}]*)\}|([A-Za-z]))"
WORDLESS = r"\\(?:text(?:bf|it|rm|tt|color)?|tag|label|begin|end|mathsf)(?![A-Za-z])\s*(?:\{[^{}]*\}|[A-Za-z])"
COMMAND = rf"\\(?!{GREEK})[A-Za-z]+"
NUMBERS = r"(?<![A-Za-z\\_^])d(?=[A-Za-z])|e(?=\s*\^)|(?<=\d)\s*\\pi(?![A-Za-z])(?:\s*e(?![A-Za-z]))?"


def formulas(markdown: str) -> list[str]:
    """What stands between dollars, single or double, outside of code."""
    text = prose(markdown).replace(r"\$", "")
    rest = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    return re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL) + re.findall(r"\$([^$]+)\$", rest)


def words_of(formula: str) -> set[str]:
    r"""Words set upright, as they are written in the list: `\mathrm{KL}`, `\mathrm D`."""
    names = ["".join(pair) for pair in re.findall(WORD, formula)]
    return {rf"\mathrm {name}" if len(name) == 1 else rf"\mathrm{{{name}}}" for name in names}


def symbols_of(formula: str) -> set[str]:
    """The symbols of one formula, each without index and argument, written as in the list."""
    found: set[str] = set()

    def take(marked: re.Match) -> str:
        letter = marked[2] or marked[3]
        found.add(rf"\{marked[1]}{letter if letter.startswith(chr(92)) else f' {letter}'}")
        return " "

    bare = re.sub(MARKED, take, re.sub(WORDLESS, " ", re.sub(WORD, " ", formula)))
    return found | set(re.findall(LETTER, re.sub(NUMBERS, " ", re.sub(COMMAND, " ", bare))))


def texts(cells: Iterable) -> list[str]:
    """The Markdown of a chapter outside of exercises and quizzes, and the captions of its figures."""
    kept = [cell for cell in cells if not tags(cell) & {"exercise", "quiz"}]
    return [cell.source if cell.cell_type == "markdown" else cell.metadata.get("caption", "") for cell in kept]


def used(markdown: Iterable[str]) -> tuple[set[str], set[str]]:
    """Symbols, and words, of all formulas in some texts."""
    every = [formula for text in markdown for formula in formulas(text)]
    return set().union(*map(symbols_of, every)), set().union(*map(words_of, every))


def faults(entries: Iterable[Symbol], chapters: Mapping[str, tuple[set[str], set[str]]]) -> list[str]:
    """What is wrong with a list, given the symbols and the words that each chapter uses."""
    found = []
    for chapter, (letters, words) in chapters.items():
        listed = Counter(entry.symbol for entry in entries if entry.means_in(chapter))
        found += [f"{chapter} uses {s}: book/symbols.yml does not say what it means there" for s in letters - {*listed}]
        found += [
            f"{chapter} does not use {s}, which book/symbols.yml lists for it" for s in {*listed} - letters - words
        ]
        found += [f"{s} has {n} meanings in {chapter}: one entry for each chapter" for s, n in listed.items() if n > 1]
    unknown = {c for entry in entries for c in entry.chapters} - {ALL, *chapters}
    return sorted(found) + [f"there is no chapter {chapter}" for chapter in sorted(unknown)]


@pytest.fixture(scope="module")
def chapters():
    """Read as the builder reads them: where warnings are errors, a caption with a single backslash would be lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {path.stem.split("_")[0]: used(texts(cells_of(path))) for path in SOURCES}


def test_every_symbol_is_listed_once_for_each_chapter_and_used_there(chapters):
    assert faults(symbols(), chapters) == []


def test_meanings_are_short_and_written_as_the_page_shows_them():
    for entry in symbols():
        words = re.sub(r"\$[^$]+\$", "formula", entry.meaning).split()
        assert 0 < len(words) <= 15, entry
        assert entry.meaning.count("$") % 2 == entry.unit.count("$") % 2 == 0, entry
        assert not entry.meaning.endswith("."), entry
        assert "$" not in entry.symbol, entry


def test_the_table_has_a_row_for_each_entry_and_links_to_notebooks():
    lines = table(symbols(), pages()).splitlines()
    assert sum(line.startswith("* - $") for line in lines) == len(symbols())
    linked = set(re.findall(r"\]\(\.\./(notebooks/[^)]+)\)", "\n".join(lines)))
    assert linked == {f"notebooks/{path.stem}.ipynb" for path in SOURCES}
    assert all((ROOT / link).is_file() for link in linked)


def test_the_page_asks_for_the_table_and_has_no_other():
    page = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    assert page.count("```{symbols}\n```") == 1
    assert not re.search(r"(?m)^\|", page)


USES = {"01": ({"x", r"\mu"}, {r"\mathrm{KL}"}), "02a": ({"x"}, set())}
GOOD = [Symbol("x", "data", (ALL,)), Symbol(r"\mu", "mean", ("01",))]


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        (GOOD[:1], r"01 uses \mu"),
        ([*GOOD, Symbol("y", "class", ("02a",))], "02a does not use y"),
        ([*GOOD, Symbol("x", "a point", ("02a",))], "x has 2 meanings in 02a"),
        ([*GOOD, Symbol(r"\mathrm{KL}", "divergence", ("02a",))], r"02a does not use \mathrm{KL}"),
        ([Symbol("x", "data", ("01",)), GOOD[1]], "02a uses x"),
        ([*GOOD, Symbol("x", "data", ("07",))], "there is no chapter 07"),
    ],
)
def test_faults_are_found(entries, fault):
    found = faults(entries, USES)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_a_good_list_passes():
    assert faults([*GOOD, Symbol(r"\mathrm{KL}", "divergence", ("01",))], USES) == []


@pytest.mark.parametrize(
    ("markdown", "letters"),
    [
        (r"$p_\theta(x\mid z_{<t})$ and $$\ln p$$ but `$q$`", {"p", r"\theta", "x", "z", "t"}),
        (r"$\hat{x}$, $\hat x_i$, $\widehat\sigma$", {r"\hat x", "i", r"\hat\sigma"}),
        (
            r"$\mathcal L+\mathbb Ef+\mathbf{w}\cdot\tilde p$",
            {r"\mathcal L", r"\mathbb E", "f", r"\mathbf w", r"\tilde p"},
        ),
        (r"$\mathrm{KL}(q\,\|\,p)+\operatorname*{mean}_{\text{seen}}A^{\mathsf T}\mathrm Dg$", {"q", "p", "A", "g"}),
        (r"$\textcolor{#D55E00}{x_1}\dots\sin a\,\big/\begin{aligned}b\end{aligned}\tag{2.1}$", {"x", "a", "b"}),
        (r"$\int f(z)\,dz=\frac{dx}{dt}\sum_dx_d$, $|dx|$", {"f", "z", "x", "t", "d"}),
        (r"$ae^{-b}+\tfrac12\ln(2\pi e\,v)+\pi_k e_1$", {"a", "b", "v", r"\pi", "k", "e"}),
        (r"it costs \$3 and then $c$", {"c"}),
    ],
)
def test_symbols_are_read_from_formulas(markdown, letters):
    assert used([markdown])[0] == letters


def test_exercises_and_quizzes_are_left_out_and_captions_are_not():
    cells = [new_markdown_cell("$a$"), new_code_cell("1", metadata={"caption": "The $b$."})]
    asked = [new_markdown_cell("$c$", metadata={"tags": [tag]}) for tag in ("exercise", "quiz")]
    assert used(texts([*cells, *asked])) == ({"a", "b"}, set())
