"""environment.yml, pyproject.toml and requirements.lock agree, and every pinned package has a wheel where promised."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PLATFORMS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"]


def locked_versions(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock, flags=re.MULTILINE))


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


def test_every_direct_dependency_is_pinned_and_locked_at_that_version():
    locked = locked_versions(LOCK)
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        requirement = Requirement(text)
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        assert locked[requirement.name] == pin.version, text


def test_every_locked_package_has_a_hash_and_no_address():
    blocks = re.split(r"\n(?=[a-z0-9._-]+==)", LOCK)
    assert len(blocks) > 100
    for block in blocks:
        assert "--hash=sha256:" in block, block[:80]
    assert "://" not in LOCK


def dry_run(platform: str, version: str, lock: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--require-hashes", "--only-binary", ":all:"]
    where = ["--python-platform", platform, "--python-version", version, "--target", os.devnull + "-never-written"]
    return subprocess.run([*command, *where, "-r", str(lock)], capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def package_index():
    """Skips without a network on a learner's machine; CI has one."""
    result = dry_run(PLATFORMS[0], "3.11", ROOT / "requirements.lock")
    if (
        result.returncode
        and not os.environ.get("CI")
        and re.search("connect|dns|network|timed out", result.stderr, re.I)
    ):
        pytest.skip("no package index can be reached")


@pytest.mark.usefixtures("package_index")
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_lock_has_a_wheel_for(platform, version):
    result = dry_run(platform, version, ROOT / "requirements.lock")
    assert result.returncode == 0, result.stderr[-600:]


@pytest.mark.usefixtures("package_index")
def test_a_platform_without_wheels_is_noticed():
    """Negative control: there is no jaxlib for Intel Macs (the README says so)."""
    assert dry_run("x86_64-apple-darwin", "3.11", ROOT / "requirements.lock").returncode != 0
