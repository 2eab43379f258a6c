"""Every command line prints on every terminal: cp1252 and ASCII, piped, without a locale, and into a closed pipe."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from course_lib import command
from tests.places.people import ROOT, environment, in_ascii, python

ROOMS = ("benchmarks", "book", "course_lib", "tools")


def starts_as_program(path: Path) -> bool:
    """True for a file with `if __name__ == "__main__"`."""
    tests = [node.test for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    return any(ast.unparse(test).startswith("__name__ ==") for test in tests)


def entry_points() -> list[str]:
    """Everything that `python -m` starts, found in the files."""
    every = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    found = [path.relative_to(ROOT) for path in every if "node_modules" not in path.parts and starts_as_program(path)]
    return sorted(".".join(path.with_suffix("").parts).removesuffix(".__main__") for path in found)


# All in one process, for each loads the same libraries. After the program has ended, its stdout must still take signs
# that the encoding lacks: so a program is found out whose own text happens to need none.
ASK_FOR_HELP = """
import io, json, runpy, sys
told = {}
for name in sys.argv[1:]:
    for encoding in ("ascii", "cp1252"):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding, errors) for errors in ("strict", "backslashreplace"))
        sys.argv, sys.stdout, sys.stderr = [name, "--help"], out, err
        try:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
            status = None
        except SystemExit as end:
            status = end.code or 0
        except BaseException as error:
            status = repr(error)
        try:
            print("\\u2264 \\u6570 \\U0001f600 \\udce9", file=out, flush=True)
        except UnicodeEncodeError as error:
            status = repr(error)
        text = out.buffer.getvalue().decode(encoding)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        told[f"{name} {encoding}"] = [status, text]
print(json.dumps(told))
"""


def ask_for_help(*names: str, **options: object) -> dict[str, tuple[object, str]]:
    done = python("-c", ASK_FOR_HELP, *names, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def help_texts() -> dict[str, tuple[object, str]]:
    return ask_for_help(*entry_points())


def test_all_entry_points_are_found():
    assert {"benchmarks.density", "benchmarks.training", "course_lib.doctor", "tools.build_book"} <= {*entry_points()}
    assert len(entry_points()) >= 18


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("name", entry_points())
def test_help_is_shown(help_texts, name: str, encoding: str):
    status, text = help_texts[f"{name} {encoding}"]
    assert status == 0
    assert "usage" in text
    sign = "\\u2264" if name == "course" else "<="  # what runs before the library is there knows no plain signs
    assert text.endswith(sign + " \\u6570 \\U0001f600 \\udce9" + os.linesep)


@pytest.mark.parametrize(("last", "status"), [("sys.exit(main())", "UnicodeEncodeError"), ("run_command(main)", 0)])
def test_a_new_program_without_the_mend_is_found_out(tmp_path: Path, last: str, status: object):
    """Negative control: plain text alone does not let it pass."""
    lines = ["import sys", "from course_lib.command import run_command", "def main():", "    print('usage')"]
    code = "\n".join([*lines, 'if __name__ == "__main__":', f"    {last}\n"])
    (tmp_path / "newcomer.py").write_text(code, encoding="utf-8")
    assert starts_as_program(tmp_path / "newcomer.py")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    told = ask_for_help("newcomer", env=environment(PYTHONPATH=path), cwd=tmp_path)
    found = told["newcomer ascii"][0]
    assert found == status or (isinstance(found, str) and isinstance(status, str) and found.startswith(status))


TERMINALS = {
    "cp1252": environment(PYTHONIOENCODING="cp1252", PYTHONUTF8="0"),
    "ASCII and LC_ALL=C": in_ascii(),
    "LANG unset": environment(),
}


@pytest.mark.parametrize("terminal", TERMINALS)
def test_the_doctor_reports(terminal: str, tmp_path: Path):
    """Real output: the arrows before the mends, the name of the 8×8 digits, a folder whose name has other letters."""
    folder = tmp_path / "é 数"
    done = python(
        "-m", "course_lib.doctor", env=TERMINALS[terminal] | {"COURSE_CACHE_DIR": str(folder), "COURSE_DATA_DIR": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "This machine is ready." in done.stdout
    lines = done.stdout.splitlines()
    wanted = {
        "cp1252": "ok       8\\xd78 digits",
        "ASCII and LC_ALL=C": "ok       8x8 digits",
        "LANG unset": "ok       8×8",
    }
    assert any(line.startswith(wanted[terminal]) for line in lines)
    mend = "→ " if terminal == "LANG unset" else "-> "
    assert any(line.strip().startswith(f"{mend}No chapter needs it") for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_benchmark_prints_its_table_and_its_errors(encoding: str, tmp_path: Path):
    rng = np.random.default_rng(0)
    file = tmp_path / "数 é.npz"
    np.savez(file, **{part: rng.integers(0, 2, (20, 4)) for part in ("train", "valid", "test")})
    terminal = in_ascii(PYTHONIOENCODING=encoding)
    command = ["-m", "benchmarks.density", file, "--models", "bernoulli", "--json", tmp_path / "rows.json"]
    done = python(*command, env=terminal)
    assert done.returncode == 0, done.stderr
    assert "+/- s.e." in done.stdout if encoding == "ascii" else "\\xb1 s.e." in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["model"] == "bernoulli"
    row = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert row["test_nll_nats"] == json.loads(done.stdout.splitlines()[-1])["test_nll_nats"]
    wrong = python("-m", "benchmarks.density", tmp_path / "数.npz", env=terminal)
    assert wrong.returncode == 2
    assert "is not there" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_notebooks_are_checked(tmp_path: Path):
    done = python("-m", "tools.build_notebooks", "--check", "数", env=in_ascii())
    assert (done.returncode, "no source in notebooks/source for" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_a_progress_bar_and_a_history_in_ascii():
    code = "from tests.training.problems import line, train\nfrom course_lib.command import run_command\n"
    code += "run_command(lambda: print('\\u2192', train(line(), progress=True)))"
    done = python("-c", code, env=in_ascii())
    assert done.returncode == 0, done.stderr
    assert "0/5" in done.stderr
    assert done.stdout.startswith("-> ")


def test_a_reader_that_goes_away_is_no_traceback():
    code = "from course_lib.command import run_command\nrun_command(lambda: print('x\\n' * 10**6))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("text", "plain"),
    [("≤ −½ → µ", "<= -1/2 -> mu"), ("é数ß\udce9", "e\\u6570\\xdf\\udce9"), ("x⁻¹", "x-1"), ("Σβ² ✓", "Sigmabeta2 ok")],
)
def test_signs_are_written_with_what_there_is(text: str, plain: str):
    assert text.encode("ascii", "course_lib.plainly").decode() == plain


def test_all_signs_of_the_command_lines_have_a_plain_form():
    """No program's own text shows a number in place of a sign."""
    signs = {
        sign
        for name in entry_points()
        for path in [ROOT.joinpath(*name.split(".")).with_suffix(".py")]
        if path.is_file()
        for sign in path.read_text(encoding="utf-8")
        if not sign.isascii()
    }
    assert [sign for sign in sorted(signs) if "\\" in sign.encode("ascii", "course_lib.plainly").decode()] == []


def test_what_is_not_the_persons_to_mend_stays_a_traceback():
    assert command.reason(OSError(2, "No such file or directory")) is None
    assert command.reason(OSError("of no known kind")) is None
