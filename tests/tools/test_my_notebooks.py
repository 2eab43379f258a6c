"""The learner's folder: copied once, brought up to date for ever, and nothing in it is lost whatever goes wrong."""

import errno
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_output

from tools import my_notebooks, safe_files
from tools.cell_ids import is_as_built, number_cells
from tools.my_notebooks import ROOT, update
from tools.notebook_files import dump, parse

CHAPTER = "02_autoregressive.ipynb"
OTHER = "02c_hidden_bits.ipynb"
ANSWERS = {
    "second_given_others": "def second_given_others(joint):\n    return joint[:, 1, :] / joint.sum(axis=1)  # é 数",
    "weighted_ensemble": "def weighted_ensemble(log_probs, weights):\n    # half an idea\n    ...",
}


@pytest.fixture(autouse=True)
def own_list_of_trusted_notebooks(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))


@pytest.fixture
def chapters(tmp_path):
    """Two real chapters of the course."""
    folder = tmp_path / "course" / "notebooks"
    folder.mkdir(parents=True)
    for name in (CHAPTER, OTHER):
        shutil.copy(ROOT / "notebooks" / name, folder / name)
    return folder


@pytest.fixture
def mine(chapters, tmp_path):
    """The learner's folder, a first time made."""
    folder = tmp_path / "my notebooks é 数"
    assert update(chapters, folder) == ([f"2 chapters copied to {folder}"], True)
    return folder


def rewrite(path, change):
    """Change the cells of a notebook as a program that saves it would."""
    notebook = parse(path.read_bytes())
    change(notebook)
    path.write_bytes(dump(notebook))


def answer(notebook):
    for cell in notebook.cells:
        for name, text in ANSWERS.items():
            if cell.source.startswith(f"def {name}") and "exercise" in cell.metadata.get("tags", []):
                cell.source, cell.outputs = text, [new_output("stream", text=f"ran {name}")]


def new_edition(notebook, **changes):
    """The course with other words, built as the builder builds it."""
    changes = {"## 2.1 The chain rule": "## 2.1 The rule of the chain", **changes}
    for cell in notebook.cells:
        for old, new in changes.items():
            cell.source = cell.source.replace(old, new)
    number_cells(notebook.cells)


def texts(path):
    return [cell.source for cell in parse(path.read_bytes()).cells]


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_committed_notebooks_bear_the_digests_that_all_this_rests_on():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert all(is_as_built(cell) for cell in parse(path.read_bytes()).cells), path.name


def test_copies_are_the_course_s_own_bytes_and_trusted(chapters, mine):
    for name in (CHAPTER, OTHER):
        assert (mine / name).read_bytes() == (chapters / name).read_bytes()
        notary = NotebookNotary()
        assert notary.check_signature(nbformat.read(mine / name, as_version=4))
        notary.store.close()


def test_jupyterlab_s_server_trusts_a_copy_before_and_after_it_was_answered_saved_and_updated(chapters, mine):
    server = FileContentsManager(root_dir=str(mine))
    model = server.get(CHAPTER)
    answer(model["content"])
    server.save({"type": "notebook", "content": model["content"]}, CHAPTER)  # as Lab saves
    rewrite(chapters / CHAPTER, new_edition)
    update(chapters, mine)
    for name in (CHAPTER, OTHER):
        cells = [cell for cell in server.get(name)["content"].cells if cell.cell_type == "code"]
        assert all(cell.metadata.trusted for cell in cells), name
    assert set(ANSWERS.values()) <= set(texts(mine / CHAPTER))
    untrusted = mine / "own.ipynb"
    shutil.copy(chapters / CHAPTER, untrusted)
    assert not all(c.metadata.trusted for c in server.get("own.ipynb")["content"].cells if c.cell_type == "code")
    server.notary.store.close()


def test_without_news_a_copy_stays_byte_for_byte(chapters, mine):
    rewrite(mine / CHAPTER, answer)
    before = files(mine)
    assert update(chapters, mine) == ([f"2 chapters in {mine} are up to date"], True)
    assert files(mine) == before


