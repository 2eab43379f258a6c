"""Answers survive an update of the course: any edits of a learner, any changes of the course."""

import copy
import random

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebook_merge
from tools.cell_ids import is_as_built, number_cells
from tools.notebook_files import Unreadable, dump, give_ids, parse
from tools.notebook_merge import NOTE, is_untouched, merge
from tools.widget_state import STATE, VIEW, states, views


def text(value):
    return new_markdown_cell(value)


def code(value, *tags, printed="course"):
    outputs = [new_output("stream", text=printed)]
    return new_code_cell(value, metadata={"tags": list(tags)} if tags else {}, outputs=outputs, execution_count=1)


def exercise(number, stub):
    task = new_markdown_cell(f"### Exercise {number}", metadata={"tags": ["exercise"]})
    check = code(f'with exercise("{number}") as check:\n    check.true("done", f())', "check")
    return [task, code(stub, "exercise"), check]


def course(*cells):
    cells = [cell for part in cells for cell in (part if isinstance(part, list) else [part])]
    notebook = new_notebook(cells=copy.deepcopy(cells), metadata={"course": {"source": str(len(cells))}})
    number_cells(notebook.cells)
    return notebook


def sources(notebook):
    return [cell.source for cell in notebook.cells]


STUB = "def f(x):\n    ...  # your code here"
ANSWER = "def f(x):\n    return x + 1"


@pytest.fixture
def base():
    return course(text("# One"), code("a = 1"), exercise("1.1", STUB), text("The end"))


@pytest.fixture
def mine(base):
    answered = copy.deepcopy(base)
    answered.cells[3].source = ANSWER
    answered.cells[3].outputs = [new_output("stream", text="mine")]
    return answered


def test_an_answer_stays_and_the_rest_is_new(base, mine):
    new = course(text("# One, better"), code("a = 2"), text("More"), exercise("1.1", STUB), text("The end"))
    merged = merge(base, mine, new)
    assert sources(merged.notebook) == [*sources(new)[:4], ANSWER, *sources(new)[5:]]
    assert merged.notebook.cells[4].outputs[0].text == "mine"
    assert (merged.answers, merged.others, merged.noted) == (1, 0, 0)
    assert merged.notebook.metadata.course == new.metadata.course


def test_a_changed_stub_is_told_below_the_answer_and_only_once(base, mine):
    new = course(text("# One"), code("a = 1"), exercise("1.1", STUB.replace("(x)", "(x, y)")), text("The end"))
    merged = merge(base, mine, new)
    assert merged.noted == merged.answers == 1
    at = sources(merged.notebook).index(ANSWER)
    note = merged.notebook.cells[at + 1]
    assert note.metadata.tags == [NOTE]
    assert "def f(x, y):" in note.source
    assert merged.notebook.cells[at].id == new.cells[3].id
    again = merge(new, merged.notebook, new)
    assert sources(again.notebook) == sources(merged.notebook)
    newest = course(text("# One"), code("a = 1"), exercise("1.1", STUB.replace("(x)", "(x, y, z)")), text("The end"))
    third = merge(new, merged.notebook, newest).notebook
    assert [c.source for c in third.cells if NOTE in c.metadata.get("tags", [])] == [
        notebook_merge.note(newest.cells[3]).source
    ]


def test_a_note_that_the_learner_wrote_into_stays(base, mine):
    new = course(text("# One"), code("a = 1"), exercise("1.1", STUB.replace("(x)", "(x, y)")), text("The end"))
    merged = merge(base, mine, new).notebook
    next(c for c in merged.cells if NOTE in c.metadata.get("tags", [])).source += "\nremember this"
    newest = course(text("# One"), code("a = 1"), exercise("1.1", STUB.replace("(x)", "(x, y, z)")), text("The end"))
    assert any("remember this" in source for source in sources(merge(new, merged, newest).notebook))


def test_an_exercise_is_known_by_its_number_even_if_all_its_text_changed(base, mine):
    new = course(exercise("1.0", "def g():\n    ..."), text("Between"), exercise("1.1", "entirely = None"))
    merged = merge(base, mine, new).notebook
    at = sources(merged).index(ANSWER)
    assert merged.cells[at].id == new.cells[5].id
    assert "entirely = None" in merged.cells[at + 1].source


def test_a_renumbered_exercise_keeps_its_answer(base, mine):
    new = course(exercise("1.1", "def before():\n    ..."), exercise("1.2", STUB))
    merged = merge(base, mine, new).notebook
    assert sources(merged)[4] == ANSWER
    assert "1.2" in sources(merged)[5]


def test_an_answer_to_an_exercise_that_the_course_dropped_stays(base, mine):
    assert sources(merge(base, mine, course(text("# One"), text("The end"))).notebook) == ["# One", ANSWER, "The end"]


