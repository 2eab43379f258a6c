"""Write the two lock files from pyproject.toml: `python -m tools.lock [--upgrade]`.

`requirements.lock` is complete: all that a learner needs. `requirements-dev.lock` holds what tests and the website add
to it. Both name every version and every file's hash, for all Pythons and systems at once, and no index's address.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from course_lib.command import run_command

ROOT = Path(__file__).resolve().parents[1]
LEARNER, ADDED = "requirements.lock", "requirements-dev.lock"


def compile_lock(root: Path, extras: list[str], output: Path, *options: str) -> str:
    """What uv resolves for pyproject.toml with these extras. The versions that `output` names already are kept."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = re.findall(r">=\s*([\d.]+)", project["requires-python"])[0]  # else uv takes the one that it runs with
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", oldest]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", *(f"--extra={extra}" for extra in extras)]
    subprocess.run([*command, *options, "pyproject.toml", "-o", str(output)], cwd=root, check=True)
    return output.read_text(encoding="utf-8")


def entries(lock: str) -> dict[str, str]:
    """Pinned requirement with its marker → its block of the lock file."""
    blocks = re.split(r"\n(?=[a-z0-9])", lock.strip())
    return {block.partition(" \\")[0]: block for block in blocks if block}


def added(learner: str, everything: str) -> str:
    """The blocks of `everything` whose requirement `learner` lacks."""
    have = entries(learner)
    return "\n".join(block for pin, block in entries(everything).items() if pin not in have) + "\n"


def write_locks(root: Path, *options: str) -> None:
    """Write both lock files of the project in `root`; versions stay unless pyproject.toml says otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.lock"
        before = [path.read_text(encoding="utf-8") for path in (root / LEARNER, root / ADDED) if path.is_file()]
        whole.write_text("\n".join(before), encoding="utf-8")  # the versions to keep
        learner = compile_lock(root, ["setup"], root / LEARNER, *options)
        everything = compile_lock(root, ["setup", "dev"], whole, "--constraints", LEARNER, *options)
    (root / ADDED).write_text(added(learner, everything), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.lock", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    write_locks(ROOT, *(["--upgrade"] if parser.parse_args(arguments).upgrade else []))
    return 0


if __name__ == "__main__":
    run_command(main)
