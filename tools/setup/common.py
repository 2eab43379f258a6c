"""What every step of the set-up shares: where the course lies, why a step stops, small ways with files.

This package runs before anything is installed: standard library alone, and a syntax that an old Python can read.
"""

import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOCKS = {"learner": "requirements.lock", "dev": "requirements-dev.lock"}


class Stopped(Exception):
    """The set-up cannot go on: what happened, and what to do about it."""

    def __init__(self, problem, mend):
        super().__init__("\nSet-up stopped: " + problem + "\nWhat to do:     " + mend + "\n")


def say(text, to=None):
    """Print a line on a stream of any encoding: a path may have letters that it lacks."""
    to = to or sys.stdout
    encoding = getattr(to, "encoding", None) or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=to, flush=True)


def python_of(venv):
    return os.path.join(venv, "Scripts", "python.exe") if os.name == "nt" else os.path.join(venv, "bin", "python")


def read(path):
    """The text of a file; empty if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def can_write(folder):
    """Whether a file can be made in the folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
