"""Networks: training with early stopping, an average of the weights and a deadline; the search over settings."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tqdm.auto import tqdm

from course_lib.autoregressive import chain_rule_log_prob
from course_lib.training.epoch import epoch_order, epoch_program, mean_loss


@dataclass
class Course:
    """How a training went: epochs, best validation loss, and whether the clock ended it."""

    epochs: int = 0
    best: float = np.inf
    cut: bool = False
    losses: list[float] = field(default_factory=list)


def dropout_loss(rate: float) -> Callable:
    """−log p in nats with each input replaced by 0 at this rate, the others scaled up; the targets stay."""

    def loss(model: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        shown = x * jax.random.bernoulli(key, 1 - rate, x.shape) / (1 - rate) if rate else x
        return -chain_rule_log_prob(x, model.conditional_logits(shown)).mean()

    return loss


def train(
    model: nnx.Module, loss: Callable, data: Any, validation: Any, *, validation_loss: Callable, key: Any,
    optimizer: optax.GradientTransformation, epochs: int, batch_size: int, patience: int, deadline: float,
    average: float = 0.0, every: int = 1, name: str = "", rate: Callable[[float], float] | None = None,
) -> Course:  # fmt: skip
    """Train `model` in place; it ends in the state (or the running average of states) that validation likes best.

    Args: average: weight of the past in the mean of the parameters, one entry an epoch (0: no averaging);
        every: epochs between two looks at the validation set; deadline: of `time.monotonic`;
        rate: the learning rate (of `optax.inject_hyperparams`) as a function of progress, from 0 to 1: the share of
        the epochs, or of the time until the deadline, whichever is larger.
    """
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    params, rest = jax.tree.map(jnp.copy, nnx.as_pure((params, rest)))
    state, mean = (params, rest, optimizer.init(params)), jax.tree.map(jnp.copy, params)
    program = jax.jit(epoch_program(graphdef, loss, loss, optimizer, batch_size), donate_argnums=0)
    fixed_key, size = jax.random.fold_in(key, 0), min(256, len(validation))
    measure = jax.jit(
        lambda p, r, key: mean_loss(validation_loss, lambda: nnx.merge(graphdef, p, r), validation, key, size)
    )
    course, best, took = Course(), jax.tree.map(jnp.copy, (mean, rest)), 0.0
    bar = tqdm(total=epochs, leave=False, desc=name, unit="epoch")
    waited, start = 0, time.monotonic()
    for epoch in range(1, epochs + 1):
        begin = time.monotonic()
        if begin + took > deadline:
            course.cut = True
            break
        if rate is not None:
            spent = (begin + took - start) / max(deadline - start, 1e-9)
            state[2].hyperparams["learning_rate"] = jnp.float32(rate(min(1.0, max(epoch / epochs, spent))))
        batches = epoch_order(key, epoch, jax.tree.leaves(data)[0].shape[0], batch_size)
        state, losses, _, _ = program(state, data, *batches, None, None)
        weight = min(average, 1 - 1 / epoch)
        mean = jax.tree.map(lambda a, b: weight * a + (1 - weight) * b, mean, state[0])  # noqa: B023
        course.epochs = epoch
        if epoch % every == 0 or epoch == epochs:
            value = float(measure(mean, state[1], jax.random.clone(fixed_key)))
            course.losses.append(value)
            if not np.isfinite(value):
                break
            if value < course.best:
                course.best, best, waited = value, jax.tree.map(jnp.copy, (mean, state[1])), 0
            else:
                waited += every
            bar.set_postfix_str(f"train {float(losses.mean()):.2f}, validation {value:.2f}", refresh=False)
        bar.update()
        took = time.monotonic() - begin if epoch > 1 else 0.0
        if waited >= patience:
            break
    bar.close()
    nnx.update(model, *best)
    return course


def parameters(model: nnx.Module) -> int:
    """How many numbers training may change."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def log_prob(model: Any, x: np.ndarray, batch: int = 500) -> np.ndarray:
    """Nats for each row, in compiled batches."""
    graphdef, state = nnx.split(model)
    compiled = jax.jit(lambda state, x: nnx.merge(graphdef, state).log_prob(x))
    return np.concatenate([compiled(state, jnp.asarray(x[i : i + batch])) for i in range(0, len(x), batch)])
