"""What a reader can move: a slider over an interval, or a choice between named options."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Slider:
    """A number in [low, high]; the table holds `count` equally spaced values, the browser interpolates between them.

    Args:
        name: the argument of the explored function.
        label: shown beside the slider, with its unit; the name if empty.
        step: what one press of an arrow key adds; a hundredth of the range if not given.
            With `count` equal to the number of steps plus one the slider stops on the grid alone (`stepped`), and
            nothing is interpolated: for quantities that jump.
        smooth: whether the quantities change smoothly with it; False interpolates with straight lines.
        log: grid and slider run evenly in log(value), for widths and other positive scales.
    """

    name: str
    low: float
    high: float
    count: int
    start: float
    label: str = ""
    unit: str = ""
    step: float | None = None
    smooth: bool = True
    log: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise ValueError(f"slider {self.name!r} runs from {self.low} to {self.high}; low must be below high.")
        if not self.low <= self.start <= self.high:
            raise ValueError(f"slider {self.name!r} starts at {self.start}, outside {self.low}…{self.high}.")
        if self.count < 2:
            raise ValueError(f"slider {self.name!r} has a grid of {self.count} values; it needs at least 2.")
        if self.log and self.low <= 0:
            raise ValueError(f"slider {self.name!r} runs from {self.low} on a log scale; low must be positive.")

    @property
    def grid(self) -> np.ndarray:
        spaced = np.geomspace if self.log else np.linspace
        return spaced(self.low, self.high, self.count).astype(np.float32)

    @property
    def stepped(self) -> bool:
        """Whether its steps are the values of its grid."""
        return bool(self.step) and not self.log and abs((self.high - self.low) / (self.count - 1) - self.step) < 1e-9

    @property
    def digits(self) -> int:
        """Decimals that tell the slider's values apart: all of a given step's (0.25 is not shown as 0.3), 4 at most."""
        step = self.step if self.step is not None else (self.high - self.low) / 100
        enough = max(0, min(4, int(np.ceil(-np.log10(step) - 1e-9))))
        given = () if self.step is None else range(enough, 5)
        exact = (d for d in given if np.allclose(np.round([self.low, step], d), [self.low, step], rtol=0, atol=1e-9))
        return next(exact, enough)

    def position(self, value: float) -> float:
        """Where `value` lies on the grid, as a fractional index."""
        slack = 1e-6 * (self.high - self.low)  # a value that came through float32 may lie a hair outside
        if not self.low - slack <= value <= self.high + slack:
            raise ValueError(f"{self.name} is {value}; the slider runs from {self.low} to {self.high}.")
        low, high, at = np.log([self.low, self.high, value]) if self.log else (self.low, self.high, value)
        return float(np.clip((at - low) / (high - low), 0.0, 1.0)) * (self.count - 1)

    def to_json(self) -> dict[str, Any]:
        step = self.step if self.step is not None else (self.high - self.low) / 100
        more = {"step": step, "stepped": self.stepped, "digits": self.digits, "label": self.label or self.name}
        return {"kind": "slider", **asdict(self), **more}


@dataclass(frozen=True)
class Choice:
    """One of several named options; the explored function receives its number 0, 1, ….

    Args:
        start: the number of the option shown first.
    """

    name: str
    options: tuple[str, ...]
    start: int = 0
    label: str = ""
    smooth = False

    def __post_init__(self) -> None:
        if len(self.options) < 2:
            raise ValueError(f"choice {self.name!r} offers {len(self.options)} options; it needs at least 2.")
        if not 0 <= self.start < len(self.options):
            raise ValueError(f"choice {self.name!r} starts at option {self.start} of {len(self.options)}.")

    @property
    def grid(self) -> np.ndarray:
        return np.arange(len(self.options), dtype=np.int32)

    def position(self, value: float) -> float:
        if value not in range(len(self.options)):
            raise ValueError(f"{self.name} is {value}; expected one of 0…{len(self.options) - 1}: {self.options}.")
        return float(value)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "choice",
            **asdict(self),
            "options": list(self.options),
            "count": len(self.options),
            "label": self.label or self.name,
        }


Control = Slider | Choice