def test_an_answered_chapter_before_and_after_an_update(chapters, mine):
    rewrite(mine / CHAPTER, answer)
    rewrite(mine / CHAPTER, lambda notebook: notebook.cells.insert(5, new_code_cell("own = 'a note of mine'")))
    before = (mine / CHAPTER).read_bytes()
    rewrite(chapters / CHAPTER, new_edition)
    lines, complete = update(chapters, mine)
    (backup,) = (mine / "backups").iterdir()
    assert backup.read_bytes() == before
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}_02_autoregressive.ipynb", backup.name)
    kept = "02_autoregressive: updated; your 2 answers and 1 other cell kept; back-up in"
    assert complete
    assert lines == [f"{kept} {mine.name}/backups/{backup.name}"]
    expected = texts(chapters / CHAPTER)
    for text in ANSWERS.values():
        stub = next(i for i, source in enumerate(expected) if source.startswith(text.split("(")[0]))
        expected[stub] = text
    now = texts(mine / CHAPTER)
    assert now.pop(5) == "own = 'a note of mine'"
    assert now == expected
    outputs = [c.outputs[0].text for c in parse((mine / CHAPTER).read_bytes()).cells if c.source in ANSWERS.values()]
    assert outputs == ["ran second_given_others", "ran weighted_ensemble"]
    after = files(mine)
    assert update(chapters, mine)[0] == [f"2 chapters in {mine} are up to date"]
    assert files(mine) == after


def test_a_changed_stub_leaves_the_answer_and_a_note(chapters, mine):
    rewrite(mine / CHAPTER, answer)
    changes = {"def weighted_ensemble(log_probs, weights)": "def weighted_ensemble(log_probs, weights, base)"}
    rewrite(chapters / CHAPTER, lambda notebook: new_edition(notebook, **changes))
    (line,) = update(chapters, mine)[0]
    assert "with a note below 1 of them" in line
    now = texts(mine / CHAPTER)
    at = now.index(ANSWERS["weighted_ensemble"])
    assert "```python\ndef weighted_ensemble(log_probs, weights, base):\n    ...  # your code here" in now[at + 1]


def test_an_untouched_copy_is_replaced_even_if_it_was_run(chapters, mine):
    rewrite(mine / CHAPTER, lambda notebook: notebook.cells[1].outputs.append(new_output("stream", text="ran")))
    rewrite(chapters / CHAPTER, new_edition)
    assert update(chapters, mine)[0] == ["02_autoregressive: updated"]
    assert (mine / CHAPTER).read_bytes() == (chapters / CHAPTER).read_bytes()
    assert not (mine / "backups").exists()


def test_a_deleted_copy_comes_back_and_files_of_one_s_own_stay(chapters, mine):
    (mine / CHAPTER).unlink()
    (mine / "own.ipynb").write_text("{not even a notebook", encoding="utf-8")
    assert update(chapters, mine)[0] == [f"1 chapter copied to {mine}"]
    assert (mine / CHAPTER).read_bytes() == (chapters / CHAPTER).read_bytes()
    assert (mine / "own.ipynb").read_text(encoding="utf-8") == "{not even a notebook"


def test_a_chapter_that_the_course_renamed_stays_as_it_was(chapters, mine):
    rewrite(mine / CHAPTER, answer)
    before = (mine / CHAPTER).read_bytes()
    (chapters / CHAPTER).rename(chapters / "02_chain_rule.ipynb")
    told = "02_autoregressive: no longer in the course; your file stays"
    assert update(chapters, mine)[0] == [f"1 chapter copied to {mine}", told]
    assert (mine / CHAPTER).read_bytes() == before
    assert update(chapters, mine)[0] == [f"2 chapters in {mine} are up to date"]


