"""The development container (Codespaces, VS Code) is what its readers expect and sets the course up."""

import json
import re
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

from course import TARGETS

ROOT = Path(__file__).parent.parent
CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def test_its_python_is_one_that_the_course_supports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:(3\.\d+)-bookworm", CONTAINER["image"])
    assert version is not None
    assert version[1] in SpecifierSet(project["requires-python"])


def test_it_sets_up_the_course_by_a_command_that_exists():
    python, script, target = CONTAINER["postCreateCommand"].split()
    assert (python, script) == ("python3", "course.py")
    assert target in TARGETS


def test_jupyterlab_and_the_notebooks_are_within_reach():
    assert CONTAINER["forwardPorts"] == [8888]
    assert set(CONTAINER["portsAttributes"]) == {"8888"}
    code = CONTAINER["customizations"]["vscode"]
    assert {"ms-python.python", "ms-toolsai.jupyter"} <= set(code["extensions"])
    assert code["settings"]["python.defaultInterpreterPath"] == "${containerWorkspaceFolder}/.venv/bin/python"
    assert all((ROOT / name).is_file() for name in CONTAINER["customizations"]["codespaces"]["openFiles"])


def test_it_asks_for_room_enough():
    asked = CONTAINER["hostRequirements"]
    assert asked == {"cpus": 2, "memory": "8gb", "storage": "32gb"}  # the smallest machine that Codespaces lends
