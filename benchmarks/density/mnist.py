"""MNIST with dynamic binarization: each grey level is the probability of a 1, drawn anew in every epoch.

The last 5,000 training images are the validation set. Validation and test images are drawn once, from fixed seeds.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from benchmarks.density.data import Binary, read_mnist
from benchmarks.density.logistic import mixed
from benchmarks.density.neural import log_prob, parameters, train
from benchmarks.density.pixelcnn import pixelcnn
from benchmarks.density.run import Row, Run
from course_lib.autoregressive import Made, Nade, chain_rule_log_prob, negative_log_likelihood

VALIDATION, BINARIZATION_SEED, SCAN_EPOCHS = 5000, 0, 80


def load_mnist(path: str | Path) -> Binary:
    """Grey levels 0…1 for training, bits for validation and test, 784 numbers a row.

    Raises: ValueError: no .npz file, a key is missing, images of another shape.
    """
    train, test = read_mnist(path, least=VALIDATION + 1)
    images = {"x_train": train, "x_test": test}
    grey = {name: part.reshape(-1, 784).astype(np.float32) / 255 for name, part in images.items()}
    rng = np.random.default_rng(BINARIZATION_SEED)
    test, valid = (
        (rng.random(x.shape, np.float32) < x).astype(np.float32)
        for x in (grey["x_test"], grey["x_train"][-VALIDATION:])
    )
    return Binary("mnist", grey["x_train"][:-VALIDATION], valid, test)


def dynamic_loss(model: Any, grey: jax.Array, key: jax.Array) -> jax.Array:
    """−log p of a fresh binarization, in nats, averaged over the batch."""
    x = jax.random.bernoulli(key, grey).astype(float)
    return -chain_rule_log_prob(x, model.conditional_logits(x)).mean()


def trained(
    run: Run, name: str, model: nnx.Module, settings: dict[str, Any], *, epochs: int, rate: float, batch_size: int
) -> Row:
    """Adam whose rate falls to 0 along half a cosine, over `epochs` or over the time there is, whichever ends first."""
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=rate)
    course = train(
        model, dynamic_loss, run.data.train, run.data.valid, validation_loss=negative_log_likelihood,
        key=run.key(name), optimizer=optimizer, epochs=epochs, batch_size=batch_size, patience=epochs,
        deadline=run.deadline, average=0.5, name=name,
        rate=lambda progress: rate * (1 + np.cos(np.pi * progress)) / 2,
    )  # fmt: skip
    valid, test = (log_prob(model, x) for x in (run.data.valid, run.data.test))
    settings |= {"rate": rate, "batch_size": batch_size, "binarization_seed": BINARIZATION_SEED}
    return Row(name, valid, test, parameters(model), course.epochs, settings, course.epochs < epochs)


def made(run: Run) -> Row:
    """Two hidden layers of 1,000 and direct connections, pixels row by row."""
    sizes = (1000, 1000)
    model = Made(run.data.num_inputs, sizes, direct=True, rngs=nnx.Rngs(run.seed))
    return trained(run, "made", model, {"hidden": sizes}, epochs=300, rate=1e-3, batch_size=200)


def scans() -> dict[str, np.ndarray]:
    """Four orderings of the pixels: by rows and by columns, forwards and backwards. Each is its own inverse."""
    place = np.arange(784).reshape(28, 28)
    return {"rows": place.ravel(), "columns": place.T.ravel(),
            "rows backwards": place.ravel()[::-1], "columns backwards": place.T.ravel()[::-1]}  # fmt: skip


def made_scans(run: Run) -> Row:
    """The mixture of four MADEs like `made`, one for each scan of the image, each with a quarter of the time.

    The weights are fitted on validation by EM. Source: Germain et al. 2015 (arXiv:1502.03509), sec. 4.2, averages too.
    """
    parts, cut, end, orderings = [], False, run.deadline, scans()
    epochs = size = 0
    for i, (name, ordering) in enumerate(orderings.items()):
        model = Made(784, (1000, 1000), ordering=ordering, direct=True, rngs=nnx.Rngs(run.seed + i))
        run.deadline = end - (end - time.monotonic()) * (1 - 1 / (len(orderings) - i))
        row = trained(run, f"made by {name}", model, {}, epochs=SCAN_EPOCHS, rate=1e-3, batch_size=200)
        parts.append((row.valid, row.test))
        epochs, size, cut = epochs + (row.epochs or 0), size + row.parameters, cut or row.cut
    run.deadline = end
    alone = {name: round(float(-test.mean()), 3) for name, (_, test) in zip(orderings, parts, strict=True)}
    settings = {"hidden": (1000, 1000), "test_nll_of_each": alone, "rate": 1e-3, "batch_size": 200}
    settings |= {"binarization_seed": BINARIZATION_SEED}
    return mixed(f"made, {len(orderings)} scans", parts, size, settings, cut, epochs)


def nade(run: Run) -> Row:
    """500 hidden units, pixels row by row."""
    model = Nade(run.data.num_inputs, 500, rngs=nnx.Rngs(run.seed))
    return trained(run, "nade", model, {"hidden": 500}, epochs=100, rate=1e-3, batch_size=100)


MNIST_RECIPES: dict[str, tuple[Callable[[Run], Row], float]] = {
    "made": (made, 4), "made-scans": (made_scans, 8), "nade": (nade, 1), "pixelcnn": (pixelcnn, 4),
}  # fmt: skip
