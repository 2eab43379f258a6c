"""Build the notebooks from their sources: `python -m tools.build_notebooks [NAMES] [--check] [--force] [--solved]`.

Each `notebooks/source/NN_name.py` gives the learner edition `notebooks/NN_name.ipynb`, executed, and the solved
edition `build/solved/NN_name.ipynb`, which the tests execute. Only what changed is built again.
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

from tools.notebook_digest import ROOT, changes, digests
from tools.notebook_outputs import OutputError, clean
from tools.notebook_source import METADATA, SourceError, describe, learner_edition, solved_edition

MOST_BYTES = 1_500_000
CELL_TIMEOUT = 300
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "PYTHONHASHSEED": "0"}


class BuildError(Exception):
    """A notebook that could not be built."""


def learner_path(source: Path, root: Path) -> Path:
    return root / "notebooks" / f"{source.stem}.ipynb"


def solved_path(source: Path, root: Path) -> Path:
    return root / "build" / "solved" / f"{source.stem}.ipynb"


def sources(root: Path, names: Sequence[str] = ()) -> list[Path]:
    """The sources to work on: all, or those named (`03`, `03_normalizing_flow`, or a path)."""
    every = sorted((root / "notebooks" / "source").glob("*.py"))
    wanted = [Path(name).stem for name in names]
    unknown = [name for name in wanted if not any(path.stem.startswith(name) for path in every)]
    if unknown:
        raise BuildError(f"no source in notebooks/source for {', '.join(unknown)}")
    return [path for path in every if not wanted or any(path.stem.startswith(name) for name in wanted)]


def execute(notebook: NotebookNode, name: str, folder: Path) -> None:
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
        raise BuildError(f"{name}: {describe(cell, number)} raised\n{trace}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise BuildError(f"{name}: {error}") from error


def build(source: Path, root: Path) -> Path:
    """Execute the learner edition and put it in its place; the old one stays if anything fails."""
    notebook = learner_edition(source)
    current = digests(source, source.read_text(encoding="utf-8"), root)
    execute(notebook, source.stem, root / "notebooks")
    try:
        clean(notebook, root)
    except OutputError as error:
        raise BuildError("\n".join(f"{source.stem}: {line}" for line in str(error).splitlines())) from error
    notebook.metadata.update(METADATA, course=current)
    size = len(nbformat.writes(notebook).encode())
    if size > MOST_BYTES:
        raise BuildError(f"{source.stem}: {size:,} bytes; {MOST_BYTES:,} at most: fewer or smaller pictures")
    return write(notebook, learner_path(source, root))


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write the notebook in one step, so that no half-written file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.validate(notebook)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def staleness(source: Path, root: Path) -> list[str]:
    """Why the learner edition must be built again; empty when it need not."""
    path = learner_path(source, root)
    if not path.is_file():
        return ["it has not been built"]
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except (nbformat.ValidationError, nbformat.reader.NotJSONError, json.JSONDecodeError) as error:
        return [f"it is no valid notebook ({str(error).splitlines()[0]})"]
    reasons = changes(notebook.metadata.get("course", {}), digests(source, source.read_text(encoding="utf-8"), root))
    if [identity(c) for c in notebook.cells] != [identity(c) for c in learner_edition(source).cells]:
        reasons.append("its cells differ from those of its source")
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    if not outputs:
        reasons.append("it has no outputs")
    if any(o["output_type"] == "error" for o in outputs):
        reasons.append("it stores an error")
    if path.stat().st_size > MOST_BYTES:
        reasons.append(f"it has more than {MOST_BYTES:,} bytes")
    return reasons


def identity(cell: NotebookNode) -> tuple:
    return cell.cell_type, cell.get("id"), cell.source, cell.metadata


def check(chosen: Sequence[Path], root: Path) -> list[str]:
    """One line for every notebook that is stale or has no source."""
    lines = [f"{s.stem}: {reason}" for s in chosen for reason in staleness(s, root)]
    known = {learner_path(s, root) for s in sources(root)}
    return lines + [
        f"{path.stem}: no source in notebooks/source; delete it"
        for path in sorted((root / "notebooks").glob("*.ipynb")) if path not in known
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="tools.build_notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to work on, such as 03; default: all")
    parser.add_argument("--check", action="store_true", help="build nothing; fail if a notebook is stale")
    parser.add_argument("--force", action="store_true", help="build also what has not changed")
    parser.add_argument("--solved", action="store_true", help="write the solved editions only, without executing")
    options = parser.parse_args(arguments)
    failures: list[str] = []
    try:
        chosen = sources(root, options.names)
        if options.check:
            failures = check(chosen, root)
            print("\n".join(failures or ["All notebooks are up to date."]))
            return int(bool(failures))
        for source in chosen:
            try:
                write(solved_edition(source), solved_path(source, root))
                reasons = [] if options.solved else staleness(source, root)
                if reasons or (options.force and not options.solved):
                    print(f"{source.stem}: building ({'; '.join(reasons) or 'forced'})", flush=True)
                    build(source, root)
            except (BuildError, SourceError) as error:
                failures.append(source.stem)
                print(error, file=sys.stderr, flush=True)
    except (BuildError, SourceError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Not built: {', '.join(failures)}" if failures else f"{len(chosen)} notebooks up to date.")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
