"""The builder: stubs and solutions, the same bytes every time, stale notebooks found, bad outputs refused."""

import base64
import io
import json
import shutil

import nbformat
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import build_notebooks, notebook_digest, notebook_source
from tools.build_notebooks import check, learner_path, main, trial_path
from tools.notebook_outputs import STATE, VIEW, clean
from tools.notebook_source import NotebookError, learner_edition, trial_edition

TINY = '''# %% [markdown]
# # 98 · Tiny

# %%
import ipywidgets as widgets
import matplotlib.pyplot as plt
from tqdm.auto import tqdm

from course_lib.exercises import exercise

# %%
for _ in tqdm(range(3)):
    print("step")

# %% alt="A straight line from 0 to 1."
fig, ax = plt.subplots()
line = ax.plot([0, 1])

# %% alt="A straight line whose end moves with the slider."
@widgets.interact(a=(0.0, 1.0))
def draw(a=0.5):
    plt.plot([0, a])
    plt.show()

# %% [markdown] tags=["exercise"]
# ### Exercise 98.1 — Next

# %% tags=["exercise"]
def successor(x):
    """One more."""
    ### BEGIN SOLUTION
    step = 1
    return x + step
    ### END SOLUTION

# %% tags=["check"]
with exercise("98.1") as check:
    check.close("after 1 comes 2", successor(1), 2)
'''


@pytest.fixture
def project(tmp_path):
    """A project of one small notebook, with its own copy of what the notebook imports."""
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "notebooks" / "source" / "98_tiny.py").write_text(TINY, encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("jax==1\n", encoding="utf-8")
    shutil.copytree(notebook_digest.ROOT / "course_lib" / "exercises", tmp_path / "course_lib" / "exercises")
    (tmp_path / "course_lib" / "__init__.py").write_text('"""A package."""\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def built(project, tmp_path_factory):
    """The same project, built once for the whole module."""
    cache = tmp_path_factory.getbasetemp() / "98_tiny.ipynb"
    if not cache.exists():
        assert main([], project) == 0
        shutil.copy(learner_path(tiny(project), project), cache)
    shutil.copy(cache, learner_path(tiny(project), project))
    return project


def tiny(root):
    return root / "notebooks" / "source" / "98_tiny.py"


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# Two editions from one source


def test_the_learner_edition_has_a_stub_and_a_collapsed_solution(project):
    cells = learner_edition(tiny(project)).cells
    assert cells[-3].source == 'def successor(x):\n    """One more."""\n    ...  # your code here'
    assert cells[-1].cell_type == "markdown"
    assert cells[-1].source.startswith("<details>\n<summary>Solution</summary>\n\n```python\ndef successor(x):")
    assert "    step = 1\n    return x + step\n```\n\n</details>" in cells[-1].source
    assert not any("SOLUTION" in cell.source for cell in cells)


def test_the_trial_edition_is_the_learner_edition_and_then_its_exercises(project):
    """Top to bottom with stubs, as a learner reads it; after the last cell the solutions, and each cell once more."""
    learner, trial = learner_edition(tiny(project)).cells, trial_edition(tiny(project)).cells
    assert trial[0].source.endswith("watch()")
    assert [(c.cell_type, c.source, c.id) for c in trial[1 : len(learner) + 1]] == [
        (c.cell_type, c.source, c.id) for c in learner
    ]
    solution, check, final, *again = trial[len(learner) + 1 :]
    assert solution.source.endswith("    step = 1\n    return x + step")
    assert check.source == learner[-2].source
    assert final.source.endswith("require_all_passed()")
    assert [cell.source for cell in again] == [f"run_again({n})" for n in (1, 2, 3, 4, 7, 8)]
    assert not any("SOLUTION" in cell.source for cell in trial)


def test_the_trial_edition_has_the_outputs_that_were_saved(built):
    assert main(["--trial"], built) == 0
    learner, trial = (nbformat.read(p(tiny(built), built), as_version=4) for p in (learner_path, trial_path))
    outputs = [cell.outputs for cell in learner.cells if cell.cell_type == "code"]
    compared = [cell.outputs for cell in trial.cells if cell.cell_type == "code"]
    assert compared[1 : len(outputs) + 1] == outputs
    assert not any(compared[len(outputs) + 1 :])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    ### BEGIN SOLUTION\n", "", "do not alternate"),
        ("    ### END SOLUTION\n", "", "is missing"),
        ('tags=["check"]', "", "no check follows"),
        ("### BEGIN SOLUTION\n    step = 1", "step = 1\n    ### BEGIN SOLUTION\n    ### BEGIN SOLUTION", "alternate"),
        ("def successor(x):\n", "def successor(x:\n", "was never closed"),
        ("# %% [markdown] tags", "# %%\n\n# %% [markdown] tags", "empty cell"),
        ("    ### BEGIN SOLUTION\n    step = 1\n", "", "do not alternate"),
    ],
)
def test_a_wrong_source_is_refused(project, old, new, message, capsys):
    edit(tiny(project), old, new)
    assert main(["--check"], project) == main([], project) == 1
    printed = capsys.readouterr()
    assert "98_tiny: " in printed.out
    assert "98_tiny: " in printed.err
    assert not trial_path(tiny(project), project).exists() or message == "no check follows"
    with pytest.raises(NotebookError, match=message):
        learner_edition(tiny(project))


