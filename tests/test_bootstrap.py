"""The set-up script says clearly why it cannot go on, and never leaves half an environment behind as finished."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "tools" / "bootstrap.py"


@pytest.fixture
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_old_python_is_named_with_the_mend(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.sys, "version", "3.9.2 (main)")
    with pytest.raises(SystemExit, match=r"this is Python 3\.9\.2; the course needs 3\.11(.|\n)*make lab PYTHON="):
        bootstrap.main()


def test_missing_venv_module_names_the_package_to_install(bootstrap, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="no venv module(.|\n)*apt-get install python3-venv"):
        bootstrap.make_venv(str(tmp_path / "venv"))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("WARNING: Retrying after NewConnectionError", "no package index could be reached"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "does not match its hash"),
        ("ERROR: No matching distribution found for jaxlib==0.10.2", "no file of a pinned package"),
        ("ERROR: something else", "pip failed:\nERROR: something else"),
    ],
)
def test_pip_failures_are_told_apart(bootstrap, monkeypatch, output, said):
    process = types.SimpleNamespace(stdout=[output], wait=lambda: 1)
    monkeypatch.setattr(bootstrap.subprocess, "Popen", lambda *a, **k: process)
    with pytest.raises(SystemExit, match=said):
        bootstrap.pip_install("venv", "anything")


def test_without_a_network_it_says_so_and_leaves_no_stamp(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    environment["PIP_NO_CACHE_DIR"] = "1"
    python = getattr(sys, "_base_executable", sys.executable)
    result = subprocess.run(
        [python, str(SCRIPT), str(tmp_path / "venv")], env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode != 0
    assert "no package index could be reached" in result.stderr
    assert "connect to the network" in result.stderr
    assert not (tmp_path / "venv" / "course-setup.sha256").exists()


def test_an_environment_with_another_fingerprint_is_not_ready(bootstrap, tmp_path, monkeypatch):
    python = Path(bootstrap.python_of(str(tmp_path)))
    python.parent.mkdir(parents=True)
    python.touch()
    assert not bootstrap.is_ready(str(tmp_path))
    (tmp_path / "course-setup.sha256").write_text(bootstrap.fingerprint())
    assert bootstrap.is_ready(str(tmp_path))
    monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("changed")
    assert not bootstrap.is_ready(str(tmp_path))
