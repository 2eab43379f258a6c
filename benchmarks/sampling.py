"""What incremental sampling buys over one full pass a pixel: `python -m benchmarks.sampling`.

Every row draws the same 64 images of 28×28 from one model with one key in three ways, by turns, in one process:

- sample: `model.sample`, one compiled loop that computes each hidden feature once;
- loop: a Python loop over the pixels, each step one call of a jitted function that computes the conditionals of *all*
  pixels from those drawn so far and writes the next one into its place (no waiting between the calls);
- scan: the same full passes as the steps of one compiled `lax.scan`.

All three compare the same uniform numbers with their conditionals, so the images must be equal; the column "differ"
counts pixels that are not. Seconds are medians over the turns, after compilation, with the smallest and the largest;
a ratio is the median of the ratios within each turn. A full pass costs the same at every pixel, so where all steps of
the loops would take longer than `--seconds`, they do the first ones and their time is scaled up (marked ~).

To add a model, add a function of the number of samples to `MODELS`.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.arguments import integer, positive
from course_lib.autoregressive import Made, Nade, OrderlessNade
from course_lib.autoregressive.model import Autoregressive
from course_lib.autoregressive.pixelcnn import PixelCNN
from course_lib.command import run_command

SIDE = 28
PIXELS = SIDE * SIDE


class Row(NamedTuple):
    """One model: its own sampler, and a full pass that draws pixel t."""

    sample: Callable[[Any], jax.Array]  # key → images (n, …)
    full_pass: Callable[[Any, jax.Array, jax.Array, Any], jax.Array]  # parameters, images so far, t, noise → images
    parameters: Any
    noise: Callable[[Any], Any]  # key → what the passes draw with
    shape: tuple[int, ...]
    ordering: np.ndarray


def rough(model: Any, scale: float) -> Any:
    """Larger weights than the initial ones, so that the pixels depend on each other."""
    nnx.update(model, jax.tree.map(lambda p: scale * p, nnx.state(model, nnx.Param)))
    return model


def row_of(model: Autoregressive, n: int) -> Row:
    """For any autoregressive model."""
    graphdef, state = nnx.split(model)
    ordering, likelihood = model.ordering[...], model.likelihood

    def full_pass(state: Any, x: jax.Array, t: jax.Array, noise: Any) -> jax.Array:
        whole = nnx.merge(graphdef, state)
        numbers = whole.parameters(x.reshape(n, *whole.event_shape)).reshape(*x.shape, likelihood.num_parameters)
        drawn = likelihood.draw(jax.tree.map(lambda a: a[t], noise), numbers[:, ordering[t]])
        return x.at[:, ordering[t]].set(drawn)

    def noise(key: Any) -> Any:
        return jax.vmap(lambda key: likelihood.noise(key, (n,)))(jax.random.split(key, len(ordering)))

    sample = lambda key: model.sample(key, (n,)).reshape(n, -1)  # noqa: E731
    return Row(sample, full_pass, state, noise, (n, len(ordering)), np.asarray(ordering))


def spread_or_drawn(key: Any) -> Callable[[int], Row]:
    """A MADE with two hidden layers."""
    return lambda n: row_of(rough(Made(PIXELS, (500, 500), mask_key=key, rngs=nnx.Rngs(0)), 1.5), n)


MODELS: dict[str, Callable[[int], Row]] = {
    "NADE 500": lambda n: row_of(rough(Nade(PIXELS, 500, rngs=nnx.Rngs(0)), 3.0), n),
    "DeepNADE 500-500": lambda n: row_of(rough(OrderlessNade(PIXELS, (500, 500), rngs=nnx.Rngs(0)), 1.0), n),
    "MADE 500-500": spread_or_drawn(None),
    "MADE 500-500, drawn masks": spread_or_drawn(jax.random.key(1)),
    "PixelCNN 32x4": lambda n: row_of(PixelCNN((SIDE, SIDE), rngs=nnx.Rngs(0)), n),
}


def timed(run: Callable[..., jax.Array], *arguments: Any) -> tuple[float, np.ndarray]:
    """Seconds until the result is there, and the result."""
    begin = time.perf_counter()
    result = jax.block_until_ready(run(*arguments))
    return time.perf_counter() - begin, np.asarray(result)


def measure(row: Row, turns: int, seconds: float) -> dict[str, Any]:
    """Seconds of every turn by sampler, the number of steps that the loops did, and how many pixels differ."""
    step = jax.jit(row.full_pass)

    def loop(noise: Any, steps: int) -> jax.Array:
        x = jnp.zeros(row.shape)
        for t in range(steps):
            x = step(row.parameters, x, t, noise)
        return x

    def scan(parameters: Any, noise: Any, steps: int) -> jax.Array:
        body = lambda x, t: (row.full_pass(parameters, x, t, noise), None)  # noqa: E731
        return jax.lax.scan(body, jnp.zeros(row.shape), jnp.arange(steps))[0]

    scan = jax.jit(scan, static_argnums=2)
    noise, total = row.noise(jax.random.key(0)), len(row.ordering)
    timed(row.sample, jax.random.key(0)), timed(loop, noise, 1)
    steps = int(np.clip(seconds / (timed(loop, noise, 3)[0] / 3), 5, total))
    timed(scan, row.parameters, noise, steps)
    taken: dict[str, list[float]] = {"sample": [], "loop": [], "scan": []}
    differ = 0
    for _ in range(turns):
        fast, images = timed(row.sample, jax.random.key(0))
        slow, looped = timed(loop, noise, steps)
        compiled, scanned = timed(scan, row.parameters, noise, steps)
        for name, value in zip(taken, (fast, slow * total / steps, compiled * total / steps), strict=True):
            taken[name].append(value)
        images, looped, scanned = (x.reshape(len(x), -1)[:, row.ordering[:steps]] for x in (images, looped, scanned))
        differ = max(differ, int((images != looped).sum()), int((images != scanned).sum()))
    return taken | {"steps": steps, "differ": differ, "compared": images.size}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", metavar="NAME", default=list(MODELS), help="rows, by the beginning of their names"
    )
    parser.add_argument("--samples", type=integer(1), default=64)
    parser.add_argument("--turns", type=integer(1), default=5)
    parser.add_argument("--seconds", type=positive, default=5.0, help="budget of each naive loop in a turn")
    wanted = parser.parse_args()
    for beginning in wanted.models:
        if not any(name.startswith(beginning) for name in MODELS):
            parser.error(f"--models: no row begins with {beginning!r}; choose from {', '.join(MODELS)}.")
    print(f"{wanted.samples} samples of {SIDE}x{SIDE} on {jax.devices()[0].platform}, {wanted.turns} turns")
    print(f"{'':27}{'sample [s] (min – max)':>26}{'loop [s]':>12}{'ratio':>8}{'scan [s]':>12}{'ratio':>8}   differ")
    for name, build in MODELS.items():
        if not any(name.startswith(beginning) for beginning in wanted.models):
            continue
        found = measure(build(wanted.samples), wanted.turns, wanted.seconds)
        fast = np.array(found["sample"])
        line = f"{name:27}{np.median(fast):12.3f} ({fast.min():.3f} – {fast.max():.3f})"
        mark = "~" if found["steps"] < PIXELS else ""
        for naive in ("loop", "scan"):
            slow = np.array(found[naive])
            line += f"{mark + format(np.median(slow), '.1f'):>12}{np.median(slow / fast):7.0f}x"
        print(f"{line}   {found['differ']} of {found['compared']}", flush=True)


if __name__ == "__main__":
    run_command(main)
