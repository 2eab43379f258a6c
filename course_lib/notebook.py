"""The first line of every notebook: compile cache on, one figure style."""

import contextlib
import importlib
import shutil
import sys
from pathlib import Path

import jax

from course_lib import places

LEAST_BYTES = 50_000_000  # a chapter compiles a few megabytes; below this, other things need the space more
# How JAX packs a program: the module, and how its files begin. (Where the package zstandard is installed, otherwise.)
PACKED = ("compression.zstd", b"\x28\xb5\x2f\xfd") if sys.version_info >= (3, 14) else ("zlib", b"\x78")


def compile_cache_folder() -> Path:
    """Where compiled programs are kept: in `COURSE_CACHE_DIR`, else in the user's cache folder.

    Each Python has its own, for they pack programs in different ways.
    """
    return places.cache_folder("compiled") / "python{}.{}".format(*sys.version_info)


def use_compile_cache(folder: Path | None = None) -> Path:
    """Keep every program that XLA compiles on disk, so that the second run of a notebook starts at once.

    Raises:
        OSError: the folder cannot be made or written, or its disk is full; the message names `COURSE_CACHE_DIR`.
    """
    folder = folder or compile_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not places.may_write(folder):
            raise PermissionError("not writable")
        if (free := shutil.disk_usage(folder).free) < LEAST_BYTES:
            raise OSError(f"its disk is full: {free / 1e6:.0f} MB free")
        drop_unfinished(folder)
    except OSError as error:
        raise OSError(
            f"The compile cache folder {folder} cannot be used ({error}). "
            "Set COURSE_CACHE_DIR to a folder that you may write to, on a disk with space."
        ) from error
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def drop_unfinished(folder: Path) -> None:
    """Remove programs of which only a part was written: JAX would warn of them in every run, and never replace them.

    A disk that was full leaves some, or a kernel that was stopped. Only what is newer than the last look is read.
    """
    module, beginning = PACKED
    note = folder / "looked-through"
    since = note.stat().st_mtime - 60 if note.is_file() else 0.0
    for file in folder.glob("*-cache"):
        with contextlib.suppress(OSError):  # another kernel may have it open, or have removed it
            if file.stat().st_mtime < since:
                continue
            try:
                content = file.read_bytes()
                if content.startswith(beginning) or not content:
                    importlib.import_module(module).decompress(content)
            except Exception:  # each module has its own; and a file that may not be read is of no use either
                file.unlink()
    note.touch()


def start() -> None:
    """Prepare a notebook: the persistent compile cache and the course's figure style.

    A cache folder that cannot be written costs time, not correctness: it is reported, not raised.
    """
    places.ensure_home()
    from course_lib.figures import style

    style.use()
    try:
        use_compile_cache()
    except OSError as error:
        print(f"Continuing without a compile cache. {error}")
