"""Build the notebooks from their sources: `python -m tools.build_notebooks [NAMES] [--check] [--force] [--trial]`.

Each `notebooks/source/NN_name.py` gives the learner edition `notebooks/NN_name.ipynb`, executed; only what changed is
built again. `--trial` gives `build/trial/NN_name.ipynb`, which the tests execute: the same, and then the exercises.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course_lib.command import run_command
from tools.cell_ids import is_as_built
from tools.notebook_digest import ROOT, changes, digests
from tools.notebook_files import Unreadable, dump, parse
from tools.notebook_outputs import clean
from tools.notebook_source import METADATA, NotebookError, describe, learner_edition, trial_edition
from tools.repository import AddressError, repository
from tools.safe_files import back_up, write_in_one_step

MOST_BYTES = 1_500_000
CELL_TIMEOUT = 300
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "PYTHONHASHSEED": "0", "COURSE_PROGRESS": "off"}


def learner_path(source: Path, root: Path) -> Path:
    return root / "notebooks" / f"{source.stem}.ipynb"


def trial_path(source: Path, root: Path) -> Path:
    return root / "build" / "trial" / f"{source.stem}.ipynb"


def saved(source: Path, root: Path) -> NotebookNode | None:
    """The learner edition as it was built last, if it can be read."""
    path = learner_path(source, root)
    return parse(path.read_bytes()) if path.is_file() else None


def sources(root: Path, names: Sequence[str] = ()) -> list[Path]:
    """The sources to work on: all, or those named (`03`, `03_normalizing_flow`, or a path)."""
    every = sorted((root / "notebooks" / "source").glob("*.py"))
    wanted = [Path(name).stem for name in names]
    unknown = [name for name in wanted if not any(path.stem.startswith(name) for path in every)]
    if unknown:
        raise NotebookError(f"no source in notebooks/source for {', '.join(unknown)}")
    return [path for path in every if not wanted or any(path.stem.startswith(name) for name in wanted)]


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel whose working folder is `folder`."""
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}}, extra_arguments=["--IPKernelApp.log_level=40"],
    )  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | ENVIRONMENT
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        number, cell = next(
            (i, cell) for i, cell in enumerate(notebook.cells, start=1)
            if any(o["output_type"] == "error" for o in cell.get("outputs", []))
        )  # fmt: skip
        trace = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)
        raise NotebookError(f"{describe(cell, number)} raised\n{trace}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from error


def build(source: Path, root: Path) -> Path:
    """Execute the learner edition and put it in its place; the old one stays if anything fails."""
    notebook = learner_edition(source, repository(root))
    current = digests(source, source.read_text(encoding="utf-8"), root)
    execute(notebook, root / "notebooks")
    clean(notebook, root)
    notebook.metadata.update(METADATA, course=current)
    size = len(nbformat.writes(notebook).encode())
    if size > MOST_BYTES:
        raise NotebookError(f"{size:,} bytes; {MOST_BYTES:,} at most: fewer or smaller pictures")
    path = learner_path(source, root)
    if backup := keep_edits(path, root):
        print(f"{source.stem}: it was edited by hand; that version is in {backup.relative_to(root)}", flush=True)
    return write(notebook, path)


def keep_edits(path: Path, root: Path) -> Path | None:
    """A back-up of a notebook that somebody wrote into (outputs do not count), made before it is overwritten."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    try:
        edited = not all(is_as_built(cell) for cell in parse(content).cells)
    except Unreadable:
        edited = True
    if not edited:
        return None
    try:
        return back_up(content, path.name, root / "my_notebooks" / "backups")
    except OSError as error:
        raise NotebookError(f"{path.name} was edited by hand and stays: no back-up can be written ({error})") from error


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write the notebook in one step, so that no half-written file is ever seen."""
    write_in_one_step(path, dump(notebook))
    return path


def staleness(source: Path, root: Path) -> list[str]:
    """Why the learner edition must be built again; empty when it need not."""
    path, expected = learner_path(source, root), learner_edition(source, repository(root))
    if not path.is_file():
        return ["it has not been built"]
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except (nbformat.ValidationError, nbformat.reader.NotJSONError, json.JSONDecodeError) as error:
        return [f"it is no valid notebook ({str(error).splitlines()[0]})"]
    reasons = changes(notebook.metadata.get("course", {}), digests(source, source.read_text(encoding="utf-8"), root))
    built, made = ([(c.cell_type, c.get("id"), c.source, c.metadata) for c in n.cells] for n in (notebook, expected))
    if built != made:
        reasons.append("its cells differ from those of its source")
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    if not outputs:
        reasons.append("it has no outputs")
    if any(o["output_type"] == "error" for o in outputs):
        reasons.append("it stores an error")
    if path.stat().st_size > MOST_BYTES:
        reasons.append(f"it has more than {MOST_BYTES:,} bytes")
    return reasons


def check(chosen: Sequence[Path], root: Path) -> list[str]:
    """One line for every notebook that is stale, cannot be built, or has no source."""
    lines = []
    for source in chosen:
        try:
            lines += [f"{source.stem}: {reason}" for reason in staleness(source, root)]
        except (NotebookError, SyntaxError) as error:
            lines.append(f"{source.stem}: {error}")
    built = sorted((root / "notebooks").glob("*.ipynb"))
    known = [learner_path(source, root) for source in sources(root)]
    return lines + [f"{path.stem}: no source in notebooks/source; delete it" for path in built if path not in known]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="tools.build_notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to work on, such as 03; default: all")
    parser.add_argument("--check", action="store_true", help="build nothing; fail if a notebook is stale")
    parser.add_argument("--force", action="store_true", help="build also what has not changed")
    parser.add_argument("--trial", action="store_true", help="write what the tests execute, and no more")
    options = parser.parse_args(arguments)
    try:
        chosen = sources(root, options.names)
        repository(root)  # an address that no link can be made from stops everything, at once
        if options.check:
            lines = check(chosen, root)
            print("\n".join(lines) or "All notebooks are up to date.")
            return int(bool(lines))
    except (AddressError, NotebookError) as error:
        print(error, file=sys.stderr)
        return 1
    failures: list[str] = []
    for source in chosen:
        try:
            if options.trial:
                write(trial_edition(source, saved(source, root)), trial_path(source, root))
            elif reasons := staleness(source, root) or ["forced"] * options.force:
                print(f"{source.stem}: building ({'; '.join(reasons)})", flush=True)
                build(source, root)
        except (NotebookError, SyntaxError) as error:
            failures.append(source.stem)
            print("\n".join(f"{source.stem}: {line}" for line in str(error).splitlines()), file=sys.stderr, flush=True)
    for path in (root / "build" / "trial").glob("*.ipynb"):
        if path not in [trial_path(source, root) for source in sources(root)]:
            path.unlink()
    print(f"Not built: {', '.join(failures)}" if failures else f"{len(chosen)} notebooks up to date.")
    return int(bool(failures))


if __name__ == "__main__":
    run_command(main)
