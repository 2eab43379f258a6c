"""The one training loop of the course."""

from pathlib import Path
from typing import Any

import jax
import optax
from flax import nnx
from jaxtyping import Array, Key

from course_lib.training.checks import checked, let_refuse, require_optimizer
from course_lib.training.epoch import Loss, epoch_order, epoch_program
from course_lib.training.history import History
from course_lib.training.interrupt import interrupts_noted, wait
from course_lib.training.resumable import resumable


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
    with interrupts_noted() as check:
        data, validation, size = checked(model, data, validation, epochs, batch_size, patience, validation_loss)
        optimizer, validation_loss = require_optimizer(optimizer or optax.adam(1e-3)), validation_loss or loss
        for function, examples in ((loss, data), (validation_loss, validation)):
            let_refuse(function, model, examples, key)
        with resumable(model, epochs, patience, validated=validation is not None, progress=progress) as run:
            run.begin(optimizer)
            shuffle = jax.jit(epoch_order, static_argnums=(2, 3))
            fixed = (validation, jax.random.fold_in(key, 0))  # epochs count from 1
            program = epoch_program(nnx.graphdef(model), loss, validation_loss, optimizer, batch_size)
            lowered = jax.jit(program, donate_argnums=0).lower(
                run.now.state, data, *shuffle(key, 0, size, batch_size), *fixed
            )
            if checkpoint is not None:
                sizes = {"batch_size": batch_size, "patience": patience}
                contents = {"data": data, "validation": validation, "key": key}
                run.resume(checkpoint, sizes, contents, lowered.as_text())
            check()
            epoch: Any = None if run.over() else lowered.compile()
            run.compiled()
            while not run.over():
                order, step_keys = shuffle(key, run.now.epoch + 1, size, batch_size)
                state, losses, finite, measured = epoch(run.now.state, data, order, step_keys, *fixed)
                run.add(state, wait(losses, check), finite, measured, order)
                check()
        return run.history(steps=size // batch_size)
