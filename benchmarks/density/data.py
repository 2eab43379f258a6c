"""Binary data sets in .npz files."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Binary:
    """Rows of 0 and 1 (float32), split in three; `new` marks the test rows that do not occur in train."""

    name: str
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    @property
    def num_inputs(self) -> int:
        return self.train.shape[1]

    @property
    def new(self) -> np.ndarray:
        seen = {row.tobytes() for row in self.train}
        return np.array([row.tobytes() not in seen for row in self.test])


def load_binary(path: str | Path) -> Binary:
    """Read `train`, `valid` and `test`.

    Raises: ValueError: no .npz file, a key is missing, an array is no matrix, is empty or differs in width, or a
        value is neither 0 nor 1.
    """
    path = Path(path)
    arrays = read_arrays(path, PARTS)
    for part, x in arrays.items():
        if x.ndim != 2 or not x.size:
            raise ValueError(f"{path}: {part} has shape {x.shape}; expected (rows, columns), at least one of each.")
        if x.dtype.kind not in "buif":
            raise ValueError(f"{path}: {part} has dtype {x.dtype}; expected numbers, 0 and 1.")
        bad = ~((x == 0) | (x == 1))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{path}: {part} holds {bad.sum()} values that are neither 0 nor 1, the first in row {row}, column "
                f"{column}: {x[row, column]}. Binarize the data first."
            )
    widths = {part: x.shape[1] for part, x in arrays.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(f"{path}: the parts differ in width: {widths}. They must hold the same columns.")
    return Binary(path.stem, *(arrays[part].astype(np.float32) for part in PARTS))


def read_arrays(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays under these keys, or an error that says what is there instead."""
    if not path.is_file():
        raise ValueError(f"{path} is no file.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz file (a zip archive of arrays, written by numpy.savez).")
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in keys if key not in file.files]
        if missing:
            raise ValueError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(file.files) or 'nothing'}.")
        return {key: file[key] for key in keys}
