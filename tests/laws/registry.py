"""Constructors of the discrete densities that the laws run over; the bijections are in `bijections.py`.

Parameters are drawn away from their initial values, so that no law holds because a bias happens to be 0.
"""

from collections.abc import Callable

import jax
import numpy as np
from flax import nnx

from course_lib.autoregressive import BinaryAutoregressive, Made, Nade


def perturbed(model, seed: int, scale: float = 0.7):
    """The model with normal noise added to all its parameters."""
    rng = np.random.default_rng(seed)
    state = nnx.state(model, nnx.Param)
    nnx.update(model, jax.tree.map(lambda p: p + scale * rng.normal(size=p.shape).astype(np.float32), state))
    return model


def in_three_orderings(name: str, build: Callable) -> dict[str, Callable[..., BinaryAutoregressive]]:
    """Entries that differ in the ordering alone; each is a function of the number of inputs and a seed."""
    orderings = {
        "in order": lambda d, seed: None,
        "reversed": lambda d, seed: np.arange(d)[::-1],
        "shuffled": lambda d, seed: np.random.default_rng(seed + 7).permutation(d),
    }

    def entry(ordering):
        return lambda d, seed=0: perturbed(build(d, ordering(d, seed), nnx.Rngs(seed)), seed)

    return {f"{name}, {label}": entry(ordering) for label, ordering in orderings.items()}


DISCRETE_DENSITIES: dict[str, Callable[..., BinaryAutoregressive]] = {
    **in_three_orderings("Nade", lambda d, o, rngs: Nade(d, 24, ordering=o, rngs=rngs)),
    **in_three_orderings("Made without hidden layer", lambda d, o, rngs: Made(d, (), ordering=o, rngs=rngs)),
    **in_three_orderings("Made", lambda d, o, rngs: Made(d, (24,), ordering=o, rngs=rngs)),
    **in_three_orderings("Made of three layers", lambda d, o, rngs: Made(d, (24, 24, 24), ordering=o, rngs=rngs)),
    **in_three_orderings(
        "Made with drawn masks",
        lambda d, o, rngs: Made(d, (64, 64), ordering=o, mask_key=jax.random.key(5), rngs=rngs),
    ),
}
