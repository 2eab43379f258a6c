"""Small training problems, shared by the tests and by the processes that they stop."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from course_lib.training import History, fit


class Regressor(nnx.Module):
    """A little of everything that a state can hold: weights, batch statistics, a dropout key and its counter."""

    def __init__(self, seed: int = 0):
        rngs = nnx.Rngs(seed)
        self.first, self.second = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        return self.second(self.dropout(jnp.tanh(self.norm(self.first(x)))))


def line(seed: int = 0) -> nnx.Linear:
    """The smallest model that learns something: it compiles in half a second."""
    return nnx.Linear(4, 1, rngs=nnx.Rngs(seed))


def noisy_squares(model, batch, key):
    """Mean squared error, with a little noise so that the key matters."""
    x, y = batch
    return jnp.mean((model(x)[..., 0] - y - 0.01 * jax.random.uniform(key, y.shape)) ** 2)


def examples(n: int = 100, seed: int = 0):
    """(inputs, targets) as numpy arrays."""
    x = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return x, x[:, 0] * x[:, 1] + x[:, 2]


def train(model: nnx.Module, **changes) -> History:
    """One run, the same every time, but for `changes`."""
    arguments = {
        "key": jax.random.key(1), "epochs": 5, "batch_size": 16, "progress": False, "validation": examples(23, seed=1)
    }  # fmt: skip
    return fit(model, noisy_squares, examples(), **{**arguments, **changes})


def values(model) -> list[np.ndarray]:
    """Every array of a model, random keys as data."""
    leaves = jax.tree.leaves(nnx.as_pure(nnx.state(model)))
    return [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in leaves]


def same(one, other) -> bool:
    """Bit for bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(values(one), values(other), strict=True))
