"""Binary data sets in .npz files."""

import math
import zipfile
import zlib
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
    try:
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as file:
            missing = [key for key in keys if key not in file.files]
            if missing:
                raise ValueError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(file.files) or 'nothing'}.")
            for key in keys:
                _require_promised_bytes(archive, path, key)
            return {key: file[key] for key in keys}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Fetch or write it again.") from error


HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _require_promised_bytes(archive: zipfile.ZipFile, path: Path, key: str) -> None:
    """The member is an array of numbers, as large as its header says: looked up before memory is asked for."""
    names = [name for name in (f"{key}.npy", key) if name in archive.namelist()]
    with archive.open(names[0]) as member:
        try:
            version = np.lib.format.read_magic(member)
            shape, _, dtype = HEADERS[version](member)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path}: {key} is no array ({error}). Write the file with numpy.savez.") from error
        if dtype.hasobject:
            raise ValueError(f"{path}: {key} holds Python objects; expected numbers.")
        promised, there = dtype.itemsize * math.prod(shape), archive.getinfo(names[0]).file_size - member.tell()
    if promised != there:
        raise ValueError(
            f"{path}: {key} is damaged: its header says {dtype}{list(shape)}, {promised:,} bytes, and {there:,} are "
            "there. Fetch or write the file again."
        )


def read_mnist(path: str | Path, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """`x_train` and `x_test`, uint8 (n, 28, 28), of mnist.npz.

    Raises: ValueError: no .npz file, a damaged one, a key is missing, images of another shape, or fewer than `least`
        training images or no test image.
    """
    arrays = read_arrays(Path(path), ("x_train", "x_test"))
    for (name, images), wanted in zip(arrays.items(), (least, 1), strict=True):
        if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
            raise ValueError(f"{path}: {name} is {images.dtype}{list(images.shape)}; expected uint8 (n, 28, 28).")
        if len(images) < wanted:
            raise ValueError(f"{path}: {name} has {len(images)} images; {wanted} are needed.")
    return arrays["x_train"], arrays["x_test"]