def test_a_check_without_a_solution_is_refused(project):
    text = (
        tiny(project)
        .read_text(encoding="utf-8")
        .replace("    ### BEGIN SOLUTION\n", "")
        .replace("    ### END SOLUTION\n", "")
    )
    tiny(project).write_text(text, encoding="utf-8")
    with pytest.raises(NotebookError, match="no marked solution"):
        learner_edition(tiny(project))


def test_cell_ids_follow_the_text_not_the_place(project):
    before = [cell.id for cell in learner_edition(tiny(project)).cells]
    edit(tiny(project), "# %%\nfor", "# %%\n1 + 1\n\n# %%\n1 + 1\n\n# %%\nfor")
    after = [cell.id for cell in learner_edition(tiny(project)).cells]
    assert len(set(after)) == len(after) == len(before) + 2
    assert set(before) < set(after)


# A build in a real kernel


def test_two_builds_give_the_same_bytes(built):
    first = learner_path(tiny(built), built).read_bytes()
    assert main(["--force"], built) == 0
    assert learner_path(tiny(built), built).read_bytes() == first
    assert first.endswith(b"}\n")


def test_outputs_are_kept_with_alt_text_and_without_progress_bars(built):
    notebook = nbformat.read(learner_path(tiny(built), built), as_version=4)
    steps, figure, slider = (cell.outputs for cell in notebook.cells[2:5])
    assert [o.output_type for o in steps] == ["stream"]
    assert steps[0].text == "step\n" * 3
    assert figure[0].metadata["image/png"]["alt"] == "A straight line from 0 to 1."
    state = notebook.metadata.widgets[STATE]["state"]
    assert slider[0].data[VIEW]["model_id"] == f"{1:032x}"
    assert sorted(state) == [f"{i:032x}" for i in range(1, len(state) + 1)]
    assert not any(model["model_name"] == "FloatProgressModel" for model in state.values())
    moving = [o for model in state.values() for o in model["state"].get("outputs", [])]
    assert [o["metadata"]["image/png"]["alt"] for o in moving] == ["A straight line whose end moves with the slider."]
    assert "not attempted yet" in notebook.cells[-2].outputs[0].text
    assert "version" not in notebook.metadata.language_info


def test_nothing_is_built_twice(built, monkeypatch):
    monkeypatch.setattr(build_notebooks, "execute", lambda *_: pytest.fail("built again"))
    assert main([], built) == 0
    assert main(["--check"], built) == 0


def test_an_error_names_notebook_cell_and_exception_and_leaves_the_old_file(built, capsys):
    before = learner_path(tiny(built), built).read_bytes()
    edit(tiny(built), 'print("step")', 'raise ValueError("no such luck")')
    assert main(["98"], built) == 1
    text = capsys.readouterr()
    assert "98_tiny: cell 3 (for _ in tqdm(range(3)):) raised" in text.err
    assert "ValueError: no such luck" in text.err
    assert "Not built: 98_tiny" in text.out
    assert learner_path(tiny(built), built).read_bytes() == before
    assert [p.name for p in (built / "notebooks").iterdir() if p.is_file()] == ["98_tiny.ipynb"]


