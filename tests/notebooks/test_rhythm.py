"""The rhythm of the course: short cells, few words between them, questions, exercises, a beginning and an end."""

import re
import statistics

import pytest

from tests.notebooks.sources import cells_of, count_words, each_source, prose, tags
from tools.notebook_source import chapter_number

MOST_WORDS = 90
MOST_CHARACTERS = 79  # more is cut off on the website and beside a file browser
MOST_LINES, USUAL_LINES = 30, 20
EXEMPT = {"box", "derivation", "frame", "exercise", "quiz", "answer"}
TIMINGS = re.compile(r"perf_counter|\btime\.time\(|%time|process_time|\.seconds\b|compile_seconds")


def code_lines(path) -> list[int]:
    """Lines of each code cell that the learner reads; blank lines and checks are not counted."""
    shown = [cell for cell in cells_of(path, "code") if "check" not in tags(cell)]
    return [sum(bool(line.strip()) and "SOLUTION" not in line for line in cell.source.splitlines()) for cell in shown]


def headings(path) -> list[str]:
    return re.findall(r"^#+ .*$", "\n".join(prose(cell.source) for cell in cells_of(path, "markdown")), re.MULTILINE)


def wordy(cells) -> list[str]:
    """Runs of Markdown between two code cells that are too long to read before something happens."""
    found, words, first = [], 0, ""
    for cell in cells:
        if cell.cell_type == "code":
            words, first = 0, ""
        elif not tags(cell) & EXEMPT:
            first = first or cell.source[:60]
            words += count_words(cell.source)
            if words > MOST_WORDS:
                found.append(f"{words} words from {first!r} on")
    return found


@each_source
def test_code_cells_are_short(path):
    lines = sorted(code_lines(path))
    cells = [cell.source.splitlines() for cell in cells_of(path, "code")]
    long = [lines_of[0] for lines_of in cells if len(lines_of) > MOST_LINES]
    assert 3 <= statistics.median(lines) <= 8
    assert lines[int(0.9 * (len(lines) - 1))] <= USUAL_LINES
    assert long == [], "blank lines count as well: a cell must fit the screen"


@each_source
def test_code_lines_fit_beside_a_file_browser(path):
    lines = [line for cell in cells_of(path, "code") for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > MOST_CHARACTERS] == []


@each_source
def test_few_words_stand_between_two_cells(path):
    assert wordy(cells_of(path)[1:]) == []


@each_source
def test_the_first_cell_is_the_title(path):
    first = cells_of(path)[0]
    assert first.cell_type == "markdown"
    assert re.match(rf"# {chapter_number(path)} · \S", first.source)


@each_source
def test_sections_are_numbered_in_order_and_the_end_is_complete(path):
    chapter, found = chapter_number(path), headings(path)
    numbers = [int(m[1]) for heading in found if (m := re.match(rf"## {chapter}\.(\d+) ", heading))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3
    for section in ("Summary", "Exercises", "Sources", "Next"):
        assert any(re.match(rf"##+ .*{section}", heading) for heading in found), section


@each_source
def test_the_learner_meets_a_failure(path):
    assert "What goes wrong" in "\n".join(cell.source for cell in cells_of(path, "markdown"))


def questions_and_answers(cells) -> list[str]:
    """`predict` and `answer` in the order in which a chapter has them; a folded answer is a cell of its own."""
    found = []
    for cell in cells:
        if cell.cell_type == "markdown":
            words = re.findall(r"^\*\*(Predict|Answer)\b", cell.source, re.MULTILINE)
            found += ["answer"] if "answer" in tags(cell) else [word.lower() for word in words]
    return found


@each_source
def test_every_prediction_is_answered(path):
    found = questions_and_answers(cells_of(path))
    assert found
    assert found == ["predict", "answer"] * (len(found) // 2)


def test_an_open_question_is_found():
    from nbformat.v4 import new_markdown_cell

    asked, told = new_markdown_cell("**Predict:** what?"), new_markdown_cell("**Answer.** That.")
    folded = new_markdown_cell("That.", metadata={"tags": ["answer"]})
    assert questions_and_answers([asked, told, asked, folded]) == ["predict", "answer"] * 2
    assert questions_and_answers([asked, asked, told]) == ["predict", "predict", "answer"]


@each_source
def test_every_chapter_asks_what_was_understood(path):
    assert sum("quiz" in tags(cell) for cell in cells_of(path, "markdown")) >= 6


@each_source
def test_there_are_exercises_and_each_is_checked(path):
    checks = [cell for cell in cells_of(path, "code") if "check" in tags(cell)]
    names = [name for cell in checks for name in re.findall(r'exercise\("([^"]+)"\)', cell.source)]
    told = re.findall(r"^#+ Exercise (\S+)", "\n".join(c.source for c in cells_of(path, "markdown")), re.MULTILINE)
    assert len(names) >= (3 if path.stem.startswith("00") else 4)
    assert names == told
    assert all(name.startswith(f"{chapter_number(path)}.") for name in names)
    assert all(re.search(r"check\.(close|true)\(", cell.source) for cell in checks)


KINDS = {"recall", "fill-in", "derivation", "bug hunt", "experiment", "open"}


@each_source
def test_exercises_tell_their_kind_and_give_hints_before_the_failure(path):
    asked = [cell for cell in cells_of(path, "markdown") if re.search(r"^#+ Exercise ", cell.source, re.MULTILINE)]
    for cell in asked:
        heading = re.search(r"^#+ Exercise .*$", cell.source, re.MULTILINE)[0]
        assert re.match(r"#+ Exercise \S+ ★{1,3} — \S", heading), heading
        assert cell.metadata.get("kind") in KINDS, heading
        assert re.search(r"^\*\*Hint\.\*\* ", cell.source, re.MULTILINE), heading


@each_source
def test_alt_texts_say_something(path):
    for cell in cells_of(path, "code"):
        if alt := cell.metadata.get("alt"):
            assert 25 <= len(alt) <= 600, alt
            assert not re.match(r"(?i)(a |an |the )?(figure|image|picture|plot) (of|showing)\b", alt), alt


@each_source
def test_no_timing_is_printed(path):
    """Except where training seconds are a column of the table that compares the families."""
    if path.stem == "06_one_yardstick":
        return
    timed = [cell.source for cell in cells_of(path, "code") if TIMINGS.search(cell.source)]
    assert timed == []


@each_source
def test_nothing_is_left_to_be_done(path):
    assert re.findall(r"\b(?:TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("## A heading\nTwo words.", 2),
        ("The mean $\\mu$ is $$\\frac{a}{b} c d$$ here.", 5),
        ("Call `f(x, y)` [now](https://example.org/a b).", 3),
        ("```python\na b c\n```\none — two", 2),
        ("| a | b |\n|---|---|\n| c | d |", 4),
    ],
)
def test_words_are_counted_as_a_learner_reads_them(markdown, words):
    assert count_words(markdown) == words


def test_a_wall_of_text_is_found():
    from nbformat.v4 import new_code_cell, new_markdown_cell

    wall = new_markdown_cell("word " * 50)
    assert wordy([wall, new_code_cell("x"), wall]) == []
    assert len(wordy([wall, wall, new_code_cell("x")])) == 1
    assert wordy([new_markdown_cell("word " * 99, metadata={"tags": ["derivation"]})]) == []
