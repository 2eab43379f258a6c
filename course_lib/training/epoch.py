"""One epoch as one compiled program, and the validation loss as another."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

Loss = Callable[[Any, Any, Key[Array, ""]], Float[Array, ""]]
TrainState = tuple[nnx.State, nnx.State, optax.OptState]  # parameters, the model's other state, the optimizer's state


def epoch_order(
    key: Key[Array, ""], epoch: int | Int[Array, ""], size: int, batch_size: int
) -> tuple[Int[Array, "steps batch"], Key[Array, " steps"]]:
    """The examples of each batch of an epoch, and each step's key: a function of (key, epoch) and nothing else."""
    steps = size // batch_size
    order_key, step_key = jax.random.split(jax.random.fold_in(key, epoch))
    order = jax.random.permutation(order_key, size)[: steps * batch_size]
    return order.reshape(steps, batch_size), jax.random.split(step_key, steps)


def scalar_loss(loss: Loss, model: nnx.Module, batch: Any, key: Key[Array, ""]) -> Float[Array, ""]:
    """Call `loss` and insist on one number."""
    value = loss(model, batch, key)
    if jnp.shape(value) != ():
        raise ValueError(f"The loss has shape {jnp.shape(value)}; expected a scalar. Return its mean over the batch.")
    return jnp.asarray(value)


def epoch_program(graphdef: Any, loss: Loss, optimizer: optax.GradientTransformation, batch_size: int) -> Callable:
    """Build `run(state, data, key, epoch) -> (state, step losses, all parameters finite)`, ready for `jax.jit`."""
    update = optax.with_extra_args_support(optimizer).update

    def run(
        state: TrainState, data: Any, key: Key[Array, ""], epoch: Int[Array, ""]
    ) -> tuple[TrainState, Float[Array, " steps"], Bool[Array, ""]]:
        def step(state: TrainState, inputs: tuple) -> tuple[TrainState, Float[Array, ""]]:
            params, rest, opt_state = state
            chosen, step_key = inputs
            batch = jax.tree.map(lambda x: x[chosen], data)

            def objective(params: nnx.State) -> tuple[Float[Array, ""], nnx.State]:
                model = nnx.merge(graphdef, params, rest)
                model.train()
                value = scalar_loss(loss, model, batch, step_key)
                return value, nnx.as_pure(nnx.state(model, nnx.Not(nnx.Param)))

            (value, new_rest), grads = jax.value_and_grad(objective, has_aux=True)(params)
            updates, opt_state = update(
                grads, opt_state, params, value=value, grad=grads, value_fn=lambda p: objective(p)[0]
            )
            return (optax.apply_updates(params, updates), new_rest, opt_state), value

        size = jax.tree.leaves(data)[0].shape[0]
        state, losses = jax.lax.scan(step, state, epoch_order(key, epoch, size, batch_size))
        finite = jnp.array([jnp.isfinite(x).all() for x in jax.tree.leaves(state[0])]).all()
        return state, losses, finite

    return run


def validation_program(graphdef: Any, loss: Loss, batch_size: int) -> Callable:
    """Build `run(params, rest, data, key) -> loss`: the mean over every example, the last small batch included."""

    def run(params: nnx.State, rest: nnx.State, data: Any, key: Key[Array, ""]) -> Float[Array, ""]:
        def batch_loss(inputs: tuple) -> Float[Array, ""]:
            model = nnx.merge(graphdef, params, rest)
            model.eval()
            return scalar_loss(loss, model, *inputs)

        size = jax.tree.leaves(data)[0].shape[0]
        batches, left = divmod(size, batch_size)
        whole = batches * batch_size
        keys = jax.random.split(key, batches + 1)
        total = jnp.zeros(())
        if batches:
            stacked = jax.tree.map(lambda x: x[:whole].reshape(batches, batch_size, *x.shape[1:]), data)
            total += batch_size * jax.lax.map(batch_loss, (stacked, keys[:batches])).sum()
        if left:
            total += left * batch_loss((jax.tree.map(lambda x: x[whole:], data), keys[batches]))
        return total / size

    return run