def test_a_write_that_fails_leaves_the_old_file(built, monkeypatch):
    path = learner_path(tiny(built), built)
    before = path.read_bytes()
    monkeypatch.setattr(build_notebooks.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        build_notebooks.write(learner_edition(tiny(built)), path)
    assert path.read_bytes() == before
    assert list(path.parent.glob(".*")) == []


# What somebody wrote into a built notebook


def backups(project):
    return sorted((project / "my_notebooks" / "backups").glob("*"))


def build_again(project, monkeypatch):
    monkeypatch.setattr(build_notebooks, "execute", lambda *_: None)
    monkeypatch.setattr(build_notebooks, "clean", lambda *_: None)
    return main(["--force"], project)


def answer_first(notebook):
    notebook.cells[-3].source = "def successor(x):\n    return x + 1  # mine"


@pytest.mark.parametrize(
    "write",
    [
        answer_first,
        lambda notebook: notebook.cells.append(new_code_cell("own = 1")),
        lambda notebook: notebook.cells[0].update(source="# My title"),
    ],
    ids=["an answer", "an added cell", "changed words"],
)
def test_what_was_written_by_hand_is_kept_before_it_is_overwritten(built, monkeypatch, capsys, write):
    path = learner_path(tiny(built), built)
    notebook = nbformat.read(path, as_version=4)
    write(notebook)
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert build_again(built, monkeypatch) == 0
    (backup,) = backups(built)
    assert backup.read_bytes() == before
    assert backup.name.endswith("_98_tiny.ipynb")
    kept = f"98_tiny: it was edited by hand; that version is in my_notebooks/backups/{backup.name}"
    assert kept in capsys.readouterr().out.replace("\\", "/")
    assert "your code here" in path.read_text(encoding="utf-8")
    assert build_again(built, monkeypatch) == 0
    assert backups(built) == [backup]


def test_a_notebook_that_can_no_longer_be_read_is_kept_too(built, monkeypatch):
    path = learner_path(tiny(built), built)
    path.write_text("{ <<<<<<< ", encoding="utf-8")
    assert build_again(built, monkeypatch) == 0
    assert [backup.read_text(encoding="utf-8") for backup in backups(built)] == ["{ <<<<<<< "]


def test_outputs_and_counts_alone_are_no_edits(built, monkeypatch):
    path = learner_path(tiny(built), built)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].outputs = [new_output("stream", text="mine")]
    notebook.cells[2].execution_count = 77
    nbformat.write(notebook, path)
    assert build_again(built, monkeypatch) == 0
    assert backups(built) == []


def test_what_cannot_be_kept_is_not_overwritten(built, monkeypatch, capsys):
    path = learner_path(tiny(built), built)
    notebook = nbformat.read(path, as_version=4)
    answer_first(notebook)
    nbformat.write(notebook, path)
    before = path.read_bytes()
    (built / "my_notebooks").write_text("a file in the way of the folder", encoding="utf-8")
    assert build_again(built, monkeypatch) == 1
    assert "edited by hand and stays: no back-up can be written" in capsys.readouterr().err
    assert path.read_bytes() == before


# What is stale


def stale(project):
    return " | ".join(check(build_notebooks.sources(project), project))


def test_a_changed_source_is_stale(built):
    edit(tiny(built), "# # 98 · Tiny", "# # 98 · Small")
    assert stale(built) == "98_tiny: its source changed | 98_tiny: its cells differ from those of its source"


def test_a_changed_lock_is_stale(built):
    (built / "requirements.lock").write_text("jax==2\n", encoding="utf-8")
    assert stale(built) == "98_tiny: requirements.lock changed"


def test_a_changed_builder_is_stale(built, monkeypatch):
    monkeypatch.setattr(notebook_digest, "BUILDER", ("notebook_source",))
    assert stale(built) == "98_tiny: the builder changed"


