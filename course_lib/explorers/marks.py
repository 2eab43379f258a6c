"""What an explorer draws: marks on panels. A mark names quantities; it holds no numbers of its own.

Where a mark takes a quantity, it takes the name of an entry that the explored function (or a network, or the
constants) returns. Colours are names from the course's palette: encoder, latent, decoder, target, predecessor,
data, model, accent, second, muted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

COLOURS = ("encoder", "latent", "decoder", "target", "predecessor", "data", "model", "accent", "second", "muted")
MAPS = ("ink", "heat", "diverging", "mask")


@dataclass(frozen=True)
class Mark:
    """Common to all marks: where its quantities are named, for checking."""

    quantities: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[str] = ""

    def named(self) -> list[str]:
        return [getattr(self, q) for q in self.quantities if getattr(self, q)]

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Curve(Mark):
    """A line through (x_i, y_i); `fill` tints the area down to zero."""

    kind, quantities = "curve", ("x", "y")
    x: str
    y: str
    colour: str = "model"
    label: str = ""
    fill: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class Points(Mark):
    """Dots at `xy` (n, 2); `classes` (n,) colours each by its class, with its digit as legend."""

    kind, quantities = "points", ("xy", "classes")
    xy: str
    colour: str = "model"
    classes: str = ""
    label: str = ""
    size: float = 2.5
    opacity: float = 0.6


@dataclass(frozen=True)
class Polygons(Mark):
    """Filled shapes (n, k, 2), alternately light and dark: strips whose areas can be compared."""

    kind, quantities = "polygons", ("corners",)
    corners: str
    colour: str = "model"
    label: str = ""


@dataclass(frozen=True)
class Mesh(Mark):
    """A deformed grid (rows, columns, 2): every row and every column is a line."""

    kind, quantities = "mesh", ("nodes",)
    nodes: str
    colour: str = "muted"
    label: str = ""


@dataclass(frozen=True)
class Arrows(Mark):
    """Arrows from `start` (n, 2) to `end` (n, 2)."""

    kind, quantities = "arrows", ("start", "end")
    start: str
    end: str
    colour: str = "data"
    label: str = ""


@dataclass(frozen=True)
class Rule(Mark):
    """A straight line across the panel at a scalar quantity: upright at x, or level at y."""

    kind, quantities = "rule", ("x", "y")
    x: str = ""
    y: str = ""
    colour: str = "muted"
    label: str = ""


@dataclass(frozen=True)
class Bars(Mark):
    """Upright bars of height `heights` (n,), each with its name under it and its value above it."""

    kind, quantities = "bars", ("heights",)
    heights: str
    names: Sequence[str] = ()
    colours: Sequence[str] = ("model",)
    digits: int = 2


@dataclass(frozen=True)
class Intervals(Mark):
    """Upright intervals `centre` ± `half` (n,) at the places 0, 1, …, with a tick at the centre."""

    kind, quantities = "intervals", ("centre", "half")
    centre: str
    half: str
    colour: str = "model"
    label: str = ""
    width: float = 5.0


@dataclass(frozen=True)
class Image(Mark):
    """An image (h, w), or a grid of them (n, h, w) with `columns`; row 0 is on top.

    Args:
        scale: the values shown as paper and as ink.
        map: ink (grey), heat (density), diverging (signed), mask (on and off).
        extent: left, right, bottom, top in the panel's units, for an image behind other marks.
    """

    kind, quantities = "image", ("values",)
    values: str
    scale: tuple[float, float] = (0.0, 1.0)
    map: str = "ink"
    columns: int = 0
    extent: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Axis:
    """One axis: its label (with unit) and the interval it shows; `ticks=False` where numbers would mean nothing."""

    label: str
    low: float
    high: float
    ticks: bool = True


@dataclass(frozen=True)
class Panel:
    """One drawing with its axes. `drag` names the two sliders that a pointer on the panel moves.

    Args:
        x, y: the axes; without them (images, bars) the panel has no frame.
        aspect: width over height.
    """

    marks: Sequence[Mark]
    x: Axis | None = None
    y: Axis | None = None
    title: str = ""
    aspect: float = 1.5
    drag: tuple[str, str] | None = None
    weight: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return {
            "marks": [m.to_json() for m in self.marks],
            "x": asdict(self.x) if self.x else None,
            "y": asdict(self.y) if self.y else None,
            "title": self.title,
            "aspect": self.aspect,
            "drag": list(self.drag) if self.drag else None,
            "weight": self.weight,
        }

    def check(self, available: set[str], controls: set[str]) -> None:
        """Every name is known.

        Raises:
            ValueError: naming what is unknown and what there is.
        """
        for mark in self.marks:
            for name in mark.named():
                if name not in available:
                    raise ValueError(f"{type(mark).__name__} draws {name!r}; there is only {sorted(available)}.")
            used = list(getattr(mark, "colours", ())) or [getattr(mark, "colour", "model")]
            for colour in used:
                if colour not in COLOURS:
                    raise ValueError(f"{type(mark).__name__} has colour {colour!r}; expected one of {COLOURS}.")
        for name in self.drag or ():
            if name not in controls:
                raise ValueError(f"the panel drags {name!r}; the sliders are {sorted(controls)}.")