@pytest.mark.parametrize("damage", [b"", b'{"cells": [', b'{\n<<<<<<< HEAD\n "cells"', b"no notebook"])
@pytest.mark.parametrize("news", [False, True])
def test_a_damaged_copy_is_kept_and_told_and_the_others_go_on(chapters, mine, damage, news):
    (mine / CHAPTER).write_bytes(damage)
    if news:
        rewrite(chapters / CHAPTER, new_edition)
    (mine / OTHER).unlink()
    lines, complete = update(chapters, mine)
    assert complete
    assert (mine / CHAPTER).read_bytes() == damage
    assert (mine / OTHER).exists()
    assert "02_autoregressive: not updated, your file is unchanged: it is" in lines[1] or "conflict marks" in lines[1]
    assert "Mend it, or move it away" in lines[1]


def test_a_damaged_chapter_of_the_course_is_told_and_not_copied(chapters, mine):
    before = (mine / CHAPTER).read_bytes()
    (chapters / CHAPTER).write_bytes(b'{\n<<<<<<< HEAD\n "cells"')
    assert "git checkout notebooks/02_autoregressive.ipynb" in update(chapters, mine)[0][0]
    assert (mine / CHAPTER).read_bytes() == before
    (mine / CHAPTER).unlink()
    assert not update(chapters, mine)[1]
    assert not (mine / CHAPTER).exists()


