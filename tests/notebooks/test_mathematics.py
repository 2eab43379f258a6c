"""Formulas that MathJax can set: every dollar, brace and environment closed, every macro known."""

import re

import pytest

from tests.notebooks.sources import cells_of, each_source, prose

MACROS = """
alpha approx arg bar begin beta Big big bigg Bigg biggl biggr Bigl bigl bigoplus bigotimes Bigr bigr
binom blacksquare bmod boldsymbol boxed bullet cap cases cdot cdots cfrac chi circ colon color cong cos
cosh cup dagger ddot ddots delta Delta det dfrac dim displaystyle div dot dots downarrow ell emptyset end epsilon
equiv eta exists exp forall frac gamma Gamma ge geq gets gg gtrsim hat hbar hline hphantom hspace iff iint Im
implies in inf infty int kappa lambda Lambda land langle lbrace lbrack lceil ldots le left leftarrow leftrightarrow
leftrightarrows leq lesssim lfloor lg lim liminf limits limsup ll ln log longleftarrow Longleftrightarrow longmapsto
longrightarrow Longrightarrow lor lvert lVert mapsto mathbb mathbf mathbin mathcal mathit mathop mathrel mathrm
mathsf max mid middle min mp mu nabla ne neg neq nolimits not notin nu odot oint omega Omega operatorname oplus
otimes overbrace overline overrightarrow overset parallel partial perp phantom phi Phi pi Pi pm Pr prec prod propto
psi Psi qquad quad rangle rbrace rbrack rceil Re rfloor rho right rightarrow Rightarrow rightleftarrows
rightleftharpoons rvert rVert setminus sharp sigma Sigma sim simeq sin sinh smash sqrt square star subset
subseteq substack succ sum sup supset tag tan tanh tau text textbf textcolor textit textrm textstyle tfrac Theta
theta tilde times to top triangleq underbrace underline underset uparrow updownarrow upsilon varepsilon varnothing
varphi vartheta vdots vec vee vert Vert vphantom wedge widehat widetilde xi Xi xleftarrow xrightarrow zeta
"""
SINGLE = re.compile(r'(?<!\\)(?:\\\\)*\\(?![\\"])')
KNOWN = frozenset(re.findall(r"\w+", MACROS))


def problems(markdown: str) -> list[str]:
    """What is wrong with the formulas of one Markdown cell."""
    text = prose(markdown).replace(r"\$", "")
    displayed = re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL)
    rest = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    inline = re.findall(r"\$([^$]*)\$", rest)
    found = [] if rest.count("$") % 2 == 0 else ["a dollar is not closed"]
    found += [f"a formula spans paragraphs: {f[:40]}" for f in inline if "\n\n" in f]
    found += [f"spaces inside the dollars: ${f}$" for f in inline if f != f.strip()]
    for formula in displayed + inline:
        bare = re.sub(r"\\[{}\\]", "", formula)
        if bare.count("{") != bare.count("}"):
            found.append(f"braces do not match: {formula[:60]}")
        if len(re.findall(r"\\left\b", formula)) != len(re.findall(r"\\right\b", formula)):
            found.append(f"\\left and \\right do not match: {formula[:60]}")
        if sorted(re.findall(r"\\begin{(.*?)}", formula)) != sorted(re.findall(r"\\end{(.*?)}", formula)):
            found.append(f"an environment is not closed: {formula[:60]}")
        unknown = set(re.findall(r"\\([A-Za-z]+)", formula)) - KNOWN
        found += [f"unknown macro \\{name}" for name in sorted(unknown)]
    return found


@each_source
def test_formulas_can_be_set(path):
    found = [f"{cell.source[:40]!r}: {p}" for cell in cells_of(path, "markdown") for p in problems(cell.source)]
    assert found == []


@pytest.mark.parametrize(
    ("markdown", "problem"),
    [
        ("The mean $\\mu is", "not closed"),
        ("$$\\frac{a}{b$$", "braces"),
        ("$\\left( a )$", "left"),
        ("$$\\begin{aligned} a$$", "environment"),
        ("$\\KL$", "unknown macro \\KL"),
        ("$ a$", "spaces inside"),
        ("one $a\n\nb$ two", "spans paragraphs"),
    ],
)
def test_faults_are_found(markdown, problem):
    assert any(problem in found for found in problems(markdown))


def test_good_formulas_pass():
    good = "For $x_{1}$ and `cost = $5` and \\$3: $$\\begin{aligned}\\left\\{ a \\right\\} &\\\\ b\\end{aligned}$$"
    assert problems(good) == []


def single_backslashes(text: str) -> list[str]:
    """Cell headers with one backslash where two are due: `\\nabla` would become a new line and "abla"."""
    found = [SINGLE.search(line) for line in text.splitlines() if line.startswith("# %%")]
    return [match.string[match.start() :][:40] for match in found if match]


@each_source
def test_backslashes_in_headers_are_written_twice(path):
    assert single_backslashes(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("caption", "count"), [(r"$\mu$", 1), (r"$\\mu$", 0), (r"a \"word\"", 0), (r"\n", 1)])
def test_a_single_backslash_is_found(caption, count):
    assert len(single_backslashes(f'# %% caption="{caption}"')) == count
