"""`explore`: a pure function of slider values becomes an interactive figure that needs no kernel to move."""

import base64
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

import anywidget
import jax
import numpy as np
import traitlets
from IPython.display import display

from course_lib.explorers.controls import Control
from course_lib.explorers.marks import Panel
from course_lib.explorers.network import Network
from course_lib.explorers.still import still_png
from course_lib.explorers.table import Quantity, arguments_of, interpolate, pack, tabulate

_HERE = Path(__file__).parent / "js"
VIEW = "application/vnd.jupyter.widget-view+json"
# Where JupyterLab has lost a figure it writes an error; the still picture above it is the better answer.
STILL = (
    '<p class="course-still">A still picture of a figure that moves: run its cell (Shift + Enter) to move it.</p>\n'
    "<style>.jp-OutputArea-child:has(.course-still) + .jp-OutputArea-child:not(:has(.course-explorer, .course-live)) "
    "{ display: none; }</style>"
)

_INFLATE = """const bytes = Uint8Array.from(atob("TEXT"), (c) => c.charCodeAt(0));
const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
const source = new Blob([await new Response(inflated).arrayBuffer()], { type: "text/javascript" });
const address = URL.createObjectURL(source);
const figure = await import(address);
URL.revokeObjectURL(address);
export default figure.default;
"""


