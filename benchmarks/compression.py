"""Bytes in a file against the bits that a model promises: `python -m benchmarks.compression [--mnist FOLDER]`.

Binary images of digits: scikit-learn's of 8×8 pixels, 500 kept back from training; or 2,000 of MNIST's of 28×28, from
a folder. MADE and a VAE are trained on the training images; the test images are compressed and decompressed, and each
must come back. Beside the models: gzip and PNG and lossless WebP, all images in one file (for PNG a sheet of 1 bit a
pixel), which favours them. `promise` is −log₂ p(x) or −ELBO / log 2; `file` counts every byte, header and checksums
included. A header and the first random bits cost some dozens of bytes, however many images there are: `all` is the
excess of one file with all images of a small data set, trained on or not. The last line is JSON: the figures, and
whether the limits hold: `all` at most 1 % for range coding and 2 % for bits back, and files of the test images smaller
than all others.
"""

import argparse
import gzip
import io
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from PIL import Image

from benchmarks.arguments import integer
from course_lib.autoregressive import Made, negative_log_likelihood
from course_lib.coding import compress, decompress
from course_lib.command import run_command
from course_lib.data import binarize, digits_8x8, flatten, mnist
from course_lib.training import fit
from course_lib.vae import Vae, negative_elbo


def sheet(images: np.ndarray) -> Image.Image:
    """All images of 0 and 1 under each other, as one picture of 1 bit a pixel."""
    side = int(np.sqrt(images.shape[1]))
    return Image.fromarray(images.reshape(-1, side).astype(bool))


def saved(picture: Image.Image, **settings: Any) -> int:
    """Bytes of the picture in a file."""
    file = io.BytesIO()
    picture.save(file, **settings)
    return file.tell()


def general(images: np.ndarray) -> dict[str, int]:
    """Bytes of all images in the formats that know no model."""
    parts = [images[i : i + 500] for i in range(0, len(images), 500)]  # WebP takes 16,383 pixels a side
    return {
        "raw, 1 bit a pixel": len(np.packbits(images.astype(bool)).tobytes()),
        "gzip": len(gzip.compress(np.packbits(images.astype(bool)).tobytes(), 9)),
        "PNG": saved(sheet(images), format="PNG", optimize=True),
        "WebP, lossless": sum(saved(sheet(p).convert("RGB"), format="WEBP", lossless=True, quality=100) for p in parts),
    }


def promise(model: Any, x: np.ndarray) -> float:
    """−log₂ p(x), or −ELBO / log 2 from 20 draws of z, of an image on average."""
    nats = model.elbo(jax.random.key(1), x, 20) if isinstance(model, Vae) else model.log_prob(x)
    return -float(nats.mean()) / np.log(2)


def main() -> None:
    """Train, compress, decompress, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--mnist", type=Path, metavar="FOLDER", help="folder that holds mnist.npz; without it the 8×8 digits are used"
    )
    parser.add_argument("--epochs", type=integer(1), default=30, help="of MADE; the VAE gets three times as many")
    parser.add_argument("--images", type=integer(1), help="how many test images (default: 500, with --mnist 2000)")
    given = parser.parse_args()
    given.images = given.images or (2000 if given.mnist else 500)
    try:
        data = mnist(given.mnist) if given.mnist else digits_8x8()
    except (FileNotFoundError, PermissionError, ValueError) as error:
        parser.error(f"--mnist: {error}")
    kept_back = data.test.images if given.mnist else np.concatenate([data.test.images, data.valid.images])
    train, test = (np.asarray(binarize(flatten(images))) for images in (data.train.images, kept_back))
    test = test[: given.images]
    everything = test if given.mnist else np.concatenate([train, test])
    d, hidden = train.shape[1], 500 if given.mnist else 100
    models = {
        "MADE, range coding": (Made(d, [hidden], rngs=nnx.Rngs(0)), negative_log_likelihood),
        "VAE, bits back": (Vae(d, [hidden], 50 if given.mnist else 8, rngs=nnx.Rngs(0)), negative_elbo),
    }
    print(f"{data.name}: {len(test)} test images of {d} pixels, in bytes an image\n")
    print(f"{'':20} {'promise':>9} {'file':>9} {'excess':>8} {'all':>8} {'encode s':>9} {'decode s':>9}")
    others = general(test)
    for name, size in others.items():
        print(f"{name:20} {'':9} {size / len(test):9.2f}")
    figures = {"data": data.name, "images": len(test), "bytes": dict(others)}
    holds = len(test) >= 500
    for name, (model, loss) in models.items():
        epochs, limit = (given.epochs, 0.01) if loss is negative_log_likelihood else (3 * given.epochs, 0.02)
        fit(model, loss, train, key=jax.random.key(0), epochs=epochs, progress=False)
        start = time.perf_counter()
        file = compress(model, test)
        middle = time.perf_counter()
        assert np.array_equal(decompress(model, file), test), "an image did not come back"
        seconds = f"{middle - start:9.1f} {time.perf_counter() - middle:9.1f}"
        long = compress(model, everything)
        assert np.array_equal(decompress(model, long), everything), "an image did not come back"
        bound, size = promise(model, test) / 8, len(file) / len(test)
        excess = len(long) / len(everything) / (promise(model, everything) / 8) - 1
        print(f"{name:20} {bound:9.2f} {size:9.2f} {size / bound - 1:8.2%} {excess:8.2%} {seconds}")
        figures["bytes"][name] = len(file)
        figures[f"{name}: excess"], figures[f"{name}: excess, all"] = round(size / bound - 1, 4), round(excess, 4)
        holds &= abs(excess) <= limit and len(file) < min(others.values())
    print(json.dumps(figures | {"lossless": True, "limits hold": bool(holds)}))


if __name__ == "__main__":
    run_command(main)
