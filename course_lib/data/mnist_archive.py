"""All 70,000 MNIST digits, from a folder or by an explicit download; never from a file that is not whole."""

import errno
import hashlib
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from course_lib import places
from course_lib.data.images import ImageData, Split

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "https://s3.amazonaws.com/img-datasets/mnist.npz",
)
FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"  # of the mirrors' file
CONTENT_SHA256 = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"  # of the arrays, however packed
ARRAYS = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}


def mnist(folder: str | Path | None = None, download: bool = False) -> ImageData:
    """MNIST: the first 50,000 training images to train, the last 10,000 of them to validate, 10,000 to test.

    The file `mnist.npz` (arrays x_train, y_train, x_test, y_test; uint8) is looked for in `folder`; without it in
    the folder named by the environment variable COURSE_DATA_DIR, then among earlier downloads.

    Args:
        folder: where `mnist.npz` lies; nowhere else is looked then.
        download: if the file is not there, fetch it (11 MB) into `folder`, or into the user's cache folder.
    Raises:
        FileNotFoundError: no file, and `download` is False; the message says how to get it.
        ConnectionError: no mirror gave the file.
        OSError: the disk is full, or the folder may not be written; nothing half-fetched stays.
        ValueError: a file was found but is partial, or not MNIST.
    Source: LeCun, Bottou, Bengio & Haffner 1998. The 50,000/10,000 cut is that of the NADE and MADE papers.
    """
    own = [folder] if folder else list(filter(None, [os.environ.get("COURSE_DATA_DIR")]))
    fetched = None if folder else places.cache_folder("data") / "mnist.npz"
    files = [Path(os.path.expanduser(place), "mnist.npz") for place in own] + ([fetched] if fetched else [])
    found = next((file for file in files if os.path.isfile(file)), None)
    if download and found in (None, fetched):
        found = _download(files[-1])
    if found is None:
        raise FileNotFoundError(f"No MNIST file at {' or '.join(map(str, files))}. {_what_to_do()}")
    x_train, y_train, x_test, y_test = _read(found)
    return ImageData(
        "MNIST", Split(x_train[:50000], y_train[:50000]), Split(x_train[50000:], y_train[50000:]), Split(x_test, y_test)
    )


def _what_to_do() -> str:
    return (
        "With a network: mnist(download=True). Without: get mnist.npz on another machine from "
        f"{' or '.join(MIRRORS)}, put it in a folder, and set COURSE_DATA_DIR to that folder. "
        "mnist_5k() and digits_8x8() need no download."
    )


def _download(file: Path) -> Path:
    """Fetch from the first mirror that gives the right file; pooch moves it into place once its checksum is right."""
    import pooch

    failures = []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not places.may_write(file.parent):
            raise PermissionError(errno.EACCES, "Permission denied", str(file.parent))
    except OSError as error:
        raise _not_kept(file, error) from error
    for url in MIRRORS:
        try:
            fetch: Any = pooch.HTTPDownloader(timeout=30, progressbar=True, chunk_size=2**16)
            pooch.retrieve(url, f"sha256:{FILE_SHA256}", fname=file.name, path=file.parent, downloader=fetch)
            return file
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in places.NO_SPACE | places.DENIED:
                raise _not_kept(file, error) from error
            failures.append(f"{url}: {type(error).__name__}: {str(error)[:200]}")
    raise ConnectionError("No mirror gave the MNIST file. " + _what_to_do() + "\n" + "\n".join(failures))


def _not_kept(file: Path, error: OSError) -> OSError:
    """What came in the way of writing the file, and what to do; of the same errno and class."""
    return OSError(
        error.errno or errno.EIO,
        f"The MNIST file (11 MB) cannot be written to {file.parent}: {error.strerror or error}. Free some space there, "
        "or name a folder that you may write to: mnist(FOLDER, download=True), or in COURSE_CACHE_DIR. "
        f"{_what_to_do()}",
    )


def _read(file: Path) -> list[np.ndarray]:
    """The four arrays, images as float32 in [0, 1] and labels as int32, only if they are exactly MNIST's."""
    try:
        with file.open("rb") as stream, np.load(stream) as archive:
            arrays = [archive[name] for name in ARRAYS]
    except PermissionError as error:
        raise PermissionError(f"{file} may not be read: it belongs to somebody else. {_what_to_do()}") from error
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} is damaged or no MNIST archive ({error}). Delete it. {_what_to_do()}") from error
    digest = hashlib.sha256()
    for (name, shape), array in zip(ARRAYS.items(), arrays, strict=True):
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(
                f"{file} is not MNIST: {name} is {array.dtype} of shape {array.shape}, expected uint8 of shape "
                f"{shape}. Delete it. {_what_to_do()}"
            )
        digest.update(np.ascontiguousarray(array).tobytes())
    if digest.hexdigest() != CONTENT_SHA256:
        raise ValueError(f"{file} does not hold MNIST's pixels and labels (checksum differs). {_what_to_do()}")
    return [a.astype(np.float32) / np.float32(255) if a.ndim == 3 else a.astype(np.int32) for a in arrays]
