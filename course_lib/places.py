"""Where the course keeps things for the person who runs it: also without a home, or with one that nobody may write."""

import errno
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

NAME = "deep-generative-models-course"
HOME = "USERPROFILE" if os.name == "nt" else "HOME"
NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
DESKTOP = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


def may_write(folder: Path) -> bool:
    """Whether files can be put there, or the folder be made. Nothing is written to find out."""
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def cache_folder(part: str) -> Path:
    """The folder for `part` of what can be made or fetched again: "compiled", "data". It need not exist yet.

    It lies in `COURSE_CACHE_DIR` if that is set, else in the user's cache folder, else in a `stand_in`.
    """
    return _folder("user_cache_dir", part)


def own_folder(part: str) -> Path:
    """The folder for `part` of what the user made: "progress". It lies as `cache_folder`, but among the user's data."""
    return _folder("user_data_dir", part)


def _folder(usual_place: str, part: str) -> Path:
    import platformdirs

    named = os.environ.get("COURSE_CACHE_DIR")
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)), part)
    try:
        usual = Path(getattr(platformdirs, usual_place)(NAME), part)
    except RuntimeError:  # nobody knows a home; some versions give "~/..." then
        return stand_in() / part
    return usual if usual.is_absolute() and may_write(usual) else stand_in() / part


@cache
def stand_in() -> Path:
    """A private folder among the temporary files, the same each time and nobody else's: for a home that is missing.

    Raises:
        OSError: there is no folder for temporary files either.
    """
    if not hasattr(os, "getuid"):
        return Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    folder = Path(tempfile.gettempdir(), f"{NAME}-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix=f"{NAME}-"))  # somebody else took that name


def ensure_home() -> None:
    """Let this process and those that it starts have a home folder: Jupyter, Matplotlib and npm cannot do without.

    A home that is missing, may not be written, or is the whole disk is replaced in the environment by a `stand_in`.
    Folders that the desktop's variables name are left out where they are relative or may not be written.
    """
    for name in DESKTOP:
        folder = Path(os.environ.get(name) or "/")
        if name in os.environ and not (folder.is_absolute() and may_write(folder)):
            del os.environ[name]
    try:
        home = Path.home()
        usable = home.is_absolute() and home != Path(home.anchor) and home.is_dir() and may_write(home)
    except (RuntimeError, OSError):  # neither the environment nor the list of users names one, or nobody may look
        usable = False
    if not usable:
        os.environ[HOME] = str(stand_in())
