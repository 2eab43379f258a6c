"""Training and sampling, all libraries by turns, A B C A B C …: whatever else the machine does hits them all.

Before each turn there is a pause: the threads of some libraries go on spinning for a while after their work is done,
and would slow down whoever comes next.
"""

import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import jax
import numpy as np

from benchmarks.flows import in_torch
from benchmarks.flows.contenders import LIBRARIES, Size
from benchmarks.flows.run import Record, Run

SMALL = Size(2, 8, (64, 64), 256, 100, {"RealNVP": 4096, "MAF": 4096})
LARGE = Size(784, 4, (512, 512), 128, 12, {"RealNVP": 512, "MAF": 2})
SIZES, FLOWS, TURNS, PAUSE = (SMALL, LARGE), ("RealNVP", "MAF"), 11, 0.3


def runners_of(library: str, flow: str, size: Size, batches: np.ndarray) -> dict[str, Callable[[], Any]]:
    """`train` does one step a batch, `sample` draws points; both return when the result is there. {}: not offered."""
    if library.startswith("torch"):
        return in_torch.runners(flow, size, batches, compiled=library.endswith("compiled"))
    made = LIBRARIES[library](flow, size)
    if made is None:
        return {}
    train = jax.jit(lambda state, x: jax.lax.scan(made.step, state, x), donate_argnums=0)
    sample = jax.jit(made.sample, static_argnums=2)
    held, x, key = [jax.tree.map(lambda leaf: leaf.copy(), made.state)], jax.numpy.asarray(batches), jax.random.key(1)

    def run_training() -> float:
        held[0], losses = train(held[0], x)
        return float(losses[-1])

    return {
        "train": run_training,
        "sample": lambda: jax.block_until_ready(sample(held[0], jax.random.clone(key), size.draws[flow])),
    }


def timed_in_turns(runners: dict[str, Callable[[], Any]], turns: int, deadline: float) -> dict[str, list[float]]:
    """Seconds of every turn by name, after one that is not counted. At least one turn, and none after the deadline."""
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for run in runners.values():
        run()
    for turn in range(turns):
        if turn and time.monotonic() > deadline:
            break
        for name, run in runners.items():
            time.sleep(PAUSE)
            begin = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - begin)
    return taken


def speed(
    run: Run, sizes: tuple[Size, ...] = SIZES, flows: tuple[str, ...] = FLOWS, turns: int = TURNS,
    libraries: tuple[str, ...] = (*LIBRARIES, "torch eager", "torch compiled"),
) -> Iterator[Record]:  # fmt: skip
    """A row for each flow, size, library and task; `ratio` is its median over ours."""
    if any(name.startswith("torch") for name in libraries) and not in_torch.available():
        print(in_torch.MISSING, flush=True)
        libraries = tuple(name for name in libraries if not name.startswith("torch"))
    for left, (size, flow) in enumerate(product(sizes, flows)):
        share = max(run.left, 0.0) / (len(sizes) * len(flows) - left)
        begin = time.monotonic()
        rng = np.random.default_rng(run.seed)
        batches = rng.normal(size=(size.steps, size.batch, size.dims)).astype(np.float32)
        built = {name: runners_of(name, flow, size, batches) for name in libraries}
        for what, until, per in (("train", 0.6, size.steps), ("sample", 1.0, 1)):
            chosen = {name: tasks[what] for name, tasks in built.items() if what in tasks}
            taken = timed_in_turns(chosen, turns, begin + until * share)
            for name, seconds in taken.items():
                milliseconds = 1e3 * np.array(seconds) / per
                yield {
                    "part": "speed", "flow": flow, "size": str(size), "library": name, "what": what,
                    "median_ms": float(np.median(milliseconds)), "fastest_ms": float(milliseconds.min()),
                    "ratio": float(np.median(seconds) / np.median(taken[libraries[0]])), "turns": len(seconds),
                    "unit": "a step" if what == "train" else f"{size.draws[flow]} points", "hidden": size.hidden,
                    "layers": size.layers, "batch_size": size.batch, "seed": run.seed,
                }  # fmt: skip
