"""environment.yml, pyproject.toml and the two locks agree, and every pinned package has a wheel where promised."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

from tests.setup.index import pinned
from tools.lock import entries, write_locks
from tools.setup.pythons import supported

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEARNER = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ADDED = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
PLATFORMS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"]


def test_conda_file_is_a_valid_thin_shell():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["channels"] == ["conda-forge"]
    specs = {
        str(s.name.normalized if hasattr(s.name, "normalized") else s.name): s
        for s in (MatchSpec(d, strict=True) for d in environment["dependencies"] if isinstance(d, str))
    }
    assert set(specs) == {"python", "pip"}
    assert SpecifierSet(str(specs["python"].version)) == SpecifierSet(PROJECT["requires-python"])
    assert [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)] == [["-e ."]]


def pins(lock: str) -> set[tuple[str, str]]:
    return {(name, version) for name, version, _ in pinned(lock)}


@pytest.mark.parametrize(
    ("wanted", "lock"),
    [(PROJECT["dependencies"] + EXTRAS["setup"], LEARNER), (EXTRAS["dev"], LEARNER + ADDED)],
    ids=["learner", "dev"],
)
def test_every_direct_dependency_is_pinned_and_locked_at_that_version(wanted, lock):
    for text in wanted:
        requirement = Requirement(text)
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        assert (requirement.name, pin.version) in pins(lock), text


def test_the_second_lock_only_adds():
    learner, added = entries(LEARNER), entries(ADDED)
    assert len(learner) > 100
    assert len(added) > 50
    assert learner.keys() & added.keys() == set()
    assert {"pytest", "flowjax", "playwright", "sphinx"} <= {name for name, _, _ in pinned(ADDED)}
    assert {name for name, _, _ in pinned(LEARNER)} & {"pytest", "flowjax", "distrax", "playwright", "sphinx"} == set()


@pytest.mark.parametrize("lock", [LEARNER, ADDED], ids=["learner", "dev"])
def test_every_locked_package_has_a_hash_and_no_address(lock):
    assert all("--hash=sha256:" in block for block in entries(lock).values())
    assert len(entries(lock)) == len(pinned(lock))
    assert "://" not in lock


@pytest.mark.usefixtures("package_index")
def test_the_locks_are_what_pyproject_asks_for(tmp_path):
    """`make lock` would write them as they are."""
    for name in (
        "pyproject.toml",
        "requirements.lock",
        "requirements-dev.lock",
        "README.md",
        "LICENSE",
        "LICENSE-TEXT",
    ):
        shutil.copy(ROOT / name, tmp_path)
    write_locks(tmp_path)
    assert pins((tmp_path / "requirements.lock").read_text(encoding="utf-8")) == pins(LEARNER)
    assert pins((tmp_path / "requirements-dev.lock").read_text(encoding="utf-8")) == pins(ADDED)


def imported(folders: list[str]) -> dict[str, set[str]]:
    """Top-level module that is not ours and not Python's → the files that import it."""
    ours = {
        "course",
        "course_lib",
        "tools",
        "tests",
        "benchmarks",
        "book",
        *(p.stem for p in (ROOT / "book").glob("*.py")),
    }
    found: dict[str, set[str]] = {}
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py") if "node_modules" not in p.parts):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for name in {name.partition(".")[0] for name in names} - ours - sys.stdlib_module_names:
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def declared(texts: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", Requirement(text).name).lower() for text in texts}


@pytest.mark.parametrize(
    ("folders", "groups"),
    [
        (["course_lib", "notebooks/source", "tools/my_notebooks.py"], ["dependencies"]),
        (["tools", "book", "tests", "benchmarks"], ["dependencies", "dev", "setup"]),
    ],
    ids=["learner", "dev"],
)
def test_what_is_used_is_declared(folders, groups):
    """Nothing comes by accident, through what something else needs."""
    texts = [t for g in groups for t in (PROJECT["dependencies"] if g == "dependencies" else EXTRAS[g])]
    providers = importlib.metadata.packages_distributions()
    optional = {"torch"}  # benchmarks.flows compares with it where it is installed
    missing = {
        module: files
        for module, files in imported(folders).items()
        if module not in optional
        and not {re.sub(r"[-_.]+", "-", d).lower() for d in providers.get(module, [])} & declared(texts)
    }
    assert missing == {}


def test_what_is_not_declared_is_noticed():
    """Negative control: cycler comes with matplotlib; nobody may import it without saying so."""
    assert "cycler" not in declared(PROJECT["dependencies"])
    assert "numpy" in imported(["course_lib"])


def dry_run(platform: str, version: str, *locks: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--require-hashes", "--only-binary", ":all:"]
    files = [part for lock in locks for part in ("-r", str(ROOT / lock))]
    with tempfile.TemporaryDirectory() as folder:  # uv makes it, although nothing is installed
        where = ["--python-platform", platform, "--python-version", version, "--target", folder]
        command += ["--no-deps", *where, *files]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=240)


@pytest.mark.usefixtures("package_index")
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_locks_have_a_wheel_for(platform, version):
    result = dry_run(platform, version, "requirements.lock", "requirements-dev.lock")
    assert result.returncode == 0, result.stderr[-600:]


@pytest.mark.usefixtures("package_index")
@pytest.mark.parametrize(("platform", "version"), [("x86_64-apple-darwin", "3.11"), (PLATFORMS[0], "3.15")])
def test_what_has_no_wheels_is_noticed(platform, version):
    """Negative control: there is no jaxlib for Intel Macs (the README says so), and none for Python 3.15 yet."""
    assert dry_run(platform, version, "requirements.lock").returncode != 0


def test_the_set_up_and_the_package_name_the_same_pythons():
    oldest, beyond = supported()
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">=3.{oldest[1]},<3.{beyond[1]}")
    assert (oldest, beyond) == ((3, 11), (3, 15))
