"""One epoch, with the validation that follows it, as one compiled program."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key

Loss = Callable[[Any, Any, Key[Array, ""]], Float[Array, ""]]


class NonFiniteLossError(ArithmeticError):
    """The loss, or a parameter, became NaN or infinite during training."""


def epoch_order(key: Key[Array, ""], epoch: int | Int[Array, ""], size: int, batch_size: int) -> tuple[Array, Array]:
    """The examples of each batch (steps, batch_size) and the key of each step: they follow from (key, epoch) alone.

    Compiled apart from the epoch, so that every run on as many examples shares it: shuffling is slow to compile.
    """
    steps = size // batch_size
    order_key, step_key = jax.random.split(jax.random.fold_in(key, epoch))
    order = jax.random.permutation(order_key, size)[: steps * batch_size]
    return order.reshape(steps, batch_size), jax.random.split(step_key, steps)


def scalar_loss(loss: Loss, model: nnx.Module, batch: Any, key: Key[Array, ""]) -> Float[Array, ""]:
    """Call `loss` and insist on one number."""
    value = loss(model, batch, key)
    if value is None:
        raise ValueError("The loss returns None; expected a scalar. Does its last line lack a `return`?")
    value = jnp.asarray(value)
    if value.shape:
        raise ValueError(f"The loss has shape {value.shape}; expected a scalar. Return its mean over the batch.")
    return value


def mean_loss(loss: Loss, build: Callable, data: Any, key: Key[Array, ""], batch_size: int) -> Float[Array, ""]:
    """The mean of `loss` over all examples, in batches; the last may be smaller and counts for less."""
    size = jax.tree.leaves(data)[0].shape[0]
    batches, left = divmod(size, batch_size)
    whole, keys, total = batches * batch_size, jax.random.split(key, batches + 1), jnp.zeros(())
    if batches:
        stacked = jax.tree.map(lambda x: x[:whole].reshape(batches, batch_size, *x.shape[1:]), data)
        total += batch_size * jax.lax.map(lambda xk: scalar_loss(loss, build(), *xk), (stacked, keys[:-1])).sum()
    if left:
        total += left * scalar_loss(loss, build(), jax.tree.map(lambda x: x[whole:], data), keys[-1])
    return total / size


def epoch_program(
    graphdef: Any, loss: Loss, validation_loss: Loss, optimizer: optax.GradientTransformation, batch_size: int
) -> Callable:
    """Make the function of one epoch, ready for `jax.jit` with its first argument donated.

    Returns:
        `run(state, data, order, step_keys, validation, key) -> (state, losses of the steps, parameters finite,
        validation loss)`. `state` is (parameters, the model's other state, the optimizer's state).
    """
    update = optax.with_extra_args_support(optimizer).update

    def run(
        state: Any,
        data: Any,
        order: Int[Array, "steps batch"],
        step_keys: Key[Array, " steps"],
        validation: Any,
        key: Any,
    ) -> tuple[Any, Array, Array, Array]:
        def step(state: Any, inputs: Any) -> tuple[Any, Array]:
            (params, rest, opt_state), (chosen, step_key) = state, inputs
            batch = jax.tree.map(lambda x: x[chosen], data)

            def objective(params: Any) -> tuple[Array, Any]:
                model = nnx.merge(graphdef, params, rest)
                model.train()
                value = scalar_loss(loss, model, batch, step_key)
                return value, nnx.as_pure(nnx.state(model, nnx.Not(nnx.Param)))

            (value, new_rest), grad = jax.value_and_grad(objective, has_aux=True)(params)
            extra = {"value": value, "grad": grad, "value_fn": lambda p: objective(p)[0]}  # what line searches ask for
            change, opt_state = update(grad, opt_state, params, **extra)
            return (optax.apply_updates(params, change), new_rest, opt_state), value

        def trained() -> nnx.Module:
            model = nnx.merge(graphdef, *state[:2])
            model.eval()
            return model

        state, losses = jax.lax.scan(step, state, (order, step_keys))
        finite = jnp.array([jnp.isfinite(x).all() for x in jax.tree.leaves(state[0])]).all()
        measured = jnp.zeros(())
        if validation is not None:
            measured = mean_loss(validation_loss, trained, validation, key, batch_size)
        return state, losses, finite, measured

    return run


def trouble(losses: np.ndarray, measured: float, epoch: int, order: np.ndarray) -> str:
    """What became NaN or infinite, where, and what to try."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        step, examples = bad[0], ", ".join(map(str, order[bad[0], :5]))
        what = f"The loss is {losses[step]} at epoch {epoch}, step {step + 1} of {len(losses)} (examples {examples}, …)"
    elif np.isfinite(measured):
        what = f"A parameter became NaN or infinite at epoch {epoch}, in the last step"
    else:
        what = f"The validation loss is {measured} after epoch {epoch}"
    return (
        f"{what}. Try a smaller learning rate, or clip gradients with "
        "optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3)), or look at the data for values out of range. "
        "The model holds its best state so far."
    )
