"""The training loop: one compiled epoch, one loop, any loss. It knows no model family."""

from course_lib.training.fit import fit
from course_lib.training.history import History, NonFiniteLossError

__all__ = ["History", "NonFiniteLossError", "fit"]
