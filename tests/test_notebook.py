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


OF_THIS_PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"


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
    assert notebook.compile_cache_folder().name == OF_THIS_PYTHON
    assert "deep-generative-models-course" in str(notebook.compile_cache_folder())
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    assert notebook.compile_cache_folder() == tmp_path / "compiled" / OF_THIS_PYTHON


def test_use_makes_the_folder_and_tells_jax(tmp_path):
    folder = tmp_path / "deep" / "er"
    assert notebook.use_compile_cache(folder) == folder
    assert folder.is_dir()
    assert jax.config.jax_compilation_cache_dir == str(folder)


def in_the_way(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    return tmp_path / "file"


def test_a_folder_that_cannot_be_made_names_the_mend(tmp_path):
    with pytest.raises(OSError, match="cannot be used .*Set COURSE_CACHE_DIR to a folder that you may write to"):
        notebook.use_compile_cache(in_the_way(tmp_path) / "below")


def test_a_folder_that_cannot_be_written_names_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OSError, match="not writable.*Set COURSE_CACHE_DIR"):
        notebook.use_compile_cache(tmp_path)


def test_a_full_disk_is_named_with_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "LEAST_BYTES", 1e18)
    with pytest.raises(OSError, match=r"its disk is full: \d+ MB free.*Set COURSE_CACHE_DIR.*on a disk with space"):
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
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "compiled" / OF_THIS_PYTHON)


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


SPOILT = """
import pathlib, sys, warnings, jax
from course_lib import notebook
warnings.simplefilter("error")
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
if sys.argv[1] == "look":
    notebook.start()
else:
    jax.config.update("jax_compilation_cache_dir", str(notebook.compile_cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
for k in range(3):
    assert jax.jit(lambda x: x * 3 - k)(2.0) == 6 - k
print(sum("cache_hits" in event for event in events), sum("cache_misses" in event for event in events))
"""


def test_a_program_that_was_half_written_is_compiled_again_without_a_word(tmp_path):
    """Left by a full disk or a stopped kernel: without the look, JAX warns of it in every run and keeps it."""
    environment = {**os.environ, "COURSE_CACHE_DIR": str(tmp_path)}

    def run(how: str = "look") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-c", SPOILT, how], env=environment, capture_output=True)

    first, second = run(), run()
    assert first.returncode == second.returncode == 0, first.stderr.decode()
    hits, misses = map(int, second.stdout.split())
    assert (hits > 0, misses) == (True, 0)
    files = sorted((tmp_path / "compiled" / OF_THIS_PYTHON).glob("*-cache"))
    content = files[0].read_bytes()
    files[0].write_bytes(content[: len(content) // 2])
    files[1].write_bytes(b"")
    spoilt = run("without")
    assert spoilt.returncode != 0, "negative control"
    assert b"Error reading persistent compilation cache" in spoilt.stderr
    mended, again = run(), run()
    assert mended.returncode == 0, mended.stderr.decode()
    assert list(map(int, mended.stdout.split())) == [hits - 2, 2]
    assert list(map(int, again.stdout.split())) == [hits, 0]
    assert files[0].read_bytes()[:2] == content[:2]
