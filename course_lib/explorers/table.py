"""The table behind an explorer: a function of slider values, evaluated on the whole grid in one compiled call.

A quantity q(s) with sliders s = (s_1, …, s_m) becomes an array over the grid, axis by axis. Between grid points the
browser puts a polynomial through the four nearest grid values of each slider (Lagrange), whose error is of fourth order
in the spacing; a quantity with jumps asks for straight lines instead (`Slider(smooth=False)`). `interpolate` is the
same rule in numpy, so that tests and the browser answer to one definition.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from course_lib.explorers.controls import Control

FINE, COARSE = 65534, 4094  # steps of a small table, whose numbers are read, and of a large one, which is looked at
SMALL = 4096  # entries
BATCH = 64  # grid points evaluated side by side: enough to be fast, few enough to stay small in memory


@dataclass(frozen=True)
class Quantity:
    """One tabulated quantity: `levels` (*grid, *shape), standing for low + level/steps·(high − low).

    The level steps + 1 marks "not a number".
    """

    levels: np.ndarray
    low: float
    high: float
    shape: tuple[int, ...]
    steps: int

    @property
    def grid_shape(self) -> tuple[int, ...]:
        return self.levels.shape[: self.levels.ndim - len(self.shape)]

    def values(self) -> np.ndarray:
        step = (self.high - self.low) / self.steps
        return np.where(self.levels > self.steps, np.nan, self.low + step * self.levels).astype(np.float32)


def arguments_of(fn: Callable[..., Any], controls: Sequence[Control]) -> list[Control]:
    """The controls that `fn` takes, by name; all of them if it takes any keyword."""
    parameters = inspect.signature(fn).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return list(controls)
    return [c for c in controls if c.name in parameters]


def tabulate(fn: Callable[..., dict[str, Any]], controls: Sequence[Control]) -> dict[str, Quantity]:
    """Evaluate `fn` on the grid of all controls, in one compiled call, and quantize.

    An axis along which a quantity never changes is kept once, so a quantity pays only for the sliders that it needs.

    Raises:
        ValueError: a quantity is infinite somewhere (the message says which, and at which slider values), or two
            controls share a name, or `fn` returns no dictionary.
    """
    names = [c.name for c in controls]
    if len(set(names)) != len(names):
        raise ValueError(f"two controls share a name: {names}.")
    used = {c.name for c in arguments_of(fn, controls)}
    mesh = np.meshgrid(*[c.grid if c.name in used else c.grid[:1] for c in controls], indexing="ij")
    flat = {name: axis.ravel() for name, axis in zip(names, mesh, strict=True)}
    size = mesh[0].size
    rows = {name: jnp.resize(axis, (-(-size // BATCH), BATCH)) for name, axis in flat.items()}
    results = jax.jit(lambda at: jax.lax.map(jax.vmap(lambda v: fn(**{k: v[k] for k in names if k in used})), at))(rows)
    if not isinstance(results, dict):
        raise ValueError(f"the explored function returned {type(results).__name__}; expected a dict of named arrays.")
    grid = mesh[0].shape
    arrays = {name: np.asarray(a).reshape(-1, *a.shape[2:])[:size] for name, a in results.items()}
    return {name: quantize(name, array, grid, flat) for name, array in arrays.items()}


def quantize(name: str, array: np.ndarray, grid: tuple[int, ...], at: dict[str, Any]) -> Quantity:
    """Round to levels between the smallest and the largest value; NaN is kept as a gap."""
    if np.isinf(array).any():
        where = int(np.argwhere(np.isinf(array))[0][0])
        point = {k: round(float(v[where]), 4) for k, v in at.items()}
        raise ValueError(f"{name!r} is infinite at {point}; clip it or move the slider's end away from there.")
    shape = array.shape[1:]
    full = array.reshape(*grid, *shape).astype(np.float64)
    finite = full[np.isfinite(full)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    span = high - low if high > low else 1.0
    for axis in range(len(grid)):
        first = full.take([0], axis=axis)
        if np.allclose(first, full, rtol=0, atol=span / FINE, equal_nan=True):
            full = first
    steps = FINE if full.size <= SMALL else COARSE
    levels = np.where(np.isnan(full), steps + 1, np.rint((np.nan_to_num(full) - low) / span * steps))
    return Quantity(levels.astype(np.uint16), low, low + span, shape, steps)


def pack(levels: np.ndarray) -> bytes:
    """Levels as bytes that compress well: folded differences along the last two axes, byte by byte, low first."""
    steps = levels.astype(np.int64)
    for axis in range(levels.ndim - 1, max(levels.ndim - 3, -1), -1):
        steps = np.diff(steps, axis=axis, prepend=0)
    folded = np.where(steps < 0, -2 * steps - 1, 2 * steps).astype("<u4")
    return folded.reshape(-1, 1).view(np.uint8).T.tobytes()


def weights(position: float, count: int, smooth: bool) -> dict[int, float]:
    """Grid index → weight at a fractional `position`: Lagrange's polynomial through 4 nodes, or a line through 2."""
    size = min(4 if smooth else 2, count)
    if abs(position - round(position)) < 1e-6:
        return {round(position): 1.0}
    first = min(max(int(position) - (size - 1) // 2, 0), count - size)
    nodes = range(first, first + size)
    return {i: float(np.prod([(position - j) / (i - j) for j in nodes if j != i])) for i in nodes}


def interpolate(quantity: Quantity, controls: Sequence[Control], values: dict[str, float]) -> np.ndarray:
    """The quantity at `values`: interpolated in each slider in turn, exact on the grid."""
    table = quantity.values()
    for control, size in zip(controls, quantity.grid_shape, strict=True):
        position = control.position(values[control.name]) if size > 1 else 0.0
        near = weights(position, size, control.smooth)
        table = np.sum([w * table[i] for i, w in near.items()], axis=0)
    return np.asarray(table)
