"""The first line of every notebook: compile cache on, one figure style."""

import os
from pathlib import Path

import jax
import platformdirs


def compile_cache_folder() -> Path:
    """Where compiled programs are kept: `COURSE_CACHE_DIR`, else the user's cache folder."""
    root = os.environ.get("COURSE_CACHE_DIR") or platformdirs.user_cache_dir("deep-generative-models-course")
    return Path(root) / "compiled"


def use_compile_cache(folder: Path | None = None) -> Path:
    """Keep every program that XLA compiles on disk, so that the second run of a notebook starts at once.

    Raises:
        OSError: the folder cannot be made or written; the message names `COURSE_CACHE_DIR`.
    """
    folder = folder or compile_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("not writable")
    except OSError as error:
        raise OSError(
            f"The compile cache folder {folder} cannot be used ({error}). "
            "Set COURSE_CACHE_DIR to a folder that you may write to."
        ) from error
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def start() -> None:
    """Prepare a notebook: the persistent compile cache and the course's figure style.

    A cache folder that cannot be written costs time, not correctness: it is reported, not raised.
    """
    from course_lib.figures import style

    style.use()
    try:
        use_compile_cache()
    except OSError as error:
        print(f"Continuing without a compile cache. {error}")
