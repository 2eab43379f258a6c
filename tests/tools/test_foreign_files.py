"""Copies that other programs saved, with ids or widgets that no notebook should have: nothing is lost or stopped."""

import copy
import json
import shutil
from difflib import SequenceMatcher

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from tools import cell_pairs, my_notebooks
from tools.cell_ids import number_cells
from tools.my_notebooks import ROOT, update
from tools.notebook_files import dump, give_ids, parse
from tools.notebook_merge import merge
from tools.widget_state import STATE, VIEW

CHAPTER = "02_autoregressive.ipynb"
OTHER = "02c_hidden_bits.ipynb"
OWN = "words of my own"


@pytest.fixture(autouse=True)
def own_list_of_trusted_notebooks(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))


@pytest.fixture
def folders(tmp_path):
    """Two chapters with news for the copies that were made of them."""
    chapters, mine = tmp_path / "notebooks", tmp_path / "mine"
    chapters.mkdir()
    for name in (CHAPTER, OTHER):
        shutil.copy(ROOT / "notebooks" / name, chapters / name)
    update(chapters, mine)
    for path in chapters.iterdir():
        notebook = parse(path.read_bytes())
        notebook.cells[0].source += "\n\nNews."
        number_cells(notebook.cells)
        path.write_bytes(dump(notebook))
    return chapters, mine


def save_as(path, change):
    raw = json.loads(path.read_bytes())
    raw["cells"].insert(3, {"cell_type": "markdown", "id": "own", "metadata": {}, "source": OWN})
    change(raw)
    path.write_text(json.dumps(raw), encoding="utf-8")


def code_cell(raw):
    return next(cell for cell in raw["cells"] if cell["cell_type"] == "code")


def show_widget(raw, data):
    code_cell(raw)["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {VIEW: data}}]


@pytest.mark.parametrize("name", ["W0sZmlsZQ%3D%3D", "two words", "x" * 80, "", "é", None, 7])
def test_a_cell_whose_id_the_format_forbids_is_kept_under_a_new_one(folders, name):
    chapters, mine = folders
    save_as(mine / CHAPTER, lambda raw: raw["cells"][3].update(id=name))
    lines, _ = update(chapters, mine)
    assert lines[0].startswith("02_autoregressive: updated; your 1 other cell kept")
    merged = parse((mine / CHAPTER).read_bytes())
    nbformat.validate(merged)
    assert merged.cells[0].source.endswith("News.")
    assert merged.cells[3].source == OWN


ODD = {
    "widgets that are a list": lambda raw: raw["metadata"].update(widgets=[]),
    "widgets without state": lambda raw: raw["metadata"].update(widgets={STATE: {"state": None}}),
    "a widget state that is a list": lambda raw: raw["metadata"].update(widgets={STATE: []}),
    "a view without a name": lambda raw: show_widget(raw, {}),
    "a view that is a text": lambda raw: show_widget(raw, "slider"),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD.keys())
def test_damaged_widgets_hinder_no_update(folders, change):
    chapters, mine = folders
    save_as(mine / CHAPTER, change)
    lines, _ = update(chapters, mine)
    assert [line.split(";")[0] for line in lines] == ["02_autoregressive: updated", "02c_hidden_bits: updated"]
    assert OWN in [cell.source for cell in parse((mine / CHAPTER).read_bytes()).cells]


UNREADABLE = {
    "no minor version": lambda raw: raw.pop("nbformat_minor"),
    "a minor version in words": lambda raw: raw.update(nbformat_minor="five"),
    "half a letter": lambda raw: raw["cells"][3].update(source="half a letter \ud83d"),
}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_copy_that_cannot_be_written_again_is_told_and_the_others_go_on(folders, change):
    chapters, mine = folders
    save_as(mine / CHAPTER, change)
    before = (mine / CHAPTER).read_bytes()
    lines, complete = update(chapters, mine)
    assert complete
    assert "02_autoregressive: not updated, your file is unchanged: it is no" in lines[0]
    assert lines[1] == "02c_hidden_bits: updated"
    assert (mine / CHAPTER).read_bytes() == before


def test_a_fault_that_nobody_foresaw_stops_one_chapter_alone(folders, monkeypatch):
    chapters, mine = folders
    save_as(mine / CHAPTER, lambda raw: None)
    before = (mine / CHAPTER).read_bytes()

    def fails(*_):
        raise KeyError("unheard of")

    monkeypatch.setattr(my_notebooks, "merge", fails)
    lines, _ = update(chapters, mine)
    assert "02_autoregressive: not updated, your file is unchanged: KeyError('unheard of')" in lines[0]
    assert lines[1] == "02c_hidden_bits: updated"
    assert (mine / CHAPTER).read_bytes() == before


def course(*texts):
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in texts])
    number_cells(notebook.cells)
    return notebook


def merged_texts(base, mine, new):
    give_ids(mine, base)
    return [cell.source for cell in merge(base, mine, new).notebook.cells]


def test_an_untouched_cell_stays_the_course_s_though_a_program_dropped_the_ids():
    base = course("one", "two", "three", "four")
    mine = copy.deepcopy(base)
    mine.cells.insert(1, new_markdown_cell("mine"))
    mine.cells.append(mine.cells.pop(2))
    for cell in mine.cells:
        del cell["id"]
    assert merged_texts(base, mine, course("one", "two and news", "three", "four")) == [
        "one", "mine", "two and news", "three", "four",
    ]  # fmt: skip


def test_of_two_cells_with_one_id_the_untouched_one_is_the_course_s():
    base = course("one", "two", "three")
    mine = copy.deepcopy(base)
    mine.cells.insert(1, new_markdown_cell("mine, begun as a copy of two", id=mine.cells[1].id))
    assert merged_texts(base, mine, course("one", "two and news", "three")) == [
        "one", "mine, begun as a copy of two", "two and news", "three",
    ]  # fmt: skip


def test_a_cell_that_was_cut_out_and_put_back_under_another_id_is_the_course_s():
    base = course("one", "two", "three")
    mine = copy.deepcopy(base)
    mine.cells[1].id = "pasted"
    assert merged_texts(base, mine, course("one", "two and news", "three")) == ["one", "two and news", "three"]


def test_a_second_copy_of_a_cell_that_is_still_there_is_the_learner_s():
    base = course("one", "two", "three")
    mine = copy.deepcopy(base)
    mine.cells.append(new_markdown_cell("two", id="copy"))
    assert merged_texts(base, mine, course("one", "two and news", "three")) == ["one", "two and news", "three", "two"]


def test_cells_that_all_changed_are_paired_without_comparing_each_with_each_letter_by_letter(monkeypatch):
    compared = []

    class Counting(SequenceMatcher):
        def ratio(self):
            compared.append(len(self.a) + len(self.b))
            return super().ratio()

    old = parse((ROOT / "notebooks" / OTHER).read_bytes())
    new = copy.deepcopy(old)
    for cell in new.cells:
        cell.source = cell.source.replace("the", "THE") + "\n#!"
    number_cells(new.cells)
    monkeypatch.setattr(cell_pairs, "SequenceMatcher", Counting)
    found = cell_pairs.successors(old.cells, new.cells, taken=set())
    assert [found[cell.id] for cell in old.cells] == [cell.id for cell in new.cells]
    letters = sum(len(cell.source) for cell in old.cells + new.cells)
    assert 0 < sum(compared) < letters
