"""The one training loop of the course."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Key
from tqdm.auto import tqdm

from course_lib.training.epoch import Loss, TrainState, epoch_order, epoch_program, validation_program
from course_lib.training.history import History, NonFiniteLossError
from course_lib.validation import require_finite, require_positive


@dataclass(frozen=True)
class Progress:
    """All that a run has come to. It is replaced as a whole, so an interruption never finds it half changed."""

    state: TrainState
    best: tuple[nnx.State, nnx.State]
    best_epoch: int = 0
    best_loss: float = float("inf")
    train: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return len(self.train)


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
    """Train `model` in place by stochastic gradient descent on `loss`; it holds the best state at the end.

    Each epoch takes ⌊n / batch_size⌋ steps θ ← θ + u(∇_θ loss) over a new random order of the examples.

    Args:
        model: a flax.nnx module; its `nnx.Param`s are trained, its other state (batch statistics, keys) carried.
        loss: `loss(model, batch, key) -> scalar`, a mean over the batch (nats).
        data: an array or a tuple of arrays with equal first axis; `batch` has the same structure.
        key: all randomness comes from `fold_in(key, epoch)`, so equal keys give equal runs.
        epochs: most passes over the data.
        batch_size: examples a step; an incomplete last batch is left out, another one each epoch.
        optimizer: any optax transformation; default `optax.adam(1e-3)`.
        validation: examples never trained on, same structure as `data`. The state with the lowest loss on them is
            kept (the state before training competes too). Without it the state of the last epoch is kept.
        validation_loss: what to measure there; default `loss`. It sees the model in `eval` mode and a fixed key.
        patience: stop after this many epochs without a better validation loss.
        checkpoint: folder to save to and resume from.
        progress: show a progress bar.

    Returns:
        The `History` of the run.

    Raises:
        ValueError: data, sizes or checkpoint that cannot be used.
        NonFiniteLossError: the loss became NaN or infinite; the model holds the best state so far.

    Taught in: 00_start_here, "Training"
    """
    for name, value in {"epochs": epochs, "batch_size": batch_size, "patience": patience}.items():
        if value is not None:
            require_positive(value, name)
    if validation is None and (patience is not None or validation_loss is not None):
        raise ValueError("patience and validation_loss need validation data; give validation=….")
    data = _on_device(data, "data")
    size = jax.tree.leaves(data)[0].shape[0]
    if batch_size > size:
        raise ValueError(f"batch_size is {batch_size}, but data has {size} examples; choose batch_size ≤ {size}.")
    if validation is not None:
        validation = _on_device(validation, "validation")
    optimizer = optimizer or optax.adam(1e-3)

    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    params, rest = nnx.as_pure((params, rest))
    now = Progress(_copy((params, rest, optimizer.init(params))), (params, rest))
    steps, compile_seconds, stopped = size // batch_size, 0.0, "finished"
    bar = tqdm(total=epochs, initial=now.epoch, leave=False, disable=not progress, unit="epoch")
    try:
        begin = time.perf_counter()
        run = jax.jit(epoch_program(graphdef, loss, optimizer, batch_size), donate_argnums=0)
        run = run.lower(now.state, data, key, jnp.int32(1)).compile()
        validate = None
        if validation is not None:
            validate = jax.jit(validation_program(graphdef, validation_loss or loss, batch_size))
            validation_key = jax.random.fold_in(key, 0)
            validate = validate.lower(params, rest, validation, validation_key).compile()
            now = replace(now, best_loss=float(validate(params, rest, validation, validation_key)))
        compile_seconds = time.perf_counter() - begin
        while now.epoch < epochs:
            if patience is not None and now.epoch - now.best_epoch >= patience:
                stopped = "early"
                break
            begin, epoch = time.perf_counter(), now.epoch + 1
            state, losses, finite = run(now.state, data, key, jnp.int32(epoch))
            losses = np.asarray(_wait(losses))
            if not (np.isfinite(losses).all() and finite):
                raise NonFiniteLossError(_explain(losses, epoch, epoch_order(key, epoch, size, batch_size)[0], now))
            now = replace(now, state=state, train=(*now.train, float(losses.mean())))
            if validate is None:
                now = replace(now, best=_copy(state[:2]), best_epoch=epoch)
            else:
                value = float(_wait(validate(*state[:2], validation, validation_key)))
                now = replace(now, validation=(*now.validation, value))
                if value < now.best_loss:
                    now = replace(now, best=_copy(state[:2]), best_epoch=epoch, best_loss=value)
            now = replace(now, seconds=now.seconds + time.perf_counter() - begin)
            bar.set_postfix_str(f"train {now.train[-1]:.2f}", refresh=False)
            bar.update()
    except KeyboardInterrupt:
        stopped = "interrupted"
        print(f"Interrupted after epoch {now.epoch}; the model holds the state of epoch {now.best_epoch}.")
    finally:
        bar.close()
        nnx.update(model, *now.best)
    return History(
        np.asarray(now.train),
        None if validation is None else np.asarray(now.validation),
        now.best_epoch,
        steps * now.epoch,
        now.seconds,
        compile_seconds,
        stopped,
    )


def _explain(losses: np.ndarray, epoch: int, order: Array, now: Progress) -> str:
    bad = np.flatnonzero(~np.isfinite(losses))
    step = int(bad[0]) if len(bad) else len(losses) - 1
    what = f"The loss is {losses[step]}" if len(bad) else "A parameter is NaN or infinite"
    examples = ", ".join(map(str, np.asarray(order[step])[:5]))
    return (
        f"{what} at epoch {epoch}, step {step + 1} of {len(losses)}, in the batch of examples {examples}, … of the "
        "data. Try a smaller learning rate, or clip gradients with optax.chain(optax.clip_by_global_norm(1.0), "
        "optax.adam(1e-3)), or look at these examples for values that are out of range. "
        f"The model holds its best state so far (epoch {now.best_epoch})."
    )


def _on_device(data: Any, name: str) -> Any:
    leaves = jax.tree.leaves(data)
    shapes = [np.shape(x) for x in leaves]
    if not leaves or any(shape == () or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(f"{name} has shapes {shapes}; expected an array, or arrays with equal first axis (examples).")
    if shapes[0][0] == 0:
        raise ValueError(f"{name} is empty: shapes {shapes}. Give at least one example.")
    for leaf in leaves:
        require_finite(leaf, name)
    return jax.tree.map(jnp.asarray, data)


def _copy(tree: Any) -> Any:
    """Fresh buffers, not weakly typed: what is donated belongs to nobody else."""
    return jax.tree.map(lambda x: jnp.array(x, dtype=x.dtype, copy=True), tree)


def _wait(x: Array) -> Array:
    """Wait for a result so that Ctrl-C is heard meanwhile, at most 2 % late."""
    begin = time.perf_counter()
    while not x.is_ready():
        time.sleep(min(0.05, 1e-4 + 0.02 * (time.perf_counter() - begin)))
    return x
