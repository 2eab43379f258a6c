"""What a benchmark's command line takes: numbers in their range, files that are there, places that can be written.

Each is a `type` for `argparse`: a wrong value ends the program with one line before any minute is spent.
"""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from course_lib import places

LARGEST_SEED = 2**32 - 1


def integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def read(text: str) -> int:
        wanted = f"a whole number from {least} to {most}" if most is not None else f"a whole number, {least} at least"
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}; expected {wanted}.") from None
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{value}; expected {wanted}.")
        return value

    return read


seed = integer(0, LARGEST_SEED)


def positive(text: str) -> float:
    """A finite number greater than 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number greater than 0.")
    return value


def _file(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; name a file in it.")
    return path


def readable_file(text: str) -> Path:
    """A file that is there and may be read."""
    path = _file(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path} is not there.")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{path} may not be read.")
    return path


def new_file(text: str) -> Path:
    """A file that can be written, now or when the measuring is done."""
    path = _file(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is no folder; make it first, or name another.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} may not be written; name another file.")
    return path


def folder(text: str) -> Path:
    """A folder that can be written, or made."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a file; name a folder.")
    if not places.may_write(path):
        raise argparse.ArgumentTypeError(f"{path} may not be written; name another folder.")
    return path
