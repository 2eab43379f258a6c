"""Constructors of the discrete densities that the laws run over; the bijections are in `bijections.py`.

Parameters are drawn away from their initial values, so that no law holds because a bias happens to be 0.
"""

from collections.abc import Callable

import jax
import numpy as np
from flax import nnx

from benchmarks.density.redrawn_masks import RedrawnMade
from course_lib.autoregressive import Autoregressive, Made, Nade, OrderlessNade


def perturbed(model, seed: int, scale: float = 0.7):
    """The model with normal noise added to all its parameters."""
    rng = np.random.default_rng(seed)
    state = nnx.state(model, nnx.Param)
    noise = lambda p: scale * rng.normal(size=p.shape).astype(np.float32)  # noqa: E731
    moved = jax.tree.map(lambda p: jax.device_put(np.asarray(p) + noise(p)), state)  # nothing to compile for each shape
    nnx.update(model, moved)
    return model


def shuffled(d: int, seed: int) -> np.ndarray:
    """An ordering without a pattern."""
    return np.random.default_rng(seed + 7).permutation(d)


def in_two_orderings(name: str, build: Callable) -> dict[str, Callable[..., Autoregressive]]:
    """Entries that differ in the ordering alone; each is a function of the number of inputs and a seed."""
    orderings = {"in order": lambda d, seed: None, "shuffled": shuffled}

    def entry(ordering):
        return lambda d, seed=0: perturbed(build(d, ordering(d, seed), nnx.Rngs(seed)), seed)

    return {f"{name}, {label}": entry(ordering) for label, ordering in orderings.items()}


def made_with_everything(d: int, seed: int = 0) -> RedrawnMade:
    """Degrees in no order, direct connections, weights that see the mask."""
    model = RedrawnMade(d, (60, 60), direct=True, rngs=nnx.Rngs(seed))
    return perturbed(model, seed, 0.4).redrawn(jax.random.key(seed + 100), jax.numpy.asarray(shuffled(d, seed)))


DISCRETE_DENSITIES: dict[str, Callable[..., Autoregressive]] = {
    **in_two_orderings("Nade", lambda d, o, rngs: Nade(d, 24, ordering=o, rngs=rngs)),
    **in_two_orderings("Made without hidden layer", lambda d, o, rngs: Made(d, (), ordering=o, rngs=rngs)),
    **in_two_orderings("Made", lambda d, o, rngs: Made(d, (24,), ordering=o, rngs=rngs)),
    **in_two_orderings("Made of three layers", lambda d, o, rngs: Made(d, (24, 24, 24), ordering=o, rngs=rngs)),
    **in_two_orderings(
        "Made with drawn masks",
        lambda d, o, rngs: Made(d, (64, 64), ordering=o, mask_key=jax.random.key(5), rngs=rngs),
    ),
    "Made with everything": made_with_everything,
    "Made, redrawn": lambda d, seed=0: perturbed(RedrawnMade(d, (60, 60), rngs=nnx.Rngs(seed)), seed, 0.4).redrawn(
        jax.random.key(seed)
    ),
    "OrderlessNade": lambda d, seed=0: perturbed(
        OrderlessNade(d, (20,), ordering=shuffled(d, seed), rngs=nnx.Rngs(seed)), seed, 0.4
    ),
    "DeepNADE": lambda d, seed=0: perturbed(OrderlessNade(d, (16, 12, 8), rngs=nnx.Rngs(seed)), seed, 0.4).redrawn(
        jax.random.key(seed)
    ),
}
