"""`notebook.start`: the compile cache and the style, and no exception where there is no cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import matplotlib as mpl
import pytest
from jax.experimental.compilation_cache import compilation_cache

from course_lib import notebook
from course_lib.figures.style import SETTINGS

OPTIONS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture(autouse=True)
def settings_as_before():
    before = {name: getattr(jax.config, name) for name in OPTIONS}
    with mpl.rc_context():
        yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_the_folder_is_the_users_or_the_one_that_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_CACHE_DIR", raising=False)
    assert notebook.compile_cache_folder().name == "compiled"
    assert "deep-generative-models-course" in str(notebook.compile_cache_folder())
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    assert notebook.compile_cache_folder() == tmp_path / "compiled"


def test_use_makes_the_folder_and_tells_jax(tmp_path):
    folder = tmp_path / "deep" / "er"
    assert notebook.use_compile_cache(folder) == folder
    assert folder.is_dir()
    assert jax.config.jax_compilation_cache_dir == str(folder)


def in_the_way(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file"


def test_a_folder_that_cannot_be_made_names_the_mend(tmp_path):
    with pytest.raises(OSError, match="cannot be used .*Set COURSE_CACHE_DIR to a folder that you may write to"):
        notebook.use_compile_cache(in_the_way(tmp_path) / "below")


def test_a_folder_that_cannot_be_written_names_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OSError, match="not writable.*Set COURSE_CACHE_DIR"):
        notebook.use_compile_cache(tmp_path)


def test_start_goes_on_without_a_cache_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(in_the_way(tmp_path)))
    notebook.start()
    assert capsys.readouterr().out.startswith("Continuing without a compile cache. The compile cache folder ")
    assert mpl.rcParams["figure.figsize"] == list(SETTINGS["figure.figsize"])


def test_start_prints_nothing_when_all_is_well(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    notebook.start()
    assert capsys.readouterr() == ("", "")
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "compiled")


COUNT_HITS = """
import json, jax
from course_lib import notebook
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
if {start}:
    notebook.start()
jax.jit(lambda x: x * 3 - 1)(2.0)
print(json.dumps(sum("cache_hits" in event for event in events)))
"""


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    environment = {**os.environ, "COURSE_CACHE_DIR": str(tmp_path)}

    def hits(start: bool) -> int:
        command = [sys.executable, "-c", COUNT_HITS.format(start=start)]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    assert hits(start=True) == 0
    assert hits(start=True) > 0
    assert hits(start=False) == 0, "without start() nothing is read"
