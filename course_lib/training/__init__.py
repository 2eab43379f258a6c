"""The training loop: one compiled epoch, one loop, any loss. It knows no model family."""

from course_lib.training.checkpoint import CheckpointError
from course_lib.training.epoch import NonFiniteLossError
from course_lib.training.fit import fit
from course_lib.training.history import History

__all__ = ["CheckpointError", "History", "NonFiniteLossError", "fit"]
