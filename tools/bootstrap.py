"""Make `.venv` from `requirements.lock`, from a bare python3; does nothing when it is already right.

usage: python3 tools/bootstrap.py [VENV]

It runs before anything is installed, so it needs the standard library alone, and it must at least start on an
old Python in order to say that it is too old.
"""

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def stop(problem, mend):
    sys.exit("\nSet-up stopped: " + problem + "\nWhat to do:     " + mend + "\n")


def fingerprint():
    """What the environment depends on: Python version, place, lock, and the package metadata before any tool's."""
    parts = [("%d.%d %s" % (sys.version_info[0], sys.version_info[1], ROOT)).encode()]  # noqa: UP031
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            parts.append(file.read().split(b"\n[tool.")[0])
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def python_of(venv):
    return os.path.join(venv, "Scripts", "python.exe") if os.name == "nt" else os.path.join(venv, "bin", "python")


def is_ready(venv):
    """The stamp is written last, so an interrupted set-up leaves none."""
    try:
        with open(os.path.join(venv, "course-setup.sha256")) as file:
            return file.read().strip() == fingerprint() and os.path.exists(python_of(venv))
    except OSError:
        return False


def make_venv(venv):
    try:
        import ensurepip  # noqa: F401
        import venv as venv_module
    except ImportError:
        stop(
            "this Python has no venv module or no pip to put into it",
            "on Debian or Ubuntu: apt-get install python3-venv; elsewhere install Python from its own installer.",
        )
    print("Making .venv with Python " + sys.version.split()[0])
    try:
        venv_module.EnvBuilder(with_pip=True, clear=True).create(venv)
    except (OSError, subprocess.CalledProcessError) as error:
        stop(
            "the virtual environment could not be made (" + str(error) + ")",
            "check free space and that you may write here.",
        )


def pip_install(venv, *arguments):
    """Run pip, count what it collects, and tell a missing network from a real error by its last lines."""
    command = [python_of(venv), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    process = subprocess.Popen(
        command + list(arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines, collected = [], 0
    for line in process.stdout or ():
        lines = [*lines[-40:], line]
        if line.startswith("Collecting"):
            collected += 1
            if collected % 25 == 0:
                print("  %d packages found" % collected, flush=True)  # noqa: UP031
        elif line.startswith("Installing collected packages"):
            print("  unpacking", flush=True)
    if process.wait() == 0:
        return
    text = "".join(lines)
    if any(
        word in text
        for word in ("NewConnectionError", "ConnectTimeout", "NameResolutionError", "Failed to establish", "ProxyError")
    ):
        stop(
            "no package index could be reached",
            "connect to the network and repeat; what was downloaded is kept. Only this first set-up needs it.",
        )
    if "No space left" in text:
        stop("the disk is full", "free about 3 GB and repeat.")
    if "DO NOT MATCH THE HASHES" in text:
        stop(
            "a downloaded package does not match its hash in requirements.lock",
            "repeat; if it stays, do not use that index.",
        )
    if "No matching distribution" in text:
        stop(
            "the package index has no file of a pinned package for this Python and machine, or was not reached",
            "the lock is for Python 3.11 to 3.13 on Linux, macOS and Windows, 64 bit; check with: python3 --version.",
        )
    stop("pip failed:\n" + text[-2000:], "mend what the lines above say and repeat.")


def main():
    if sys.version_info < OLDEST:
        stop(
            "this is Python " + sys.version.split()[0] + "; the course needs 3.11 or newer",
            "install a newer one and name it: make lab PYTHON=python3.12",
        )
    venv = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, ".venv"))
    if is_ready(venv):
        return
    make_venv(venv)
    print("Installing the pinned packages (about 600 MB to download, once; later starts need no network)", flush=True)
    pip_install(venv, "--require-hashes", "--requirement", "requirements.lock")
    pip_install(venv, "--no-deps", "--no-build-isolation", "--editable", ".")
    with open(os.path.join(venv, "course-setup.sha256"), "w") as file:
        file.write(fingerprint())
    print("Ready: " + os.path.relpath(venv, os.getcwd()))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nSet-up interrupted; repeat the command to go on.")
