"""The memory of the page: one array of 32-bit words. A value is a view of a buffer, and most changes of shape are free.

A view holds an array of numpy's that is never read: numpy alone knows what transposing, slicing, broadcasting and
reshaping do to an offset and to strides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DTYPES = {"float32": "f", "int32": "i", "uint32": "u", "bool": "b"}


@dataclass(eq=False)
class Buffer:
    """Consecutive words. `kept` outlives its program; `start` is what it holds at first."""

    size: int
    kept: bool = False
    start: np.ndarray | None = None
    address: int = -1
    words: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.words = np.empty(max(self.size, 1), np.int32)


@dataclass(frozen=True, eq=False)
class View:
    """An array in a buffer; `dtype` is f, i, u or b."""

    buffer: Buffer
    array: np.ndarray
    dtype: str

    @classmethod
    def new(cls, shape: Sequence[int], dtype: str, *, kept: bool = False, start: np.ndarray | None = None) -> "View":
        buffer = Buffer(int(np.prod(shape)), kept, start)
        return cls(buffer, buffer.words[: buffer.size].reshape(shape), dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def offset(self) -> int:
        return (self.array.ctypes.data - self.buffer.words.ctypes.data) // 4

    @property
    def strides(self) -> list[int]:
        return [s // 4 for s in self.array.strides]

    @property
    def whole(self) -> bool:
        """Its numbers lie one after another."""
        return self.array.flags.c_contiguous

    @property
    def uniform(self) -> bool:
        """One number, seen many times."""
        return all(n == 1 or s == 0 for n, s in zip(self.shape, self.array.strides, strict=True))

    def seen(self, array: np.ndarray, dtype: str | None = None) -> "View":
        """The same buffer, looked at otherwise."""
        return View(self.buffer, array, dtype or self.dtype)

    def key(self) -> tuple[Any, ...]:
        return id(self.buffer), self.offset, self.shape, tuple(self.strides), self.dtype


@dataclass(frozen=True, eq=False)
class Op:
    """A call of one of the page's kernels: numbers, and views that stand for their addresses. `out` is written."""

    kernel: str
    out: View
    args: tuple[Any, ...]

    def reads(self) -> Iterable[Buffer]:
        return (a.buffer for a in self.args if isinstance(a, View) and a is not self.out)

    def numbers(self) -> list[Any]:
        """The kernel's name and its arguments, addresses filled in."""
        return [self.kernel, *(a.buffer.address + a.offset if isinstance(a, View) else a for a in self.args)]


def place(programs: Iterable[Sequence[Op]], kept: Sequence[Buffer]) -> int:
    """Give every buffer its address: those that are kept first; then, for each program anew, those that it needs.

    Returns: how many words there are in all.
    """
    top = 0
    for buffer in kept:
        buffer.address, top = top, top + _rounded(buffer.size)
    return max([top, *(_place_temporaries(ops, top) for ops in programs)])


def _rounded(size: int) -> int:
    return -(-max(size, 1) // 4) * 4


def _place_temporaries(ops: Sequence[Op], base: int) -> int:
    """A buffer lives from the operation that writes it first to the last one that has to do with it."""
    last = {b: i for i, op in enumerate(ops) for b in (op.out.buffer, *op.reads()) if not b.kept}
    ends: dict[int, list[Buffer]] = {}
    for buffer, i in last.items():
        ends.setdefault(i, []).append(buffer)
    free: list[tuple[int, int]] = []  # (address, size), in order, with none beside another
    top = base
    for i, op in enumerate(ops):
        new = op.out.buffer
        if not new.kept and new.address < 0:
            size = _rounded(new.size)
            fits = [hole for hole in free if hole[1] >= size]
            if fits:
                address, room = min(fits, key=lambda hole: hole[1])
                free.remove((address, room))
                if room > size:
                    free.append((address + size, room - size))
            else:
                address, top = top, top + size
            new.address = address
        for buffer in ends.get(i, ()):
            free.append((buffer.address, _rounded(buffer.size)))
        merged: list[tuple[int, int]] = []
        for address, size in sorted(free):
            if merged and sum(merged[-1]) == address:
                merged[-1] = (merged[-1][0], merged[-1][1] + size)
            else:
                merged.append((address, size))
        free = merged
    return top