def test_a_file_of_one_s_own_that_has_a_chapter_s_name_is_kept(chapters, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    own = nbformat.v4.new_notebook(cells=[new_code_cell("mine = 1")])
    (folder / CHAPTER).write_bytes(dump(own))
    before = (folder / CHAPTER).read_bytes()
    assert "it is not a copy of the chapter" in "".join(update(chapters, folder)[0])
    assert (folder / CHAPTER).read_bytes() == before


def test_what_the_copies_were_made_from_may_be_lost(chapters, mine):
    rewrite(mine / CHAPTER, answer)
    shutil.rmtree(mine / ".course")
    rewrite(chapters / CHAPTER, new_edition)
    update(chapters, mine)
    now = texts(mine / CHAPTER)
    assert set(ANSWERS.values()) <= set(now)
    assert len(now) == len(texts(chapters / CHAPTER))
    assert any("## 2.1 The rule of the chain" in source for source in now)


def test_answers_that_were_written_into_the_course_s_own_notebook_outlive_its_renewal(chapters, tmp_path):
    shutil.copy(chapters / CHAPTER, tmp_path / "fresh.ipynb")
    rewrite(chapters / CHAPTER, answer)
    update(chapters, tmp_path / "mine")
    shutil.copy(tmp_path / "fresh.ipynb", chapters / CHAPTER)  # git checkout notebooks
    update(chapters, tmp_path / "mine")
    assert set(ANSWERS.values()) <= set(texts(tmp_path / "mine" / CHAPTER))
    rewrite(chapters / CHAPTER, new_edition)
    update(chapters, tmp_path / "mine")
    assert set(ANSWERS.values()) <= set(texts(tmp_path / "mine" / CHAPTER))


# When something goes wrong in the middle


@pytest.mark.parametrize("write", range(1, 5))
def test_a_disk_that_is_full_at_any_write_loses_nothing_and_the_next_start_goes_on(chapters, mine, monkeypatch, write):
    rewrite(mine / CHAPTER, answer)
    before = (mine / CHAPTER).read_bytes()
    rewrite(chapters / CHAPTER, new_edition)
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) >= write:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(safe_files.os, "fsync", full)
        lines, complete = update(chapters, mine)
    assert complete
    assert len(calls) == min(write, 3)  # the back-up, the copy, what it was made from
    assert ("No space left on device" in lines[0]) == (write <= 3)
    assert set(ANSWERS.values()) <= set(texts(mine / CHAPTER))
    if write <= 2:
        assert (mine / CHAPTER).read_bytes() == before
    assert [path for path in mine.rglob(".*") if path.name != ".course"] == []
    update(chapters, mine)
    now = texts(mine / CHAPTER)
    assert set(ANSWERS.values()) <= set(now)
    assert len(now) == len(texts(chapters / CHAPTER))
    assert (mine / ".course" / CHAPTER).read_bytes() == (chapters / CHAPTER).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_write_that_the_system_refuses_leaves_no_half_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    program = (
        "import resource, sys; from pathlib import Path; from tools.safe_files import write_in_one_step\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); write_in_one_step(Path(sys.argv[1]), b'x' * 2000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_that_is_saved_during_the_merge_is_not_overwritten(chapters, mine, monkeypatch):
    rewrite(mine / CHAPTER, answer)
    rewrite(chapters / CHAPTER, new_edition)

    def saved_now(content, name, folder):
        rewrite(mine / CHAPTER, lambda notebook: notebook.cells.append(new_code_cell("just now")))
        return folder / name

    monkeypatch.setattr(my_notebooks, "back_up", saved_now)
    assert "another program saved it just now" in update(chapters, mine)[0][0]
    assert texts(mine / CHAPTER)[-1] == "just now"


def test_a_folder_that_cannot_be_made_is_told(chapters, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    lines, complete = update(chapters, tmp_path / "file")
    assert not complete
    assert len(lines) == 2
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def test_no_list_of_trusted_notebooks_is_no_error(chapters, tmp_path, monkeypatch):
    (tmp_path / "jupyter").write_text("a file in the way of the folder", encoding="utf-8")
    lines, complete = update(chapters, tmp_path / "mine")
    assert complete
    assert "Trust Notebook" in lines[-1]
    assert (tmp_path / "mine" / CHAPTER).exists()


def test_a_merge_does_not_make_a_foreign_notebook_trusted(chapters, mine):
    rewrite(mine / CHAPTER, answer)
    rewrite(chapters / CHAPTER, new_edition)
    update(chapters, mine)
    notary = NotebookNotary()
    assert not notary.check_signature(nbformat.read(mine / CHAPTER, as_version=4))
    rewrite(chapters / CHAPTER, lambda notebook: new_edition(notebook, **{"rule of the chain": "chain rule again"}))
    notary.sign(nbformat.read(mine / CHAPTER, as_version=4))  # as Lab does when a trusted notebook is saved
    notary.store.close()
    update(chapters, mine)
    notary = NotebookNotary()
    assert notary.check_signature(nbformat.read(mine / CHAPTER, as_version=4))
    notary.store.close()


# The folder as part of the project


def test_the_command_copies_every_chapter_and_says_so_in_any_terminal(tmp_path):
    to = tmp_path / "é 数"
    command = [sys.executable, "-m", "tools.my_notebooks", "--to", str(to)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    names = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert done.stdout.startswith(f"{len(names)} chapters copied to")
    assert sorted(path.name for path in to.glob("*.ipynb")) == names


def test_the_command_needs_nothing_that_a_learner_has_not():
    program = "import sys, tools.my_notebooks; print({'jupytext', 'nbclient', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_git_ignores_the_learner_s_folder():
    for path in ("my_notebooks/02_autoregressive.ipynb", "my_notebooks/.course/x.ipynb", "my_notebooks/backups/x"):
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0
    tracked = ["git", "check-ignore", "-q", "notebooks/02_autoregressive.ipynb"]
    assert subprocess.run(tracked, cwd=ROOT, check=False).returncode == 1


def test_links_in_the_chapters_lead_to_the_same_place_from_the_learner_s_folder():
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    seen = set()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in parse(path.read_bytes()).cells:
            if cell.cell_type == "markdown":
                prose = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", "", cell.source, flags=re.DOTALL)
                seen |= {link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if ":" not in link and link[0] != "#"}
                assert not re.search(r"(?:src|href)=[\"'](?!https?:|#)", prose), path.name
    assert "01_introduction.ipynb" in seen
    assert {link.split("#")[0] for link in seen} <= names
