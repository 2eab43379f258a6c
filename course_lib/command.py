"""How every command line of the course starts and ends: any terminal, any pipe, no home; a reason when it stops."""

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Callable
from typing import NoReturn

from course_lib import places

# What stands for a sign where the terminal lacks it. Greek letters are written by name, accents and the like left out.
PLAIN = {
    "→": "->",
    "←": "<-",
    "–": "-",
    "—": "-",
    "−": "-",
    "⁄": "/",
    "×": "x",
    "·": ".",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "±": "+/-",
    "∝": "~",
    "√": "sqrt",
    "∂": "d",
    "∇": "grad ",
    "§": "section ",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "✓": "ok",
    "✗": "x",
}
MENDS = (
    (places.NO_SPACE, "Free some space there and repeat. Files that were there before are whole."),
    (places.DENIED, "Copy the course to a folder that you may write to, or name such a folder, and repeat."),
)


def plain(sign: str) -> str:
    """A sign in ASCII; one that has no plain form as its number."""
    if sign.isascii() or sign in PLAIN:
        return PLAIN.get(sign, sign)
    name = unicodedata.name(sign, "").split()
    if name[:1] == ["GREEK"] and "LETTER" in name:
        return name[-1].lower() if "SMALL" in name else name[-1].capitalize()
    return "" if unicodedata.combining(sign) else sign.encode("ascii", "backslashreplace").decode()


def plainly(error: UnicodeError) -> tuple[str, int]:
    """How to encode what an encoding lacks: ≤ as <=, é as e, σ as sigma."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(plain, unicodedata.normalize("NFKD", signs))), error.end


codecs.register_error("course_lib.plainly", plainly)


def show_anywhere() -> None:
    """Let stdout and stderr take every text, whatever their encoding: none ends in a UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="course_lib.plainly")


def reason(error: OSError) -> str | None:
    """What happened and what to do, where it is for the person and not for the programmer to mend; else None."""
    mend = next((mend for kind, mend in MENDS if error.errno in kind), None)
    return f"\nStopped: {error}\nWhat to do: {mend}" if mend else None


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Run a command line and end the process with its exit status: `if __name__ == "__main__": run_command(main)`.

    Signs that the terminal lacks are written plainly; without a home folder there is one for the time being; a full
    disk, a folder that may not be written, Ctrl-C and a reader that has gone (`| head`) end it without a traceback.
    """
    show_anywhere()
    places.ensure_home()
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain while it ends
        status = 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        status = 130
    except OSError as error:
        text = reason(error)
        if text is None:
            raise
        print(text, file=sys.stderr)
        status = 1
    sys.exit(status)
