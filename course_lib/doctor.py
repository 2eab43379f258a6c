"""Is this machine ready for the course? `python -m course_lib.doctor` says what is there, and how to mend the rest."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib import places
from course_lib.command import run_command

SETUP = "Run `make setup`: it installs the versions that the course is tested with."
FOLDER = "Set COURSE_CACHE_DIR (TMPDIR for temporary files) to a folder that you may write to, on a disk with space."
COMPILE_TWICE = """
import pathlib, sys, jax, course_lib.notebook
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if "cache_hits" in event else None)
course_lib.notebook.use_compile_cache(pathlib.Path(sys.argv[1]))
for _ in range(2):
    jax.jit(lambda x: 2 * x + 1)(1.0)
    jax.clear_caches()
sys.exit(not hits or not list(pathlib.Path(sys.argv[1]).glob('*-cache')))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. What is not `essential` costs comfort or speed, not the course."""

    subject: str
    ok: bool
    found: str
    mend: str = ""
    essential: bool = True

    def __str__(self) -> str:
        line = f"{'ok' if self.ok else 'missing':9}{self.subject:14}{self.found}"
        return line if self.ok or not self.mend else f"{line}\n{'':23}→ {self.mend}"


def report() -> list[Finding]:
    """Look at versions, devices, data, the compile cache and folders; nothing is downloaded, nothing left behind."""

    def examine(subject: str, look: Callable[..., str], mend: str, *arguments: str, essential: bool = True) -> Finding:
        try:
            return Finding(subject, True, look(*arguments), mend, essential)
        except Exception as error:  # whatever is raised says why it is not there
            return Finding(subject, False, (str(error) or type(error).__name__).partition(". ")[0], mend, essential)

    later = (
        "No chapter needs it; course_lib.data.mnist(download=True) fetches it, or set COURSE_DATA_DIR to its folder."
    )
    packages = ["jax", "jaxlib", "flax", "optax", "numpy", "jupyterlab"]
    return [
        Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *(examine(name, importlib.metadata.version, SETUP, name) for name in packages),
        examine("devices", devices, SETUP),
        examine("resources", resources, "Close other programs: a notebook needs up to 2 GiB.", essential=False),
        examine("8×8 digits", digits, SETUP, "digits_8x8"),
        examine("5,000 digits", digits, SETUP, "mnist_5k"),
        examine("full MNIST", digits, later, "mnist", essential=False),
        examine("compile cache", compile_cache, FOLDER, essential=False),
        examine("home", home, "Set HOME to a folder that you may write to, which lasts.", essential=False),
        examine(
            "this folder", writable, "To save notebooks, copy the course to one of your own.", ".", essential=False
        ),
        examine("temporary", temporary, FOLDER),
    ]


def devices() -> str:
    """What JAX computes on."""
    import jax

    return ", ".join(f"{device.platform} ({device.device_kind})" for device in jax.devices())


def resources() -> str:
    """Cores and free memory."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = psutil.virtual_memory().available / 2**30
    found = f"{cores} cores, {free:.1f} GiB of memory free"
    if free < 2:
        raise MemoryError(found)
    return found


def digits(name: str) -> str:
    """Read a data set as the chapters do."""
    import course_lib.data

    images = getattr(course_lib.data, name)()
    parts = {"train": images.train, "validate": images.valid, "test": images.test}
    return ", ".join(f"{len(split.images):,} to {name}" for name, split in parts.items())


def compile_cache() -> str:
    """Compile one program twice in a process of its own: the second time it must come from the disk."""
    from course_lib.notebook import compile_cache_folder

    found = writable(compile_cache_folder())
    with tempfile.TemporaryDirectory(dir=compile_cache_folder()) as trial:
        command = [sys.executable, "-c", COMPILE_TWICE, trial]
        done = subprocess.run(command, capture_output=True, timeout=60, cwd=Path(__file__).parents[1])
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"a program compiled twice did not come from {found} {said[-300:]}")
    return found


def home() -> str:
    """Settings and caches last only where there is a home folder."""
    found = writable(Path.home())
    if Path.home() == places.stand_in():
        raise FileNotFoundError(f"none that may be written; settings and caches go to {found}")
    return found


def temporary() -> str:
    """Python's folder for temporary files."""
    return writable(tempfile.gettempdir())


def writable(folder: str | Path) -> str:
    """Write a file there and remove it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"course")
    return f"{Path(folder).resolve()} ({shutil.disk_usage(folder).free / 2**30:.0f} GiB free)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; 1 if something essential is missing."""
    argparse.ArgumentParser(prog="course_lib.doctor", description=__doc__).parse_args(arguments)
    findings = report()
    print(*findings, sep="\n")
    broken = [finding.subject for finding in findings if finding.essential and not finding.ok]
    print(f"\nTo mend first: {', '.join(broken)}." if broken else "\nThis machine is ready.")
    return int(bool(broken))


if __name__ == "__main__":
    run_command(main)
