"""What one compiled epoch buys over a Python loop of compiled steps: `python -m benchmarks.training`.

Both train the same network on the same batches in one process and take turns, so that whatever else the machine
does hits both. Compile time is measured apart.
"""

import argparse
import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.arguments import integer
from course_lib.command import run_command
from course_lib.training.epoch import epoch_order, epoch_program

EXAMPLES = 4096


def squared_error(model: nnx.Module, batch: jax.Array, key: jax.Array) -> jax.Array:
    """Reconstruct the batch through a narrow layer."""
    return jnp.mean(jnp.sum((model(batch) - batch) ** 2, axis=-1))


def network(sizes: list[int]) -> nnx.Sequential:
    """Dense layers with tanh between them."""
    layers = [nnx.Linear(a, b, rngs=nnx.Rngs(a)) for a, b in itertools.pairwise(sizes)]
    return nnx.Sequential(*itertools.chain(*((layer, jnp.tanh) for layer in layers[:-1])), layers[-1])


def measure(sizes: list[int], batch_size: int, repeats: int) -> dict[str, float]:
    """Seconds of each loop (best of `repeats`): on the clock, "cpu" of all cores, and "!" of compilation."""
    data = jax.random.normal(jax.random.key(0), (EXAMPLES, sizes[0]))
    optimizer = optax.adam(1e-3)
    graphdef, params, rest = nnx.split(network(sizes), nnx.Param, ...)
    params, rest = nnx.as_pure((params, rest))

    def fresh() -> tuple:
        return jax.tree.map(jnp.copy, (params, rest, optimizer.init(params)))

    order, keys = epoch_order(jax.random.key(1), 1, EXAMPLES, batch_size)
    program = epoch_program(graphdef, squared_error, squared_error, optimizer, batch_size)
    begin = time.perf_counter()
    epoch = jax.jit(program, donate_argnums=0).lower(fresh(), data, order, keys, None, None).compile()
    compiled_epoch = time.perf_counter() - begin

    def one_step(state: tuple, batch: jax.Array, key: jax.Array) -> tuple:
        params, rest, opt_state = state
        loss, grad = jax.value_and_grad(lambda p: squared_error(nnx.merge(graphdef, p, rest), batch, key))(params)
        change, opt_state = optimizer.update(grad, opt_state, params)
        return (optax.apply_updates(params, change), rest, opt_state), loss

    begin = time.perf_counter()
    step = jax.jit(one_step, donate_argnums=0).lower(fresh(), data[:batch_size], keys[0]).compile()
    compiled_step = time.perf_counter() - begin

    def python_loop(state: tuple) -> tuple:
        """The usual loop: batches cut out in numpy, one dispatch a step, the loss left on the device."""
        for chosen, key in zip(np.asarray(order), keys, strict=True):
            state, _ = step(state, images[chosen], key)
        return (state,)

    images, seconds, ends = np.asarray(data), {"scan": [], "loop": [], "scan cpu": [], "loop cpu": []}, {}
    for _ in range(repeats):
        for name, run in {"scan": lambda s: epoch(s, data, order, keys, None, None), "loop": python_loop}.items():
            state = jax.block_until_ready(fresh())
            begin, begin_cpu = time.perf_counter(), time.process_time()
            ends[name] = jax.block_until_ready(run(state))[0]
            seconds[name].append(time.perf_counter() - begin)
            seconds[name + " cpu"].append(time.process_time() - begin_cpu)
    for ours, plain in zip(*(jax.tree.leaves(ends[name][0]) for name in ("scan", "loop")), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-3, atol=1e-4)  # the same training, or the ratio says nothing
    return {name: min(values) for name, values in seconds.items()} | {"scan!": compiled_epoch, "loop!": compiled_step}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=integer(1), default=5, help="turns of each loop; the fastest counts")
    repeats = parser.parse_args().repeats
    print(f"{'':24}   scan ms/step   loop ms/step   loop/scan    cpu   compile scan s   loop s")
    for sizes, batch_size in [([64, 16, 64], 64), ([784, 400, 20, 400, 784], 128)]:
        result = measure(sizes, batch_size, repeats)
        scan, loop = (1e3 * result[name] / (EXAMPLES // batch_size) for name in ("scan", "loop"))
        cpu = result["loop cpu"] / result["scan cpu"]
        print(
            f"{'-'.join(map(str, sizes)):18} ×{batch_size:4}{scan:15.3f}{loop:15.3f}{loop / scan:12.2f}{cpu:7.2f}"
            f"{result['scan!']:17.2f}{result['loop!']:9.2f}"
        )


if __name__ == "__main__":
    run_command(main)
