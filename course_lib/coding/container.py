"""The file around a code: who wrote it, what is in it, and two checksums."""

import hashlib
import struct
import zlib
from dataclasses import dataclass

import jax
import numpy as np
from flax import nnx

MAGIC, VERSION = b"DGMc", 1
KINDS = ("autoregressive model, range coding", "VAE, bits back", "flow, local bits back")
START = struct.Struct("<4sB")  # magic, version
FIXED = struct.Struct("<BHIHB8sII")  # kind, levels, images, batch size, axes, model, pixels, words
CHECK = struct.Struct("<I")


class CodingError(ValueError):
    """A file that cannot be decoded: cut off, damaged, foreign, or written with another model.

    Taught in: 05a_the_bits_are_real, "What a bad file says".
    """


@dataclass(frozen=True)
class Header:
    """What a decoder must know before it begins.

    Args: kind: index into `KINDS`; levels: size of the alphabet; shape: images, then the shape of one;
        batch_size: images per evaluation of the network; model: its `fingerprint`; pixels: their `checksum`.
    """

    kind: int
    levels: int
    shape: tuple[int, ...]
    batch_size: int
    model: bytes
    pixels: int


def fingerprint(model: nnx.Module) -> bytes:
    """Eight bytes that change with any parameter: SHA-256 of the model's class and of all its numbers, cut off."""
    digest = hashlib.sha256(type(model).__name__.encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.state(model, nnx.Not(nnx.RngState))):
        digest.update(f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}".encode() + np.asarray(leaf).tobytes())
    return digest.digest()[:8]


def checksum(symbols: np.ndarray) -> int:
    """CRC-32 of the symbols, two bytes each."""
    return zlib.crc32(symbols.astype("<u2").tobytes())


def pack(header: Header, words: np.ndarray) -> bytes:
    """Header, words of 32 bits (lowest byte first), CRC-32 of all that."""
    count, *event = header.shape
    fixed = (header.kind, header.levels, count, header.batch_size, len(event), header.model, header.pixels, len(words))
    body = START.pack(MAGIC, VERSION) + FIXED.pack(*fixed) + struct.pack(f"<{len(event)}I", *event)
    body += words.astype("<u4").tobytes()
    return body + CHECK.pack(zlib.crc32(body))


def unpack(file: bytes) -> tuple[Header, np.ndarray]:
    """Undo `pack`. Raises: CodingError: a foreign, truncated or damaged file, or a newer version of the format."""
    if file[:4] != MAGIC[: len(file)] or not file:
        raise CodingError(f"the file begins with {file[:4]!r}; expected {MAGIC!r}. It is not a file of this course.")
    begin = START.size + FIXED.size
    if len(file) < begin:
        raise CodingError(f"the file has {len(file)} bytes, fewer than a header: it is truncated. Copy it again.")
    if file[4] != VERSION:
        raise CodingError(f"the file has format version {file[4]}; this library reads version {VERSION}. Update it.")
    kind, levels, count, batch_size, axes, model, pixels, words = FIXED.unpack_from(file, START.size)
    size = begin + 4 * axes + 4 * words + CHECK.size
    if len(file) < size:
        raise CodingError(f"the file has {len(file)} bytes of {size}: it is truncated. Copy it again.")
    if len(file) > size or CHECK.unpack(file[-CHECK.size :])[0] != zlib.crc32(file[: -CHECK.size]):
        raise CodingError("the file's checksum does not match its contents: it is damaged. Copy it again.")
    if kind >= len(KINDS):
        raise CodingError(f"the file's code has number {kind}; this library knows 0 to {len(KINDS) - 1}. Update it.")
    shape = (count, *struct.unpack_from(f"<{axes}I", file, begin))
    payload = np.frombuffer(file, "<u4", words, begin + 4 * axes).astype(np.uint32)
    return Header(kind, levels, shape, batch_size, model, pixels), payload
