"""The still picture of an explorer: the same specification and the same numbers, drawn by matplotlib."""

import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap

from course_lib.figures import style
from course_lib.figures.images import tile

COLOURS = {
    "encoder": style.ENCODER,
    "latent": style.LATENT,
    "decoder": style.DECODER,
    "target": style.TARGET,
    "predecessor": style.PREDECESSOR,
    "data": style.DATA,
    "model": style.MODEL,
    "accent": style.RED,
    "second": style.PURPLE,
    "muted": style.GREY,
}
MAPS = {
    "ink": "gray_r",
    "heat": LinearSegmentedColormap.from_list("heat", ["#ffffff", "#a6d2ec", style.BLUE, "#002850"]),
    "diverging": LinearSegmentedColormap.from_list("diverging", [style.BLUE, "#ffffff", style.RED]),
    "mask": ListedColormap([style.LIGHT, style.GREEN, style.RED]),
}


def still_png(spec: dict[str, Any], quantities: dict[str, np.ndarray]) -> bytes:
    """All panels side by side at the current values, the readouts underneath, as PNG bytes at 100 dpi."""
    panels = spec["panels"]
    widths = [p["weight"] for p in panels]
    height = 8.6 / sum(widths) / max(p["aspect"] / p["weight"] for p in panels)
    with plt.rc_context({**style.SETTINGS, "font.size": 9, "axes.titlesize": 10}):  # pyright: ignore[reportArgumentType]
        figure, axes = plt.subplots(
            1, len(panels), figsize=(8.6, min(max(height, 1.6), 4.0) + 0.5), squeeze=False, width_ratios=widths
        )
        for ax, panel in zip(axes[0], panels, strict=True):
            draw_panel(ax, panel, quantities)
        scalars = {k: float(np.ravel(v)[0]) for k, v in quantities.items()}
        figure.supxlabel("   ".join(text.format_map(scalars) for text in spec["readouts"]), fontsize=9.5)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=100)
        plt.close(figure)
    return buffer.getvalue()


def draw_panel(ax: Axes, panel: dict[str, Any], quantities: dict[str, np.ndarray]) -> None:
    """One panel: its marks, axes, title and legend."""
    ax.set_title(panel["title"])
    for mark in panel["marks"]:
        _DRAW[mark["kind"]](
            ax,
            mark,
            {k: np.asarray(v) for k, v in quantities.items()},
            COLOURS.get(mark.get("colour", ""), style.MODEL),
        )
    if panel["x"] and panel["y"]:
        ax.set(xlim=(panel["x"]["low"], panel["x"]["high"]), ylim=(panel["y"]["low"], panel["y"]["high"]))
        ax.set(xlabel=panel["x"]["label"], ylabel=panel["y"]["label"])
        for axis, shown in ((ax.xaxis, panel["x"]["ticks"]), (ax.yaxis, panel["y"]["ticks"])):
            if not shown:
                axis.set_ticks([])
    else:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, loc="best")


def _curve(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    ax.plot(q[mark["x"]], q[mark["y"]], color=colour, ls="--" if mark["dashed"] else "-", label=mark["label"] or None)
    if mark["fill"]:
        ax.fill_between(q[mark["x"]], q[mark["y"]], color=colour, alpha=0.22, lw=0)


def _points(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    c = plt.get_cmap("tab10")(q[mark["classes"]].astype(int) % 10) if mark["classes"] else colour
    x, y = q[mark["xy"]].reshape(-1, 2).T
    ax.scatter(x, y, s=2 * mark["size"] ** 2, c=c, alpha=mark["opacity"], lw=0, label=mark["label"] or None)


def _polygons(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    for i, corners in enumerate(q[mark["corners"]]):
        ax.fill(
            *corners.T,
            color=colour,
            alpha=0.55 if i % 2 else 0.3,
            lw=0,
            label=mark["label"] if i == 0 and mark["label"] else None,
        )


def _mesh(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    nodes = q[mark["nodes"]]
    ax.add_collection(LineCollection([*nodes, *nodes.transpose(1, 0, 2)], colors=colour, linewidths=0.7))


def _arrows(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    start, end = q[mark["start"]].reshape(-1, 2), q[mark["end"]].reshape(-1, 2)
    for a, b in zip(start, end, strict=True):
        ax.annotate("", xy=tuple(b), xytext=tuple(a), arrowprops={"arrowstyle": "-|>", "color": colour})


def _rule(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    line = ax.axvline if mark["x"] else ax.axhline
    line(float(q[mark["x"] or mark["y"]]), color=colour, ls="--", lw=1.2, label=mark["label"] or None)


def _bars(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    heights, names = np.ravel(q[mark["heights"]]), list(mark["names"])
    colours = [COLOURS[c] for c in mark["colours"]]
    drawn = ax.bar(
        np.arange(heights.size), heights, 0.64, color=[colours[i % len(colours)] for i in range(heights.size)]
    )
    if mark["digits"] >= 0:
        ax.bar_label(drawn, fmt=f"%.{mark['digits']}f", fontsize=8)
    if names:
        ax.set_xticks(np.arange(heights.size), names)


def _intervals(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    centre, half = q[mark["centre"]], q[mark["half"]]
    ax.errorbar(
        np.arange(centre.size),
        centre,
        half,
        fmt="_",
        color=colour,
        lw=0.8 * mark["width"],
        alpha=0.45,
        label=mark["label"] or None,
    )


def _image(ax: Axes, mark: dict, q: dict, colour: str) -> None:
    values = q[mark["values"]]
    picture = values if values.ndim == 2 else tile(values, mark["columns"] or len(values), fill=np.nan)
    low, high = mark["scale"]
    ax.imshow(
        picture,
        cmap=MAPS[mark["map"]],
        vmin=low,
        vmax=high,
        extent=mark["extent"],
        aspect="auto" if mark["extent"] else "equal",
    )


_DRAW = {
    "curve": _curve,
    "points": _points,
    "polygons": _polygons,
    "mesh": _mesh,
    "arrows": _arrows,
    "rule": _rule,
    "bars": _bars,
    "image": _image,
    "intervals": _intervals,
}