def test_a_changed_module_is_stale_but_not_for_its_words(built):
    module = built / "course_lib" / "exercises" / "check.py"
    edit(module, '"""Feedback on a learner', '"""Other words on a learner')
    module.write_text(module.read_text(encoding="utf-8") + "\n\n# A comment.\n", encoding="utf-8")
    assert stale(built) == ""
    edit(module, "rtol: float = 1e-5", "rtol: float = 1e-4")
    assert stale(built) == "98_tiny: course_lib.exercises.check changed"


def test_a_module_that_is_not_imported_does_not_matter(built):
    (built / "course_lib" / "other.py").write_text("x = 1\n", encoding="utf-8")
    assert stale(built) == ""


def test_missing_leftover_and_tampered_notebooks_are_found(built):
    path = learner_path(tiny(built), built)
    shutil.copy(path, path.with_name("97_gone.ipynb"))
    assert stale(built) == "97_gone: no source in notebooks/source; delete it"
    path.with_name("97_gone.ipynb").unlink()
    edit(path, "your code here", "my code here")
    assert "its cells differ" in stale(built)
    path.write_text("{", encoding="utf-8")
    assert "no valid notebook" in stale(built)
    path.unlink()
    assert stale(built) == "98_tiny: it has not been built"


def test_missing_outputs_stored_errors_and_size_are_found(built):
    path = learner_path(tiny(built), built)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [new_output("error", ename="ValueError", evalue="", traceback=[])]
    nbformat.write(notebook, path)
    assert stale(built) == "98_tiny: it stores an error"
    for cell in notebook.cells:
        cell.pop("outputs", None)
        cell.update({"outputs": []} if cell.cell_type == "code" else {})
    notebook.metadata.note = "x" * build_notebooks.MOST_BYTES
    nbformat.write(notebook, path)
    assert stale(built) == "98_tiny: it has no outputs | 98_tiny: it has more than 1,500,000 bytes"


def test_an_unknown_name_is_refused(project, capsys):
    assert main(["12"], project) == 1
    assert "no source in notebooks/source for 12" in capsys.readouterr().err


def test_imports_are_followed_through_the_package(tmp_path):
    package = tmp_path / "course_lib"
    (package / "flows").mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "flows" / "__init__.py").write_text("from .chain import Chain\n", encoding="utf-8")
    (package / "flows" / "chain.py").write_text("def f():\n    from ..base import normal\n", encoding="utf-8")
    (package / "base.py").write_text("import numpy\n", encoding="utf-8")
    (package / "lonely.py").write_text("", encoding="utf-8")
    found = notebook_digest.library_digests("from course_lib.flows import Chain\nimport os", package)
    assert list(found) == ["course_lib", "course_lib.base", "course_lib.flows", "course_lib.flows.chain"]


def test_the_code_digest_sees_code_and_nothing_else():
    one = 'def f(x):\n    """Doc."""\n    return x + 1  # note\n'
    same = 'def f(x):\n    """Other."""\n\n    return (x + 1)\n'
    digest = notebook_digest.code_digest
    assert digest(one) == digest(same)
    for other in ("return x + 2", "return x - 1", "return y + 1", "return [x + 1]", "return x + 1.0"):
        assert digest(one.replace("return x + 1", other)) != digest(one)


# What must not be published


def picture(dpi=100):
    buffer = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(buffer, dpi=dpi)
    data = {"image/png": base64.b64encode(buffer.getvalue()).decode()}
    return new_output("display_data", data=data)


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def value(text):
    return new_output("execute_result", data={"text/plain": text})


def cleaned(*outputs, root="/some/where", **metadata):
    notebook = new_notebook(cells=[new_code_cell("x = 1", outputs=list(outputs), metadata=metadata)])
    clean(notebook, root)
    return notebook.cells[0].outputs


