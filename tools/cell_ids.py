"""A built cell carries a digest of its own text as its id, so that a cell edited by hand is known from any other."""

import hashlib
import re
from collections.abc import Sequence

from nbformat import NotebookNode

DIGEST = re.compile(r"([0-9a-f]{8})(-\d+)?")


def cell_digest(cell_type: str, source: str) -> str:
    return hashlib.sha256(f"{cell_type}\n{source}".encode()).hexdigest()[:8]


def number_cells(cells: Sequence[NotebookNode]) -> None:
    """Give every cell its id; of equal cells the second gets `-2`, the third `-3`."""
    seen: dict[str, int] = {}
    for cell in cells:
        digest = cell_digest(cell.cell_type, cell.source)
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def is_as_built(cell: NotebookNode) -> bool:
    """Whether the cell's text is the one that the course gave it."""
    match = DIGEST.fullmatch(cell.get("id", ""))
    return match is not None and match[1] == cell_digest(cell.cell_type, cell.source)
