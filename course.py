"""One command for everything: `python course.py lab`, `python course.py test`; `make lab` and `make test` call it.

It needs a Python alone (on Windows: `py course.py lab`). `python course.py help` lists the rest.
"""

import os
import subprocess
import sys

from tools.setup.common import ROOT, Stopped, can_write, python_of, say
from tools.setup.environment import ensure, is_ready

LINTED = ["course.py", "course_lib", "book", "tools", "tests", "benchmarks", "notebooks/source"]
PYTEST = ["pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
NBVAL = ["-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "120"]
COVERAGE = ["--cov", "--cov-report=term", "--cov-fail-under=95"]


class Workplace:
    """Where the environment and the learner's notebooks lie, and how to run things there.

    Both lie in the folder of the course. Where that may not be written (a course shared by many), and nothing is ready
    there, they lie in `COURSE_HOME`, or else in a folder of the person's home.
    """

    def __init__(self):
        self.own = os.environ.get("COURSE_HOME") or ROOT
        if self.own == ROOT and not can_write(ROOT):
            home = os.path.expanduser("~")
            self.own = os.path.join(home, "deep-generative-models")
            if not os.path.isdir(home):
                raise Stopped(
                    "the course's folder may not be written, and you have no home folder",
                    "name a folder that you may write to in the variable COURSE_HOME.",
                )
            say("The course's folder may not be written: your environment and notebooks are in " + self.own)
        os.makedirs(self.own, exist_ok=True)
        self.notebooks = os.path.join(self.own, "my_notebooks")

    def set_up(self, *layers):
        """Make the environment ready; one in the course's folder serves everyone who may read it."""
        shared = os.path.join(ROOT, ".venv")
        ready = all(is_ready(shared, layer) for layer in layers) and not os.environ.get("COURSE_PYTHON")
        self.venv = shared if ready else os.path.join(self.own, ".venv")
        if not ready:
            ensure(self.venv, layers)

    def module(self, *arguments):
        """Run `python -m ...` of the environment in the course's folder; stop with its exit status unless that is 0."""
        process = subprocess.Popen([python_of(self.venv), "-m"] + list(arguments), cwd=ROOT)
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:  # the command got it as well, and ends by itself
                continue
        if process.returncode:
            sys.exit(process.returncode if process.returncode > 0 else 1)


def version_of(venv):
    """The version of an environment's Python, as (3, 13)."""
    with open(os.path.join(venv, "pyvenv.cfg"), encoding="utf-8") as file:
        said = dict(line.strip().split(" = ", 1) for line in file if " = " in line)
    return tuple(int(part) for part in said["version"].split(".")[:2])


def setup(at, options):
    """make .venv from the lock files (lab and test do it by themselves; option: --dev, what tests need as well)"""
    at.set_up(*(["learner"] + ["dev"] * ("--dev" in options)))


def lab(at, options):
    """open the course in JupyterLab (options go to it: --no-browser --port 9999)"""
    at.set_up("learner")
    at.module("tools.my_notebooks", "--to", at.notebooks)
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    first = "--LabApp.default_url=/lab/tree/my_notebooks/00_start_here.ipynb"
    at.module("jupyterlab", "--ServerApp.root_dir=" + at.own, first, *(root + options))


def book(at, options):
    """build the website into build/book/html (a folder that any server, or none, can serve)"""
    at.set_up("learner", "dev")
    at.module("tools.build_book")
    say("The website is in build/book/html; look at it with: make serve")


def serve(at, options):
    """build the website and serve it on this machine (option: --port 8000)"""
    book(at, options)
    at.module("tools.serve_book", *options)


def test(at, options):
    """everything that CI runs"""
    for part in (lint, notebooks_check, test_code, test_notebooks, test_book):
        part(at, [])


def test_code(at, options):
    """unit tests, laws and oracles; from Python 3.12 on with coverage of course_lib, which costs nothing there"""
    at.set_up("learner", "dev")
    cheap = version_of(at.venv) >= (3, 12)
    os.environ["COVERAGE_CORE"] = "sysmon"  # an older Python would trace each line: a tenth of the time
    at.module(*(PYTEST + ["--ignore=tests/browser"] + COVERAGE * cheap + options))


def test_book(at, options):
    """build the website and try it, and every explorer, in a real browser"""
    at.set_up("learner", "dev")
    at.module(*(PYTEST + ["tests/browser"] + options))


def test_notebooks(at, options):
    """run every notebook as a learner gets it; then solve and check its exercises, and run every cell once more"""
    at.set_up("learner", "dev")
    at.module("tools.build_notebooks", "--trial")
    folder = os.path.join("build", "trial")
    files = [os.path.join(folder, name) for name in sorted(os.listdir(os.path.join(ROOT, folder)), reverse=True)]
    at.module(*(PYTEST + NBVAL + files + options))  # the last chapters take longest: they come first


def test_fresh(at, options):
    """try the README's commands in bare Debian roots (needs root and debootstrap; not part of test)"""
    at.set_up("learner", "dev")
    at.module("tools.test_fresh", *options)


def notebooks(at, options):
    """rebuild the notebooks whose source, library or lock changed"""
    at.set_up("learner", "dev")
    at.module("tools.build_notebooks", *options)
    at.module("tools.covers")


def notebooks_check(at, options):
    """fail when a committed notebook is stale"""
    at.set_up("learner", "dev")
    at.module("tools.build_notebooks", "--check")
    at.module("tools.covers", "--check")


def lint(at, options):
    """formatting, lint and types"""
    at.set_up("learner", "dev")
    at.module("ruff", "format", "--check", *LINTED)
    at.module("ruff", "check", *LINTED)
    at.module("basedpyright")


def format(at, options):
    """write the formatting that lint asks for"""
    at.set_up("learner", "dev")
    at.module("ruff", "format", *LINTED)
    at.module("ruff", "check", "--fix", *LINTED)


def lock(at, options):
    """write both lock files anew from pyproject.toml (option: --upgrade)"""
    at.set_up("learner", "dev")
    at.module("tools.lock", *options)


def doctor(at, options):
    """is this machine ready? versions, devices, data, compile cache"""
    at.set_up("learner")
    at.module("course_lib.doctor")


def clean(at, options):
    """remove .venv, builds and caches (the notebooks stay, and so do yours)"""
    import shutil

    for name in (".venv", "build", ".pytest_cache", ".ruff_cache", ".hypothesis", ".coverage"):
        path = os.path.join(at.own if name == ".venv" else ROOT, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)
    for folder, names, _ in os.walk(ROOT):
        names[:] = [name for name in names if name not in (".git", "node_modules", "my_notebooks")]
        if "__pycache__" in names:
            shutil.rmtree(os.path.join(folder, "__pycache__"))


PARTS = (setup, lab, book, serve, test, test_code, test_notebooks, test_book, test_fresh, notebooks, notebooks_check,
         lint, format, lock, doctor, clean)  # fmt: skip
TARGETS = {part.__name__.replace("_", "-"): part for part in PARTS}


def usage():
    lines = ["  %-16s %s" % (name, part.__doc__) for name, part in TARGETS.items()]
    return "usage: python course.py TARGET [options], or make TARGET\n\n" + "\n".join(lines)


def main(arguments):
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a path may have letters that the terminal lacks
    target, options = (arguments or ["help"])[0], arguments[1:]
    if target in ("help", "-h", "--help"):
        print(usage())
        return 0
    if target not in TARGETS:
        say("There is no target %s.\n\n%s" % (ascii(target), usage()), sys.stderr)
        return 2
    try:
        TARGETS[target](Workplace(), options)
    except Stopped as reason:
        say(str(reason), sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; repeat the command to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
