"""What makes a run survive: Ctrl-C and errors leave the best state in the model, and a checkpoint takes the run up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array

from course_lib.training.checkpoint import Checkpoint, CheckpointError, digest, named_arrays, settings
from course_lib.training.epoch import NonFiniteLossError, trouble
from course_lib.training.history import History
from course_lib.training.progress import progress_bar


class Progress(NamedTuple):
    """All that a run has come to: replaced as a whole, so that no interruption finds it half changed."""

    state: Any  # parameters, the model's other state, the optimizer's state; given away to the next epoch
    best: Any  # parameters and other state at the best epoch
    losses: np.ndarray  # (epochs, 2): training and validation
    seconds: Any = np.float64(0)
    start: Any = np.zeros(32, np.uint8)  # SHA-256 of what the model held at first

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return len(self.losses)

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, of the lowest validation loss; without validation the last one."""
        return int(np.argmin(self.losses[:, 1])) + 1 if self.epoch else 0


class Run:
    """One run of `fit`, from its first epoch or from where a checkpoint left it.

    Args: best: the model's parameters and other state; epochs, patience: as in `fit`; validated: whether the best
        epoch is that of the lowest validation loss, or else the last; bar: is moved on after each epoch.
    """

    def __init__(self, best: Any, epochs: int, patience: int | None, validated: bool, bar: Any) -> None:
        self.now = Progress(None, best, np.empty((0, 2)))
        self.epochs, self.patience, self.validated, self.bar = epochs, patience, validated, bar
        self.stopped, self.compile_seconds, self.began = "interrupted", 0.0, time.perf_counter()
        self.store: Checkpoint | None = None

    def begin(self, optimizer: optax.GradientTransformation) -> None:
        """Buffers of the run's own, and the optimizer's first state."""
        best, self.first = _copy(self.now.best), jax.jit(optimizer.init)
        self.now = Progress(_copy((*best, self.first(best[0]))), best, self.now.losses, start=_digest(best))

    def resume(self, folder: str | Path, sizes: dict[str, Any], contents: dict[str, Any], program: str) -> None:
        """Save to the folder from now on, and go on from what is there.

        Raises: CheckpointError: it holds another run: other data, sizes, loss, optimizer; or the model is neither what
            that run started from nor what it has come to; or more epochs than are asked for; or it is damaged.
        """
        made_of, start = settings(sizes, contents, self.now.state, program), self.now.start
        numbers = self.first(
            jax.tree.map(jnp.zeros_like, self.now.best[0])
        )  # a learning rate that is part of the state
        self.store = Checkpoint(folder, made_of | {"numbers of the optimizer": digest(named_arrays(numbers))[:12]})
        found = self.store.load(self.now)
        if not any(np.array_equal(start, known) for known in (found.start, _digest(found.best))):
            raise CheckpointError(
                f"{folder} holds {found.epoch} epochs of a run whose model started with other values (another seed, "
                "ordering or mask). Build the model as for that run, or delete the folder, or name another."
            )
        if found.epoch > self.epochs:
            raise CheckpointError(f"{folder} holds {found.epoch} epochs of this run; ask for no fewer.")
        self.now = found

    def compiled(self) -> None:
        """Compilation is over: the bar shows the epochs of before, and the time is taken."""
        self.compile_seconds = time.perf_counter() - self.began
        self.bar.initial = self.bar.n = self.now.epoch
        self.bar.unpause()
        self.began = time.perf_counter()

    def over(self) -> str:
        """Why the run is over, or ""."""
        if self.patience is not None and self.now.epoch - self.now.best_epoch >= self.patience:
            return "early"
        return "finished" if self.now.epoch >= self.epochs else ""

    def add(self, state: Any, losses: Array, finite: Array, measured: Array, order: Array) -> None:
        """One epoch more. Raises: NonFiniteLossError: a loss or a parameter became NaN or infinite in it."""
        epoch, steps = self.now.epoch + 1, np.asarray(losses)
        # Without validation each epoch counts as better than those before it.
        value = float(measured) if self.validated else -epoch
        if not (np.isfinite(steps).all() and np.isfinite(value) and finite):
            raise NonFiniteLossError(trouble(steps, value, epoch, np.asarray(order)))
        rows = np.append(self.now.losses, [[steps.mean(dtype=np.float64), value]], axis=0)
        seconds = self.now.seconds + time.perf_counter() - self.began
        after = self.now._replace(state=state, losses=rows, seconds=seconds)
        self.now = after._replace(best=_copy(state[:2])) if after.best_epoch == epoch else after
        if self.store:
            self.store.save(self.now, at_once=bool(self.over()))
        shown = f"train {rows[-1, 0]:.2f}" + (f", validation {value:.2f}" if self.validated else "")
        self.bar.set_postfix_str(shown, refresh=False)
        self.bar.update()
        self.began = time.perf_counter()

    def history(self, steps: int) -> History:
        """What `fit` returns; `steps` were made in each epoch."""
        return History(
            train_loss=self.now.losses[:, 0],
            validation_loss=self.now.losses[:, 1] if self.validated else None,
            best_epoch=self.now.best_epoch,
            steps=steps * self.now.epoch,
            seconds=float(self.now.seconds),
            compile_seconds=self.compile_seconds,
            stopped=self.stopped,
        )


@contextmanager
def resumable(
    model: nnx.Module, epochs: int, patience: int | None, *, validated: bool, progress: bool
) -> Iterator[Run]:
    """A `Run`; however it ends, the model holds its best state, and the bar is closed.

    Ctrl-C ends it early: one line says where, and a run with a checkpoint is saved as it stands.
    """
    best = nnx.as_pure(tuple(nnx.split(model, nnx.Param, ...)[1:]))
    bar = progress_bar(total=epochs, leave=False, disable=not progress, unit="epoch", postfix="compiling")
    run = Run(best, epochs, patience, validated, bar)
    try:
        yield run
        run.stopped = run.over()
    except KeyboardInterrupt:
        if run.store and run.now.epoch:
            run.store.save(run.now, at_once=True)
        done = f"Interrupted after {run.now.epoch} epochs"
        print(f"{done}; the model holds the state of epoch {run.now.best_epoch}.")
    finally:
        nnx.update(model, *run.now.best)
        bar.total = bar.n
        bar.close()


def _digest(tree: Any) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(digest(named_arrays(tree))), np.uint8)


def _copy(tree: Any) -> Any:
    """Buffers of our own, with strong types: what is given away to an epoch belongs to nobody else."""
    return jax.tree.map(lambda x: jnp.array(x, dtype=jnp.asarray(x).dtype, copy=True), tree)
