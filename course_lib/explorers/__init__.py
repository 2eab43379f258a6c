"""Interactive figures that need no kernel to move: live in JupyterLab, in VS Code and on a static page."""

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Arrows, Axis, Bars, Curve, Image, Intervals, Mesh, Panel, Points, Polygons, Rule
from course_lib.explorers.network import Network, dense_layers
from course_lib.explorers.widget import Explorer, explore

__all__ = [
    "Arrows",
    "Axis",
    "Bars",
    "Choice",
    "Curve",
    "Explorer",
    "Image",
    "Intervals",
    "Mesh",
    "Network",
    "Panel",
    "Points",
    "Polygons",
    "Rule",
    "Slider",
    "dense_layers",
    "explore",
]
