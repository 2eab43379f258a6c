"""Which Python the environment is made with."""

import ast
import os
import re
import subprocess
import sys

from .common import ROOT, Stopped, read, say


def supported():
    """The oldest Python and the first that is too new, from `requires-python` in pyproject.toml."""
    found = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', read(os.path.join(ROOT, "pyproject.toml")))
    assert found, "pyproject.toml says requires-python in another form"
    return (3, int(found.group(1))), (3, int(found.group(2)))


def describe(command):
    """(version, path, what is wrong with it or "") of the Python that `command` starts; None if it starts none."""
    code = (
        "import struct, sys, sysconfig\n"
        "try:\n import ensurepip, venv\n"
        "except ImportError:\n bad = 'it has no venv module, or no pip to put into one'\n"
        "else:\n bad = 'it is a 32-bit one' if struct.calcsize('P') < 8 else ''\n"
        "if sysconfig.get_config_var('Py_GIL_DISABLED'):\n bad = 'it is a free-threaded one'\n"
        "print(ascii((tuple(sys.version_info[:3]), getattr(sys, '_base_executable', sys.executable), bad)))"
    )
    try:
        done = subprocess.run(
            command + ["-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        return ast.literal_eval(done.stdout.decode("ascii")) if done.returncode == 0 else None
    except (OSError, ValueError, SyntaxError, subprocess.SubprocessError):
        return None


def choose_python(first=None):
    """A path to the Python to build with: the running one, or the newest suitable one on the PATH.

    Raises:
        Stopped: there is none.
    """
    oldest, beyond = supported()
    names = [[first or sys.executable]]
    for minor in range(beyond[1] - 1, oldest[1] - 1, -1):
        names += [["py", "-3.%d" % minor], ["python3.%d" % minor]] if os.name == "nt" else [["python3.%d" % minor]]
    refused = []
    for command in names:
        found = describe(command)
        if found is None:
            continue
        version, path, bad = found
        if version < oldest or version[:2] >= beyond:
            bad = "the course needs 3.%d to 3.%d" % (oldest[1], beyond[1] - 1)
        if not bad:
            if refused:
                say("%s; taking %s" % ("; ".join(refused), path))
            return path
        refused.append("%s is Python %d.%d.%d and %s" % ((command[0],) + version + (bad,)))
    hint = "install Python 3.%d or newer" % oldest[1]
    if any("venv" in reason for reason in refused):
        hint = "on Debian or Ubuntu: apt-get install python3-venv; elsewhere " + hint
    raise Stopped(
        "no suitable Python was found (" + "; ".join(refused or ["none starts"]) + ")",
        hint + " (3.%d at most), and repeat; or name one: make lab PYTHON=python3.12" % (beyond[1] - 1),
    )
