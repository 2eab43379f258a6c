"""The one training loop of the course."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Key

from course_lib.training.checkpoint import Checkpoint, CheckpointError, settings
from course_lib.training.epoch import Loss, NonFiniteLossError, epoch_order, epoch_program, trouble
from course_lib.training.history import History
from course_lib.training.interrupt import interrupts_noted, wait
from course_lib.training.progress import progress_bar
from course_lib.validation import refuse_bad_values, require_finite, require_positive


class Progress(NamedTuple):
    """All that a run has come to: replaced as a whole, so that no interruption finds it half changed."""

    state: Any  # parameters, the model's other state, the optimizer's state; given away to the next epoch
    best: Any  # parameters and other state at the best epoch
    losses: np.ndarray  # (epochs, 2): training and validation
    seconds: Any = np.float64(0)

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, of the lowest validation loss; without validation the last one."""
        return int(np.argmin(self.losses[:, 1])) + 1 if len(self.losses) else 0

    def verdict(self, epochs: int, patience: int | None) -> str:
        """Why the run is over, or ""."""
        if patience is not None and len(self.losses) - self.best_epoch >= patience:
            return "early"
        return "finished" if len(self.losses) >= epochs else ""


def fit(
    model: nnx.Module,
    loss: Loss,
    data: Any,
    *,
    key: Key[Array, ""],
    epochs: int,
    batch_size: int = 128,
    optimizer: optax.GradientTransformation | None = None,
    validation: Any = None,
    validation_loss: Loss | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place by gradient steps on `loss`; it ends in its best state.

    An epoch is ⌊n / batch_size⌋ steps θ ← θ + u(∇θ loss) over the examples in a new random order; the incomplete
    last batch is left out, another one each time.

    Args:
        model: its `nnx.Param`s are trained; its other state (batch statistics, dropout keys) is carried along.
        loss: `loss(model, batch, key) -> scalar`, the mean over the batch (nats).
        data: an array or a tuple of arrays with equal first axis; `batch` has the same structure.
        key: source of all randomness, by `fold_in(key, epoch)`: equal keys give equal runs.
        epochs: passes over the data, at most.
        batch_size: examples in a step.
        optimizer: any optax transformation; `optax.adam(1e-3)` if None.
        validation: examples apart from `data`. The model ends in the state with the lowest loss on them; without
            them, in the state after the last epoch.
        validation_loss: `loss` if None. It sees the model in `eval` mode and the same key each time.
        patience: stop after this many epochs without a better validation loss.
        checkpoint: folder to save to and to resume from. Saved after an epoch as often as costs 5 % of the time,
            and at the end. Stopped at any moment and resumed, a run ends bit for bit where it would have ended.
        progress: show a progress bar.

    Returns:
        The losses of each epoch and how the run ended. Ctrl-C ends it too, as "interrupted".

    Raises:
        ValueError: data that the loss refuses; sizes that cannot be used; a checkpoint of another run, or a damaged
            one (`CheckpointError`).
        NonFiniteLossError: the loss became NaN or infinite; the model holds the best state so far.

    Taught in: 00_start_here, "Fit by gradient: one training step"
    """
    for name, value in {"epochs": epochs, "batch_size": batch_size, "patience": patience}.items():
        if value is not None:
            require_positive(value, name)
    if validation is None and (patience is not None or validation_loss is not None):
        raise ValueError("patience and validation_loss need validation examples; give validation as well.")
    with interrupts_noted() as check:
        data, size = _on_device(data, "data")
        if validation is not None:
            validation, _ = _on_device(validation, "validation")
        if batch_size > size:
            raise ValueError(f"batch_size is {batch_size}, but data has {size} examples; choose at most {size}.")
        optimizer = optimizer or optax.adam(1e-3)
        graphdef, *pieces = nnx.split(model, nnx.Param, ...)

        # A compiled epoch does not look at values: let the loss refuse bad ones here.
        def show(pieces: Any, batch: Any) -> None:
            loss(nnx.merge(graphdef, *pieces), batch, jax.random.fold_in(key, 0))

        refuse_bad_values(show, pieces, _extremes(data))
        now = Progress(None, nnx.as_pure(tuple(pieces)), np.empty((0, 2)))
        begin, compile_seconds, stopped, store = time.perf_counter(), 0.0, "interrupted", None
        bar = progress_bar(total=epochs, leave=False, disable=not progress, unit="epoch", postfix="compiling")
        try:
            best = _copy(now.best)
            now = now._replace(state=_copy((*best, jax.jit(optimizer.init)(best[0]))), best=best)
            program = epoch_program(graphdef, loss, validation_loss or loss, optimizer, batch_size)
            fixed = (validation, jax.random.fold_in(key, 0))  # epochs count from 1
            shuffle = jax.jit(epoch_order, static_argnums=(2, 3))
            batches = shuffle(key, 0, size, batch_size)
            lowered = jax.jit(program, donate_argnums=0).lower(now.state, data, *batches, *fixed)
            if checkpoint is not None:
                contents = {"data": data, "validation": validation, "key": key}
                sizes = {"batch_size": batch_size, "patience": patience}
                store = Checkpoint(checkpoint, settings(sizes, contents, now.state, lowered.as_text()))
                now = store.load(now)
                if len(now.losses) > epochs:
                    raise CheckpointError(f"{checkpoint} holds {len(now.losses)} epochs of this run; ask for no fewer.")
            check()
            run = lowered.compile() if not now.verdict(epochs, patience) else None
            compile_seconds = time.perf_counter() - begin
            bar.initial = bar.n = len(now.losses)
            bar.unpause()
            while run and not now.verdict(epochs, patience):
                begin, epoch = time.perf_counter(), len(now.losses) + 1
                batches = shuffle(key, epoch, size, batch_size)
                state, losses, finite, measured = run(now.state, data, *batches, *fixed)
                losses = np.asarray(wait(losses, check))
                # Without validation each epoch counts as better than those before it.
                measured = -epoch if validation is None else float(measured)
                if not (np.isfinite(losses).all() and np.isfinite(measured) and finite):
                    raise NonFiniteLossError(trouble(losses, measured, epoch, np.asarray(batches[0])))
                rows = np.append(now.losses, [[losses.mean(dtype=np.float64), measured]], axis=0)
                after = Progress(state, now.best, rows, now.seconds + time.perf_counter() - begin)
                now = after._replace(best=_copy(state[:2])) if after.best_epoch == epoch else after
                if store:
                    store.save(now, at_once=bool(now.verdict(epochs, patience)))
                shown = f"train {rows[-1, 0]:.2f}" + ("" if validation is None else f", validation {measured:.2f}")
                bar.set_postfix_str(shown, refresh=False)
                bar.update()
                check()
            stopped = now.verdict(epochs, patience)
        except KeyboardInterrupt:
            print(f"Interrupted after {len(now.losses)} epochs; the model holds the state of epoch {now.best_epoch}.")
        finally:
            nnx.update(model, *now.best)
            bar.total = bar.n
            bar.close()
        return History(
            train_loss=now.losses[:, 0],
            validation_loss=None if validation is None else now.losses[:, 1],
            best_epoch=now.best_epoch,
            steps=size // batch_size * len(now.losses),
            seconds=float(now.seconds),
            compile_seconds=compile_seconds,
            stopped=stopped,
        )


def _on_device(data: Any, name: str) -> tuple[Any, int]:
    """The data as JAX arrays, and the number of examples."""
    leaves = jax.tree.leaves(data)
    shapes = [np.shape(x) for x in leaves]
    if not leaves or () in shapes or len({shape[0] for shape in shapes}) > 1 or shapes[0][0] == 0:
        raise ValueError(
            f"{name} has shapes {shapes}; expected an array or a tuple of arrays whose first axes, "
            "the examples, are equal and not empty."
        )
    for leaf in leaves:
        require_finite(leaf, name)
    return jax.tree.map(jnp.asarray, data), shapes[0][0]


def _extremes(data: Any) -> Any:
    """The examples that hold the smallest and the largest value of the first array."""
    data = jax.tree.map(np.asarray, data)
    first = jax.tree.leaves(data)[0]
    rows = first.reshape(len(first), -1)
    return jax.tree.map(lambda x: x[[rows.min(axis=1).argmin(), rows.max(axis=1).argmax()]], data)


def _copy(tree: Any) -> Any:
    """Buffers of our own, with strong types: what is given away to an epoch belongs to nobody else."""
    return jax.tree.map(lambda x: jnp.array(x, dtype=jnp.asarray(x).dtype, copy=True), tree)
