"""Progress is kept on this computer alone, and tells what to do next."""

import json

import pytest

from course_lib.exercises import exercise, progress
from course_lib.exercises.progress import passed


@pytest.fixture
def kept(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_PROGRESS")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def folder(tmp_path):
    for name, title, headings in (
        ("01_one", "1 · One", ["### Exercise 1.1 ★ — Add", "### Exercise 1.2 ★★ — Multiply"]),
        ("02_two", "2 · Two", ["### Exercise 2.1 ★★★ — Prove"]),
    ):
        cells = [{"cell_type": "markdown", "source": [f"# {title}\n"]}]
        cells += [{"cell_type": "markdown", "source": f"{heading}\nText"} for heading in headings]
        cells += [{"cell_type": "code", "source": "### Exercise 9.9 — no heading"}]
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "03_damaged.ipynb").write_text("{", encoding="utf-8")
    return tmp_path


def solve(name, got=1.0):
    with exercise(name) as check:
        check.close("one", got, 1.0)


def test_what_was_passed_is_remembered_and_what_failed_is_not(kept, capsys):
    solve("1.2")
    solve("2.1", got=2.0)
    assert passed() == {"1.2"}
    solve("1.2", got=2.0)
    assert passed() == {"1.2"}, "passed once is passed"


def test_the_table_shows_each_chapter_and_what_to_do_next(kept, folder, capsys):
    solve("2.1")
    solve("1.1")
    capsys.readouterr()
    progress(folder)
    first, second, _, last = capsys.readouterr().out.splitlines()
    assert first.split() == ["1", "·", "One", "1", "of", "2", "●○"]
    assert second.split() == ["2", "·", "Two", "1", "of", "1", "●"]
    assert last == "Next: exercise 1.2 ★★ — Multiply, in 01_one.ipynb"
    solve("1.2")
    progress(folder)
    assert capsys.readouterr().out.splitlines()[-1] == "Every exercise is solved."


def test_a_chapter_that_was_begun_comes_before_one_that_was_not(kept, folder, capsys):
    data = json.loads((folder / "02_two.ipynb").read_text(encoding="utf-8"))
    data["cells"].append({"cell_type": "markdown", "source": "### Exercise 2.2 ★ — Recall"})
    (folder / "02_two.ipynb").write_text(json.dumps(data), encoding="utf-8")
    solve("2.1")
    progress(folder)
    assert capsys.readouterr().out.splitlines()[-1] == "Next: exercise 2.2 ★ — Recall, in 02_two.ipynb"


def test_where_nothing_can_be_written_the_check_says_what_it_always_says(monkeypatch, kept, capsys):
    kept.write_text("a file in the folder's place", encoding="utf-8")
    solve("1.1")
    assert "All checks passed." in capsys.readouterr().out
    assert passed() == set()


def test_switched_off_nothing_is_kept(monkeypatch, kept):
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    solve("1.1")
    assert not kept.exists()


def test_a_folder_without_chapters_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no chapter lies in .*progress\('notebooks'\)"):
        progress(tmp_path)
