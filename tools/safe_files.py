"""Files that are never seen half-written, and dated back-ups."""

import os
from datetime import datetime
from pathlib import Path


def write_in_one_step(path: Path, content: bytes) -> None:
    """Put the content in its place at once; if that fails (a full disk), the old file stays as it was.

    Raises:
        OSError: the file could not be written; nothing has changed.
    """
    path = path.resolve()  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def back_up(content: bytes, name: str, folder: Path) -> Path:
    """Keep the content as a file of `folder` whose name begins with the date and the time."""
    moment = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    number = 1
    while (path := folder / f"{moment}{f'-{number}' if number > 1 else ''}_{name}").exists():
        number += 1
    write_in_one_step(path, content)
    return path
