"""The course of a training run."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.figures.style import BLUE, INK, ORANGE


def learning_curves(history: Any, unit: str = "nats") -> Figure:
    """Training and validation loss against the epoch, the best epoch marked.

    Args:
        history: what `course_lib.training.fit` returns, or anything with `train_loss` and, if there is one,
            `validation_loss` and `best_epoch`; or the training losses themselves, one number an epoch.
        unit: of the losses, for the axis label.
    """
    train = np.asarray(getattr(history, "train_loss", history), dtype=float)
    validation, best = getattr(history, "validation_loss", None), getattr(history, "best_epoch", 0)
    epochs = np.arange(1, len(train) + 1)
    marker = "o" if len(epochs) < 10 else ""
    figure, ax = plt.subplots(figsize=(6.0, 3.0))
    ax.plot(epochs, train, color=BLUE, marker=marker, ms=4, label="training")
    if validation is not None:
        ax.plot(epochs, validation, color=ORANGE, ls="--", marker=marker, ms=4, label="validation")
        if best:
            ax.plot(best, validation[best - 1], "o", ms=9, mfc="none", mec=INK, label=f"best: epoch {best}")
        ax.legend()
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=f"loss ({unit})")
    return figure
