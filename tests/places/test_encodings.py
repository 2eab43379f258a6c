"""Every file that is opened as text names its encoding: Windows would read and write it in another one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("course_lib", "benchmarks", "tools", "book", "tests", "notebooks/source")
# Those that set up a course from a bare Python decode by themselves; their tests read what those print.
FILES = sorted({*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))})
FILES = [path for path in FILES if "node_modules" not in path.parts]
# name of the function: (place of the mode, the mode without one), or None where `text=True` makes it text
OPENERS = {
    "open": (1, "r"), "fdopen": (1, "r"), "Path.open": (0, "r"), "read_text": None, "write_text": None,
    "NamedTemporaryFile": (0, "w+b"), "TemporaryFile": (0, "w+b"), "SpooledTemporaryFile": (1, "w+b"),
    "TextIOWrapper": None,
}  # fmt: skip
PROCESSES = {"run", "Popen", "check_output", "check_call", "call"}


def unnamed(code: str) -> list[str]:
    """The lines of `code` that open text without saying which encoding it has."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and opens_text(node) and not names_encoding(node):
            found.append(f"{node.lineno}: {ast.unparse(node)[:90]}")
    return found


def opens_text(call: ast.Call) -> bool:
    given = {word.arg: word.value for word in call.keywords}
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        name = function.attr
        if owner == "subprocess" and name in PROCESSES:
            text = given.get("text", given.get("universal_newlines"))
            return isinstance(text, ast.Constant) and text.value is True
        if name == "open":
            if owner in ("Image", "webbrowser", "os", "tarfile", "archive", "DIRECTLY"):  # pictures, pages, bytes
                return False
            name = "open" if owner in ("io", "gzip", "builtins", "codecs", "bz2", "lzma") else "Path.open"
            if owner in ("gzip", "bz2", "lzma"):
                return "t" in mode(call, given, 1, "rb")
    elif isinstance(function, ast.Name):
        name = function.id
    else:
        return False
    if name not in OPENERS:
        return False
    place = OPENERS[name]
    return place is None or "b" not in mode(call, given, *place)


def mode(call: ast.Call, given: dict, place: int, usual: str) -> str:
    value = given.get("mode") or (call.args[place] if len(call.args) > place else None)
    if value is None:
        return usual
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def names_encoding(call: ast.Call) -> bool:
    words = {word.arg for word in call.keywords}
    place = {"read_text": 0, "write_text": 1}.get(getattr(call.func, "attr", ""))
    return bool({"encoding", None} & words) or (place is not None and len(call.args) > place)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_text_files_name_their_encoding(path: Path):
    assert unnamed(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("open('a')", True), ("open('a', 'w')", True), ("open('a', 'rb')", False), ("open('a', mode='wb')", False),
        ("open('a', encoding='utf-8')", False), ("path.open()", True), ("path.open('wb')", False),
        ("path.read_text()", True), ("path.read_text(encoding='utf-8')", False), ("path.write_text('x')", True),
        ("path.write_text('x', 'utf-8')", False), ("subprocess.run(['a'], text=True)", True),
        ("subprocess.run(['a'])", False), ("subprocess.run(['a'], text=True, encoding='utf-8')", False),
        ("subprocess.Popen(['a'], universal_newlines=True)", True), ("gzip.open('a')", False),
        ("gzip.open('a', 'rt')", True), ("Image.open('a')", False), ("os.fdopen(3, 'w')", True),
        ("tempfile.NamedTemporaryFile('w')", True), ("tempfile.TemporaryFile()", False),
    ],
)  # fmt: skip
def test_the_check_sees_what_it_should(code: str, bad: bool):
    assert bool(unnamed(code)) is bad
