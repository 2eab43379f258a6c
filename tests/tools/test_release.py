"""A release is made from files that agree: every disagreement is found, and this course's own files have none."""

import subprocess
import sys

import pytest

from tools.release import ROOT, main, notes, problems

CHANGELOG = """# Changelog

## Unreleased

- Not yet.

## 0.2.0 (2027-01-31)

- Second.
- More of it.

## 0.1.0 (2026-11-26)

- First.
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "0.2.0"\n', encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text(
        "cff-version: 1.2.0\nversion: 0.2.0\ndate-released: 2027-01-31\n", encoding="utf-8"
    )
    return tmp_path


def test_the_version_of_this_course_is_the_newest_dated_section_of_its_changelog():
    assert problems() == []


def test_the_check_needs_the_standard_library_alone():
    command = [sys.executable, "-S", "-m", "tools.release"]  # as the workflow calls it, where nothing is installed
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_notes_of_a_release_are_its_section(project, tmp_path):
    assert main(["v0.2.0", "--notes", str(tmp_path / "notes.md")], project) == 0
    assert (tmp_path / "notes.md").read_text(encoding="utf-8") == "- Second.\n- More of it.\n"
    assert notes(CHANGELOG, "0.1.0") == "- First."
    assert notes(CHANGELOG, "0.2") == ""


def test_a_tag_of_another_version_is_refused(project, capsys):
    for tag in ("v0.1.0", "0.2.0", "v0.2.0rc1"):
        assert main([tag], project) == 1
        assert f"the tag {tag} is not v0.2.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", "0.2.0", "0.3.0", "newest dated version is 0.2.0, that of pyproject.toml 0.3.0"),
        ("CITATION.cff", "version: 0.2.0", "version: 0.1.0", "CITATION.cff"),
        ("CITATION.cff", "2027-01-31", "2027-02-01", "CITATION.cff"),
        ("CHANGELOG.md", "0.2.0 (2027-01-31)", "0.2.0", "no heading like"),
        ("CHANGELOG.md", "0.2.0 (2027-01-31)", "0.2.0 (soon)", "no heading like"),
        ("CHANGELOG.md", "0.1.0 (", "0.4.0 (", "not in falling order"),
        ("CHANGELOG.md", "- Second.\n- More of it.\n", "", "nothing stands under 0.2.0"),
    ],
)
def test_every_disagreement_is_found(project, file, old, new, said):
    assert problems(project, "v0.2.0") == []
    text = (project / file).read_text(encoding="utf-8")
    assert old in text
    (project / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert said in "\n".join(problems(project, "v0.2.0"))
