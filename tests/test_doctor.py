"""The doctor finds what is there, and what is not: every check is also shown something broken."""

import importlib.metadata
import os

import pytest

from course_lib import doctor


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    before = os.environ.get("COURSE_CACHE_DIR")
    os.environ["COURSE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    try:
        yield {finding.subject: finding for finding in doctor.report()}
    finally:
        os.environ.pop("COURSE_CACHE_DIR")
        if before is not None:
            os.environ["COURSE_CACHE_DIR"] = before


def test_this_machine_is_ready(findings):
    assert all(finding.ok for finding in findings.values() if finding.essential), list(map(str, findings.values()))
    assert findings["jax"].found == importlib.metadata.version("jax")
    assert "cpu" in findings["devices"].found or "gpu" in findings["devices"].found
    assert findings["8×8 digits"].found == "1,297 to train, 200 to validate, 300 to test"
    assert findings["compile cache"].ok
    assert not findings["full MNIST"].essential


def test_the_trial_program_is_removed(findings, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    doctor.compile_cache()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_cache_that_is_switched_off_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "false")
    with pytest.raises(RuntimeError, match="a program compiled twice did not come from"):
        doctor.compile_cache()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        doctor.writable(tmp_path / "file" / "below")
    assert str(tmp_path) in doctor.writable(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_little_memory_is_said(monkeypatch):
    import psutil

    class Little:
        available = 2**29

    monkeypatch.setattr(psutil, "virtual_memory", Little)
    with pytest.raises(MemoryError, match=r"cores, 0\.5 GiB of memory free"):
        doctor.resources()


def test_exit_status_and_mend(monkeypatch, capsys, tmp_path):
    """A package and both the optional things are missing: only the package decides."""
    real = importlib.metadata.version

    def version(name):
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(doctor, "digits", lambda name: name)
    monkeypatch.setattr(doctor, "compile_cache", lambda: doctor.writable(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    missing = "nothing"
    assert doctor.main([]) == 0
    out = capsys.readouterr().out
    assert "missing  compile cache" in out
    assert "→ Set COURSE_CACHE_DIR" in out
    assert "This machine is ready." in out
    missing = "flax"
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "missing  flax          No package metadata was found for flax\n" in out
    assert "→ Run `make setup`" in out
    assert "To mend first: flax." in out
