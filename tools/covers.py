"""Small pictures of the chapters for README.md, taken from the built notebooks: `python -m tools.covers [--check]`.

A chapter's cover is the picture of its cell tagged `cover`.
"""

import argparse
import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

from course_lib.command import run_command
from tools.safe_files import write_in_one_step

ROOT = Path(__file__).resolve().parents[1]
SIZE = (400, 240)


def cover(notebook: Path) -> bytes:
    """The picture of the cell tagged `cover`, shrunk to fit 400 × 240 pixels, as PNG.

    Raises:
        ValueError: the notebook has not exactly one such picture.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    tagged = [c for c in cells if "cover" in c["metadata"].get("tags", [])]
    pictures = [o["data"]["image/png"] for c in tagged for o in c["outputs"] if "image/png" in o.get("data", {})]
    if len(pictures) != 1:
        raise ValueError(f"{notebook.name} has {len(pictures)} pictures in cells tagged `cover`; it needs exactly one.")
    image = Image.open(io.BytesIO(base64.b64decode(pictures[0]))).convert("RGB")
    image.thumbnail(SIZE, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a cover is missing or old")
    check = parser.parse_args(arguments).check
    folder, stale = root / "book" / "covers", []
    for notebook in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        picture, path = cover(notebook), folder / f"{notebook.stem}.png"
        if path.is_file() and path.read_bytes() == picture:
            continue
        stale.append(path.name)
        if not check:
            write_in_one_step(path, picture)
    if check and stale:
        print(f"Covers out of date: {', '.join(stale)}. Run: make notebooks", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run_command(main)
