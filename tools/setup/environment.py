"""Make the course's environment from its lock files, from a bare Python; does nothing when it is already right.

Nothing is resolved at install time: every package is named with its version and its files' hashes, so no release of
tomorrow can change or break a set-up. pip fetches one wheel, uv; uv installs the rest (pip does where uv has no wheel).
"""

import ast
import os
import re
import shutil
import subprocess

from .common import LOCKS, ROOT, Stopped, python_of, read, say
from .installers import install
from .pythons import choose_python, describe

WHAT = {"learner": "the course", "dev": "tests and the website"}
DOWNLOAD = {"learner": "about 290 MB", "dev": "about 200 MB"}
SETTINGS = os.path.join("tools", "jupyterlab", "course_lib.json")


def note(venv, *parts):
    """The path under which the environment keeps a note of what it was made from."""
    return os.path.join(venv, "course-setup", *parts)


def write_note(venv, name, text):
    os.makedirs(note(venv), exist_ok=True)
    with open(note(venv, name) + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(note(venv, name) + ".part", note(venv, name))


def is_ready(venv, layer="learner"):
    """Whether the environment holds a layer as its lock file says. The notes are written last, so an interrupted set-up
    has none of its layer; an environment whose Python was replaced beneath it, or that was moved, is not ready."""
    wanted = read(os.path.join(ROOT, LOCKS[layer]))
    return (
        read(note(venv, LOCKS[layer])) == wanted != ""
        and read(note(venv, "settings")) == read(os.path.join(ROOT, SETTINGS))
        and is_sound(venv)
    )


def is_sound(venv):
    """Whether the environment was made here, whole, and its Python is still the one that it was made with."""
    version, _, place = read(note(venv, "made")).partition(" ")
    found = describe([python_of(venv)])
    return place == ROOT and found is not None and version == "%d.%d" % found[0][:2]


def pins(lock):
    """Names that a lock file pins."""
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, flags=re.MULTILINE))


def make_venv(venv, python):
    """A new, empty environment in the place of whatever is there."""
    version = "%d.%d" % describe([python])[0][:2]
    say("Making %s with Python %s" % (venv, version))
    done = subprocess.run([python, "-m", "venv", "--clear", venv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()[-600:]
        if "No space left" in said:
            raise Stopped("the disk is full", "free about 3 GB and repeat.")
        raise Stopped(
            "the virtual environment could not be made (" + said + ")",
            "check free space and that you may write here; on Debian or Ubuntu: apt-get install python3-venv.",
        )
    write_note(venv, "made", version + " " + ROOT)


def point_to_course(venv):
    """Let the environment's Python find `course_lib` where it lies, and JupyterLab the settings of the course."""
    code = "import sysconfig; print(ascii(sysconfig.get_paths()['purelib']))"
    packages = ast.literal_eval(subprocess.check_output([python_of(venv), "-c", code]).decode())
    with open(os.path.join(packages, "course_lib.pth"), "w", encoding="ascii") as file:  # whatever letters the path has
        file.write("import sys; sys.path.append(" + ascii(ROOT) + ")\n")
    settings = os.path.join(venv, "share", "jupyter", "lab", "settings", "overrides.d")
    if os.path.exists(os.path.join(ROOT, SETTINGS)):
        os.makedirs(settings, exist_ok=True)
        shutil.copyfile(os.path.join(ROOT, SETTINGS), os.path.join(settings, "course_lib.json"))


def ensure(venv, layers):
    """Make the environment hold these layers of packages ("learner", then "dev"), if it does not yet.

    Packages that a person added stay. Those that an earlier version of the course needed, and no layer does now, go.

    Raises:
        Stopped: it cannot; the reason and the mend.
    """
    named = os.environ.get("COURSE_PYTHON")  # a Python that was asked for; else an environment keeps the one it has
    asked = describe([named]) if named else None
    sound = is_sound(venv) and not os.path.exists(note(venv, "begun-learner"))
    sound = sound and (asked is None or read(note(venv, "made")).startswith("%d.%d " % asked[0][:2]))
    missing = [layer for layer in layers if not (sound and is_ready(venv, layer))]
    if not missing:
        return
    try:
        before = set().union(*(pins(read(note(venv, lock))) for lock in LOCKS.values())) if sound else set()
        if not sound:
            make_venv(venv, choose_python(named))
        for layer in missing:
            again = os.path.exists(note(venv, "begun-" + layer))
            write_note(venv, "begun-" + layer, "")
            say("Installing what %s needs (%s to download, once)" % (WHAT[layer], DOWNLOAD[layer]))
            install(venv, os.path.join(ROOT, LOCKS[layer]), again)
            point_to_course(venv)
            write_note(venv, "settings", read(os.path.join(ROOT, SETTINGS)))
            write_note(venv, LOCKS[layer], read(os.path.join(ROOT, LOCKS[layer])))
            os.remove(note(venv, "begun-" + layer))
        remove_outdated(venv, before)
    except OSError as error:
        if error.errno == 28:
            raise Stopped("the disk is full", "free about 3 GB and repeat; what was downloaded is kept.")
        raise Stopped(str(error), "check that you may write to " + venv + ", or name a folder in COURSE_HOME.")
    say("Ready: " + venv)


def remove_outdated(venv, before):
    """Uninstall what earlier locks pinned and today's do not."""
    now = set().union(*(pins(read(os.path.join(ROOT, lock))) for lock in LOCKS.values()))
    if before - now:
        command = [python_of(venv), "-m", "pip", "uninstall", "--yes", "--quiet", "--disable-pip-version-check"]
        subprocess.run(command + sorted(before - now), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