@pytest.mark.parametrize(
    ("outputs", "alt", "message"),
    [
        ([picture()], "", "has no alt text"),
        ([stream("hello")], "A line.", "alt text but makes no picture"),
        ([picture(), picture()], "A line.", "makes 2 pictures"),
        ([picture(dpi=200)], "A line.", "200 dpi"),
        ([value("Text(0, 0, '')"), picture()], "A line.", "its last value is shown as text"),
        ([stream("/some/where/notebooks/x.py")], "", "a path of this machine"),
        ([stream("<function f at 0x7f00aa>")], "", "memory address"),
        ([stream("UserWarning: no", "stderr")], "", "writes to stderr: UserWarning"),
        ([new_output("error", ename="KeyError", evalue="x", traceback=[])], "", "stores the error KeyError"),
    ],
)
def test_bad_outputs_are_refused_by_name(outputs, alt, message):
    with pytest.raises(NotebookError, match=rf"cell 1 \(x = 1\): .*{message}"):
        cleaned(*outputs, **({"alt": alt} if alt else {}))


def test_the_home_folder_is_a_machine_path(monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: "/home/ada")
    with pytest.raises(NotebookError, match="/home/ada"):
        cleaned(stream("data in /home/ada/digits"))


def test_good_outputs_stay_and_progress_text_goes():
    bar = stream("\r 40%|####      | 2/5 [00:00<00:00, 7.2it/s]", "stderr")
    outputs = cleaned(stream("kept\n"), bar, stream("\r\n", "stderr"), picture(), alt="A line.")
    assert [o.output_type for o in outputs] == ["stream", "display_data"]
    assert outputs[1].metadata["image/png"]["alt"] == "A line."


def widget(name, **state):
    return {"model_name": name, "model_module": "m", "model_module_version": "1", "state": state}


def test_shown_widgets_and_their_links_are_kept_under_running_numbers():
    a, b, link, closed = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
    view = new_output("display_data", data={VIEW: {"model_id": a, "version_major": 2, "version_minor": 0}})
    gone = new_output("display_data", data={VIEW: {"model_id": closed, "version_major": 2, "version_minor": 0}})
    notebook = new_notebook(cells=[new_code_cell("x", outputs=[view, gone])])
    notebook.metadata.widgets = {
        STATE: {
            "state": {
                b: widget("FloatSliderModel"),
                a: widget("HBoxModel", children=[f"IPY_MODEL_{b}"]),
                link: widget("LinkModel", source=[f"IPY_MODEL_{b}", "value"], target=[f"IPY_MODEL_{a}", "box"]),
                "e" * 32: widget("LayoutModel"),
            }
        }
    }
    clean(notebook, "/some/where")
    state = notebook.metadata.widgets[STATE]["state"]
    assert [model["model_name"] for model in state.values()] == ["HBoxModel", "FloatSliderModel", "LinkModel"]
    assert len(notebook.cells[0].outputs) == 1
    assert state[f"{3:032x}"]["state"]["source"] == [f"IPY_MODEL_{2:032x}", "value"]
    assert not any(letter * 8 in json.dumps(notebook) for letter in "abcde")


def test_a_progress_bar_cannot_be_compared():
    name = "a" * 32
    view = new_output("display_data", data={VIEW: {"model_id": name, "version_major": 2, "version_minor": 0}})
    cell = new_code_cell("x", outputs=[view], metadata={"tags": ["nbval-check-output"]})
    notebook = new_notebook(
        cells=[cell], metadata={"widgets": {STATE: {"state": {name: widget("FloatProgressModel")}}}}
    )
    with pytest.raises(NotebookError, match="progress bar"):
        clean(notebook, "/some/where")


def test_a_source_that_is_no_python_is_refused(built, capsys):
    edit(tiny(built), "import matplotlib", "import import")
    assert main([], built) == 1
    assert "98_tiny: invalid syntax" in capsys.readouterr().err


def test_a_trial_edition_without_source_is_removed(project):
    old = project / "build" / "trial" / "97_old.ipynb"
    old.parent.mkdir(parents=True)
    old.write_text("{}", encoding="utf-8")
    assert main(["--trial"], project) == 0
    assert not old.exists()


def test_the_command_line_writes_trial_editions_alone(project):
    assert main(["--trial"], project) == 0
    assert trial_path(tiny(project), project).is_file()
    assert not learner_path(tiny(project), project).exists()


def test_markers_are_the_documented_ones():
    stub, solved = notebook_source.split_solution("a\n### BEGIN SOLUTION\nb\n### END SOLUTION\nc")
    assert (stub, solved) == ("a\n...  # your code here\nc", "a\nb\nc")
