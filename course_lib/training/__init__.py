"""The training loop: one compiled epoch, one loop, any loss. It knows no model family."""

from course_lib.training.checkpoint import CheckpointError
from course_lib.training.epoch import NonFiniteLossError
from course_lib.training.history import History
from course_lib.training.loop import fit
from course_lib.training.optimizers import cosine_adam

__all__ = ["CheckpointError", "History", "NonFiniteLossError", "cosine_adam", "fit"]
