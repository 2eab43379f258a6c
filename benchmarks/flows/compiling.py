"""Time to trace and compile one training step, for flows of 4 and of 32 layers."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.flows.contenders import Contender, ours
from benchmarks.flows.run import Record, Run
from course_lib.flows import MAF, RealNVP, SplineFlow

DEPTHS, HIDDEN, BATCH_SIZE = (4, 32), [64, 64], 256
FLOWS: dict[str, Callable[[int], Any]] = {
    "RealNVP, stacked": lambda n: RealNVP(2, n, HIDDEN, stacked=True, rngs=nnx.Rngs(0)),
    "RealNVP, unrolled": lambda n: RealNVP(2, n, HIDDEN, rngs=nnx.Rngs(0)),
    "MAF": lambda n: MAF(2, n, HIDDEN, rngs=nnx.Rngs(0)),
    "SplineFlow": lambda n: SplineFlow(2, n, HIDDEN, rngs=nnx.Rngs(0)),
}


def seconds_to_compile(contender: Contender) -> float:
    """Trace, lower and compile the step anew."""
    batch, begin = jnp.zeros((BATCH_SIZE, 2)), time.perf_counter()
    jax.jit(lambda state, x: contender.step(state, x)).lower(contender.state, batch).compile()
    return time.perf_counter() - begin


def compile_times(run: Run, names: tuple[str, ...] = tuple(FLOWS), turns: int = 3) -> Iterator[Record]:
    """Medians over turns in which the depths alternate."""
    for name in names:
        flows = [ours(FLOWS[name](depth)) for depth in DEPTHS]
        taken = np.array([[seconds_to_compile(flow) for flow in flows] for _ in range(turns)])
        few, many = np.median(taken, axis=0)
        yield {
            "part": "compile", "flow": name, "seconds_4_layers": few, "seconds_32_layers": many, "ratio": many / few,
            "hidden": HIDDEN, "turns": turns, "seed": 0,
        }  # fmt: skip