def one_module(*files: Path) -> str:
    """JavaScript files as one module. Every widget carries it, so it goes without imports and comments."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    lines = (re.sub(r"\s\s// [^\"'`]*$", "", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith(("import ", "//", "export { ")))


def packed(module: str) -> str:
    """A module that inflates this one: every figure in a notebook carries a copy, so a copy has to be short."""
    return _INFLATE.replace("TEXT", base64.b64encode(zlib.compress(module.encode(), 9)).decode())


class Explorer(anywidget.AnyWidget):
    """An interactive figure. Made by `explore`; `values` holds where the sliders stand and may be set from Python."""

    module = one_module(*(_HERE / f"{name}.js" for name in ("table", "network", "draw", "page", "widget")))
    _esm = packed(module)
    _css = (_HERE / "explorer.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)

    fn: Callable[..., dict[str, Any]] | None
    controls: Sequence[Control]
    tables: dict[str, Quantity]
    constants: dict[str, np.ndarray]
    networks: Sequence[Network]

    def __repr__(self) -> str:
        return f"Explorer({self.spec.get('title', '')!r})"

    def current(self) -> dict[str, float]:
        return {c.name: self.values.get(c.name, c.start) for c in self.controls}

    def exact(self, **values: float) -> dict[str, np.ndarray]:
        """Every quantity computed by the function itself, at the given or the current slider values."""
        at = self.current() | values
        if self.fn is None:
            return self._untabulated(at)
        arguments = {c.name: np.asarray(at[c.name], c.grid.dtype) for c in arguments_of(self.fn, self.controls)}
        out = {name: np.asarray(value) for name, value in jax.jit(self.fn)(**arguments).items()}
        return out | self._untabulated(at)

    def shown(self, **values: float) -> dict[str, np.ndarray]:
        """Every quantity as the browser shows it: interpolated in the table."""
        at = self.current() | values
        return {name: interpolate(q, self.controls, at) for name, q in self.tables.items()} | self._untabulated(at)

    def _untabulated(self, at: dict[str, float]) -> dict[str, np.ndarray]:
        outputs = {n.name: n.output([at[i] for i in n.inputs]) for n in self.networks if n.inputs}
        return self.constants | outputs

    def _ipython_display_(self) -> None:
        """Three outputs: a still picture, a line that says so, and the live figure.

        A program that has no widgets, or has lost this one, shows the first two. The figure's own style sheet, which is
        there only while it lives, hides them.
        """
        bundle = super()._repr_mimebundle_()
        alt = f"{self.spec['title']}. {self.spec['description']}"
        show_with_still(self, bundle, still_png(self.spec, self.shown()), alt)


def show_with_still(widget: Any, bundle: Any, png: bytes, alt: str) -> None:
    """The three outputs of a figure that moves or trains; its still picture is given."""
    data, _ = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
    display({"image/png": png, "text/plain": repr(widget)}, metadata={"image/png": {"alt": alt}}, raw=True)
    if VIEW in data:
        display({"text/html": STILL}, raw=True)
        display({VIEW: data[VIEW], "text/html": ""}, raw=True)


def explore(
    fn: Callable[..., dict[str, Any]] | None,
    controls: Sequence[Control],
    panels: Sequence[Panel],
    *,
    title: str,
    description: str,
    readouts: Sequence[str] = (),
    constants: Mapping[str, Any] | None = None,
    networks: Sequence[Network] = (),
    links: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    play: str = "",
    pad: Mapping[str, Any] | None = None,
) -> Explorer:
    """Make an interactive figure from a pure function of slider values.

    The function is evaluated on the whole grid of the controls in one compiled call. The table travels with the widget;
    the browser interpolates and draws. The figure therefore moves in JupyterLab and on a static page alike.

    Args:
        fn: takes one number for each control, by name; returns a dict of arrays, whose shapes do not depend on them.
            It may take some of the controls only: then the table has no axis for the others. None: no table.
        controls: sliders and choices.
        panels: what to draw, by the names that `fn`, `constants` and `networks` define.
        description: what the figure shows, for readers who cannot see it.
        readouts: lines of text with scalars filled in: "KL = {kl:.2f} nats".
        constants: arrays that no control changes.
        networks: dense networks that the browser runs, for more sliders than a table could hold.
        links: slider settings that the options of a choice bring along: {choice: {slider: one value an option}}.
        play: the slider that a *play* button moves from its low to its high end.
        pad: a drawing pad whose picture goes through a network and moves sliders:
            "network" gives (mean, ln σ), "sets" names the sliders that move to the mean, "size" is the side and "brush"
            the radius in pixels, "label" the text, "choice" and "option" what to select, "mean" and "sigma" the
            quantities that the code of the drawing replaces.

    Returns:
        the widget; `exact()` and `shown()` give its quantities in Python.

    Raises:
        ValueError: an unknown name, a bad grid, or infinite values, with what was expected.

    Taught in: CONTRIBUTING, "How to make an explorer"
    """
    tables = tabulate(fn, controls) if fn else {}
    fixed = {name: np.asarray(value, np.float32) for name, value in (constants or {}).items()}
    names = {c.name for c in controls}
    for panel in panels:
        panel.check(set(tables) | set(fixed) | {n.name for n in networks}, names)
    shapes = {**{k: q.shape for k, q in tables.items()}, **{k: v.shape for k, v in fixed.items()}}
    single = sorted(name for name, shape in shapes.items() if np.prod(shape) == 1)
    for _, field, form, _ in (part for text in readouts for part in Formatter().parse(text)):
        if field is not None and (field not in single or not re.fullmatch(r"(\.\df)?", form or "")):
            raise ValueError(
                f"the readout {{{field}:{form}}} cannot be written; expected a single number by name, in a format "
                f"such as {{name:.2f}} or none. Single numbers here: {single}."
            )
    for name in (play, *(pad or {}).get("sets", ()), *(links or {}), *(k for p in (links or {}).values() for k in p)):
        if name and name not in names:
            raise ValueError(f"{name!r} is no control; the controls are {sorted(names)}.")

    blob = bytearray()

    def put(part: bytes) -> int:
        offset = len(blob)
        blob.extend(part)
        return offset

    spec = {
        "title": title,
        "description": description,
        "controls": [c.to_json() for c in controls],
        "panels": [p.to_json() for p in panels],
        "readouts": list(readouts),
        "links": {choice: {k: list(v) for k, v in sliders.items()} for choice, sliders in (links or {}).items()},
        "play": play,
        "pad": dict(pad) if pad else None,
        "tables": [
            {
                "name": k,
                "shape": list(q.shape),
                "grid": list(q.grid_shape),
                "low": q.low,
                "high": q.high,
                "steps": q.steps,
                "offset": put(pack(q.levels)),
            }
            for k, q in tables.items()
        ],
        "constants": [
            {"name": k, "shape": list(a.shape), "length": int(a.size), "offset": put(a.astype("<f4").tobytes())}
            for k, a in fixed.items()
        ],
        "networks": [n.to_json(put) for n in networks],
    }
    widget = Explorer(spec=spec, data=zlib.compress(bytes(blob), 9), values={c.name: c.start for c in controls})
    widget.fn, widget.controls, widget.tables, widget.constants, widget.networks = fn, controls, tables, fixed, networks
    return widget
