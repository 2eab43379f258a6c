"""Figures that train: a training step written in Python runs in the reader's browser, without a kernel."""

from course_lib.explorers.live.lowering import Unsupported
from course_lib.explorers.live.training import Recipe, Run
from course_lib.explorers.live.widget import LiveTraining, live_training

__all__ = ["LiveTraining", "Recipe", "Run", "Unsupported", "live_training"]
