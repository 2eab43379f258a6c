"""Numbers in prose: which need a source, which outputs give it, and that a drifted one is found."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools.prose_numbers import Stated, agrees, require, stated, ties, untied


def texts(markdown, own=()):
    return [number.text for number in stated(markdown, own)]


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("The loss falls to 1.93 nats.", ["1.93"]),
        ("It gains 6 points ± 2 of 1,297 images.", ["6", "1,297"]),
        ("It gains 6.0 ± 2.7 points.", ["6.0", "2.7"]),
        ("Half of them, 50 %, are blank.", ["50"]),
        ("A mean of −164.2 nats", ["−164.2"]),
        ("Three rows of 8 pixels, as in 2016 and in 1998.", []),
        ("See sections 2.4, 2.5 and 3.1, and exercise 2.6.", []),
        ("The plane of 4.8 shows it", ["4.8"]),
        ("Between $0.3$ and `0.4`, [half](https://example.org/0.6), arXiv:1509.00519", []),
        ("## 2.5 A heading\nand 28 × 28 pixels of 5b.2", []),
        ("$$x = 1.5$$ gives 2.5", ["2.5"]),
    ],
)
def test_numbers_that_need_a_source(markdown, found):
    assert texts(markdown) == found


def test_the_chapters_own_sections_are_references_unless_a_unit_follows():
    assert texts("As in 4.8, and by 4.8 nats", own={"4.8"}) == ["4.8"]


@pytest.mark.parametrize(
    ("text", "printed", "share", "good"),
    [
        ("0.24", 0.2449, False, True), ("0.24", 0.2451, False, False), ("164.2", -164.21, False, True),
        ("81.2", 0.8123, True, True), ("81.2", 0.8123, False, False), ("1,297", 1297.0, False, True),
        ("3e-5", 3.1e-5, False, True), ("3e-5", 4e-5, False, False), ("10", 10.4, False, True),
    ],
)  # fmt: skip
def test_a_number_agrees_with_what_is_printed_as_it_is_rounded(text, printed, share, good):
    assert agrees(Stated(text, share=share), printed) is good


def chapter(prose, output, **header):
    text = new_markdown_cell(f"## 9.1 A\n{prose}", metadata=header)
    cell = new_code_cell("x = fit(seed=250)", outputs=[new_output("stream", name="stdout", text=output)])
    return [text, cell, new_markdown_cell("## 9.2 B"), new_code_cell("y", outputs=[])]


def test_a_drifted_number_is_found():
    assert untied(*[chapter("The gap is 0.24 nats.", "gap 0.2412")] * 2) == []
    (problem,) = untied(*[chapter("The gap is 0.24 nats.", "gap 0.2512")] * 2)
    assert "0.24" in problem
    assert "9.1" in problem


def test_a_number_of_another_section_is_no_source_but_a_count_is():
    cells = chapter("", "gap 0.2412")
    cells[2].source += "\nIt was 0.24 nats after 250 steps."
    assert ["0.24" in problem for problem in untied(cells, cells)] == [True]


def test_the_summary_speaks_of_the_whole_chapter():
    cells = chapter("", "gap 0.2412")
    cells[2].source = "## Summary\nThe gap is 0.24 nats."
    assert untied(cells, cells) == []


def test_declared_numbers_are_computed_anew_or_cited():
    cells = chapter("The paper has 1.89, here 0.24.", "", numbers={"1.89": "cited: a paper", "0.24": "gap.mean()"})
    assert untied(cells, cells) == []
    assert ties(cells) == ["require('0.24', gap.mean())"]
    require("0.24", 0.2401)
    with pytest.raises(AssertionError, match=r"the prose says 0\.24, the finished notebook has 0\.3"):
        require("0.24", 0.3)
