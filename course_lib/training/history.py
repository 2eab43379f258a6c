"""What `fit` returns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, repr=False, eq=False)
class History:
    """The course of one training run.

    Attributes:
        train_loss: mean loss over the steps of each epoch (nats, or the unit of the loss).
        validation_loss: mean loss over the whole validation set after each epoch, or None.
        best_epoch: epoch whose state the model holds, counted from 1; 0 is the state before training.
        steps: optimizer steps taken.
        seconds: time of all epochs, those before a resume included, compilation not.
        compile_seconds: time spent on tracing and compiling in this call.
        stopped: "finished", "early" (no improvement for `patience` epochs) or "interrupted".
    """

    train_loss: Float[np.ndarray, " epochs"]
    validation_loss: Float[np.ndarray, " epochs"] | None
    best_epoch: int
    steps: int
    seconds: float
    compile_seconds: float
    stopped: str

    def __repr__(self) -> str:
        """One line with the losses of the best epoch and no timing: it prints the same every time."""
        epochs = len(self.train_loss)
        parts = [f"{epochs} epoch{'s' * (epochs != 1)} (best: {self.best_epoch or 'before training'})"]
        if epochs:
            shown = (self.best_epoch or epochs) - 1
            parts.append(f"train {self.train_loss[shown]:.2f}")
            if self.validation_loss is not None:
                parts.append(f"validation {self.validation_loss[shown]:.2f}")
            parts[-1] += " nats"
        return ", ".join([*parts, self.stopped])