def test_cells_that_the_learner_removed_stay_removed_and_added_ones_follow_their_neighbour(base, mine):
    mine.cells[4].source += "\n    print('look')"
    mine.cells.insert(2, new_code_cell("own = 1"))
    del mine.cells[1]
    new = course(text("Preface"), text("# One"), code("a = 1"), exercise("1.1", STUB), text("The new end"))
    merged = merge(base, mine, new)
    expected = ["Preface", "# One", "own = 1", "### Exercise 1.1", ANSWER, mine.cells[4].source, "The new end"]
    assert sources(merged.notebook) == expected
    assert (merged.answers, merged.others) == (1, 2)


def test_a_check_that_saw_no_answer_is_shown_without_a_verdict(base, mine):
    new = course(text("# One"), code("a = 1"), exercise("1.1", STUB), text("The end"))
    new.cells[4].source += "\n    check.true('more', f(1))"
    number_cells(new.cells)
    mine.cells[4].outputs = [new_output("stream", text="1.1: all passed")]
    assert merge(base, mine, new).notebook.cells[4].outputs == []
    assert merge(base, mine, base).notebook.cells[4].outputs[0].text == "1.1: all passed"


def test_ids_that_a_program_dropped_come_back(base, mine):
    for cell in mine.cells:
        del cell["id"]
    mine.nbformat_minor = 4
    give_ids(mine, base)
    assert [cell.id for cell in mine.cells] == [cell.id for cell in base.cells]
    assert not is_as_built(mine.cells[3])
    assert mine.nbformat_minor == 5


def widgets(notebook, cell, name, title):
    """Let a cell show a slider, with a layout of its own."""
    layout = f"{int(name, 16) + 1:032x}"
    cell.outputs = [new_output("display_data", data={VIEW: {"model_id": name, "version_major": 2, "version_minor": 0}})]
    held = {name: {"state": {"title": title, "layout": f"IPY_MODEL_{layout}"}}, layout: {"state": {"width": title}}}
    notebook.metadata.setdefault("widgets", {STATE: {"state": {}, "version_major": 2, "version_minor": 0}})
    notebook.metadata.widgets[STATE]["state"].update(nbformat.from_dict(held))


def test_widgets_of_both_live_on_though_they_had_one_name(base, mine):
    one = f"{1:032x}"
    widgets(mine, mine.cells[3], one, "mine")
    new = course(text("# One"), code("a = 3"), exercise("1.1", STUB), text("The end"))
    widgets(new, new.cells[1], one, "course")
    merged = merge(base, mine, new).notebook
    shown = {cell.source: views(cell) for cell in merged.cells if views(cell)}
    title = {source: states(merged)[view]["state"]["title"] for source, (view,) in shown.items()}
    assert title == {"a = 3": "course", ANSWER: "mine"}
    for source, (view,) in shown.items():
        layout = states(merged)[view]["state"]["layout"].removeprefix("IPY_MODEL_")
        assert states(merged)[layout]["state"]["width"] == title[source]


def test_a_widget_whose_state_was_not_saved_gives_way_to_the_course_s(base, mine):
    new = course(text("# Two"), code("a = 1"), exercise("1.1", STUB), text("The end"))
    widgets(new, new.cells[1], f"{1:032x}", "course")
    widgets(mine, mine.cells[1], "f" * 32, "lost")
    del mine.metadata["widgets"]
    merged = merge(base, mine, new).notebook
    assert views(merged.cells[1]) == {f"{1:032x}"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b'{"cells": [', "cut off"),
        (b'{\n "cells": [\n<<<<<<< HEAD\n', "conflict"),
        (b"[1]", "format 4"),
        (b'{"nbformat": 3, "worksheets": []}', "format 4"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no valid notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}', "no valid notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "odd"}]}', "no valid"),
        (b"\xff\xfe{", "UTF-8"),
        (b"[" * 100_000, "cut off"),
    ],
)
def test_what_is_no_notebook_is_refused_with_a_reason(content, reason):
    with pytest.raises(Unreadable, match=reason):
        parse(content)


# Any edits, any updates

WORDS = ["alpha", "beta", "gamma", "delta"]


class World:
    """A course and a learner who change things by turns; every text that is ever written is new."""

    def __init__(self, chance):
        self.chance, self.count = chance, 0
        self.course = course(
            text(self.fresh("intro")), code(self.fresh("a = ")), exercise("1.1", self.fresh("def f")),
            text(self.fresh("middle")), exercise("1.2", self.fresh("def g")), code(self.fresh("b = ")),
        )  # fmt: skip
        self.mine = copy.deepcopy(self.course)
        self.written = []

    def fresh(self, start):
        self.count += 1
        return f"{start} {' '.join(self.chance.choices(WORDS, k=6))} #{self.count}#"

    def learner_acts(self):
        cells, at = self.mine.cells, self.chance.randrange(len(self.mine.cells) or 1)
        act = self.chance.choice(["answer", "answer", "add", "add", "remove", "move", "copy", "retype"])
        if act == "add" or not cells:
            kind = self.chance.choice([text, code])
            cells.insert(at, kind(self.fresh("own")))
            self.written.append(cells[at].source)
        elif act in ("answer", "retype"):
            self.forget(cells[at].source)
            cells[at].source = cells[at].source.split("#")[0] + self.fresh("mine")
            if act == "retype":
                name = cells[at].id
                cells[at] = text(cells[at].source)
                cells[at].id = name
            self.written.append(cells[at].source)
            if cells[at].cell_type == "code":
                cells[at].outputs = [new_output("stream", text=cells[at].source)]
        elif act == "remove":
            self.forget(cells.pop(at).source)
        elif act == "move":
            cells.insert(self.chance.randrange(len(cells)), cells.pop(at))
        else:
            cells.insert(at, copy.deepcopy(cells[at]))
            give_ids(self.mine, self.course)

    def forget(self, source):
        self.written = [kept for kept in self.written if kept != source]

    def course_changes(self):
        cells, at = self.course.cells, self.chance.randrange(len(self.course.cells))
        act = self.chance.choice(["typo", "typo", "rewrite", "insert", "remove", "move", "exercise"])
        if act == "typo":
            cells[at].source += self.fresh(" and")
        elif act == "rewrite":
            number = cells[at].source.partition("as check")
            cells[at].source = number[0] + number[1] + self.fresh("\n    new") if number[1] else self.fresh("new")
        elif act == "insert":
            cells.insert(at, text(self.fresh("inserted")))
        elif act == "remove" and len(cells) > 2:
            del cells[at]
        elif act == "move":
            cells.insert(self.chance.randrange(len(cells)), cells.pop(at))
        elif act == "exercise":
            cells += exercise(f"1.{self.count}", self.fresh("def h"))
        number_cells(cells)


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32), learner=st.integers(0, 8), changes=st.integers(0, 8), rounds=st.integers(1, 3))
def test_whatever_both_do_nothing_of_the_learner_is_lost_and_the_rest_is_new(seed, learner, changes, rounds):
    world = World(random.Random(seed))
    for _ in range(rounds):
        base = copy.deepcopy(world.course)
        for _ in range(learner):
            world.learner_acts()
        for _ in range(changes):
            world.course_changes()
        before = copy.deepcopy(world.mine)
        merged = merge(base, world.mine, world.course).notebook
        assert world.mine == before
        holds_its_promises(base, before, world.course, merged, world.written)
        assert sources(merge(world.course, merged, world.course).notebook) == sources(merged)
        assert sources(merge(base, merged, world.course).notebook) == sources(
            merged
        )  # stopped before the base was kept
        world.mine = parse(dump(merged))


def holds_its_promises(base, mine, new, merged, written):
    nbformat.validate(merged)
    ids = [cell.id for cell in merged.cells]
    assert len(ids) == len(set(ids))
    texts = sources(merged)
    assert [source for source in written if source not in texts] == []
    printed = {c.source: c.outputs for c in merged.cells if c.cell_type == "code"}
    for cell in mine.cells:
        if cell.source in written and cell.cell_type == "code":
            assert printed[cell.source] == cell.outputs
    old = {cell.id: cell.source for cell in base.cells}
    held = {cell.id: cell.source for cell in mine.cells}
    for cell in new.cells:
        if cell.id not in old or held.get(cell.id) == cell.source:
            assert any(cell.source in source for source in texts), "a new or untouched cell of the course is missing"
    newest = set(sources(new))
    copies = [cell.source for cell in mine.cells if cell.id not in old]
    stale = {old[i] for i in old if held.get(i) == old[i]} - newest - set(copies) - set(written)
    assert stale & set(texts) == set(), "an old version of an untouched cell stayed"


@pytest.mark.parametrize("fault", ["the course's notebook", "the learner's notebook", "no added cells"])
def test_the_promises_are_broken_by_a_merge_that_takes_one_side(fault):
    world = World(random.Random(3))
    base = copy.deepcopy(world.course)
    world.mine.cells.insert(1, text("own words"))
    world.mine.cells[0].source = "mine"
    world.written = ["own words", "mine"]
    world.course.cells[-1].source = "b = 7"
    number_cells(world.course.cells)
    good = merge(base, world.mine, world.course).notebook
    holds_its_promises(base, world.mine, world.course, good, world.written)
    bad = {"the course's notebook": world.course, "the learner's notebook": world.mine}.get(fault, good)
    if bad is good:
        bad.cells = [cell for cell in bad.cells if cell.source != "own words"]
    with pytest.raises(AssertionError):
        holds_its_promises(base, world.mine, world.course, bad, world.written)


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32), learner=st.integers(0, 8), changes=st.integers(0, 8))
def test_without_any_ids_nothing_of_the_learner_is_lost_either(seed, learner, changes):
    world = World(random.Random(seed))
    base = copy.deepcopy(world.course)
    for _ in range(learner):
        world.learner_acts()
    for _ in range(changes):
        world.course_changes()
    for cell in world.mine.cells:
        del cell["id"]
    give_ids(world.mine, base)
    merged = merge(base, world.mine, world.course).notebook
    nbformat.validate(merged)
    assert [source for source in world.written if source not in sources(merged)] == []


def test_an_untouched_copy_is_recognised_whatever_its_outputs(base):
    ran = copy.deepcopy(base)
    ran.cells[1].outputs = [new_output("stream", text="other")]
    assert is_untouched(ran, base)
    ran.cells[0].source += "."
    assert not is_untouched(ran, base)
