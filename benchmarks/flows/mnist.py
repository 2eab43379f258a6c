"""MAF(5) on MNIST in the paper's preprocessing: hours on two cores, so it is trained in parts that can be resumed."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import optax
from flax import nnx

from benchmarks.density.data import read_mnist
from benchmarks.flows.images import image_record, logit_loss, standardized
from benchmarks.flows.run import Record, Run
from course_lib.flows import MAF
from course_lib.training import fit

VALIDATION, ALPHA, GREY = 10_000, 1e-6, 256  # the paper's


@dataclass(frozen=True)
class Recipe:
    """Adam whose rate rises for an epoch and falls to 0 along half a cosine over all of them."""

    layers: int = 5
    hidden: tuple[int, ...] = (1024,)
    epochs: int = 40
    batch_size: int = 200
    rate: float = 1e-3
    weight_decay: float = 1e-2


def load_levels(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey levels 0…255, 784 a row: 50,000 to train, the last 10,000 training images to validate, 10,000 to test.

    Raises: ValueError: no .npz file, a key is missing, images of another shape, or too few.
    """
    train, test = (images.reshape(-1, 784) for images in read_mnist(path, least=VALIDATION + 1))
    return train[:-VALIDATION], train[-VALIDATION:], test


def mnist(run: Run, recipe: Recipe = Recipe()) -> Iterator[Record]:
    """One row. The clock is looked at between epochs; with a checkpoint folder the same command goes on from there."""
    if run.mnist is None:
        raise ValueError("the part mnist needs the images: --mnist FILE, with x_train and x_test as uint8 (n, 28, 28).")
    train, valid, test = load_levels(run.mnist)
    body = MAF(784, recipe.layers, recipe.hidden, stacked=False, activation=jax.nn.relu, rngs=nnx.Rngs(run.seed))
    model, loss = standardized(body, train, ALPHA, GREY), logit_loss(ALPHA, GREY)
    steps = len(train) // recipe.batch_size
    rate = optax.warmup_cosine_decay_schedule(0.0, recipe.rate, steps, recipe.epochs * steps)
    matrices = lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)  # noqa: E731
    optimizer = optax.chain(
        optax.clip_by_global_norm(1e3), optax.adamw(rate, weight_decay=recipe.weight_decay, mask=matrices)
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder, epochs, took, history, cpu = run.checkpoint or Path(temporary), 0, 0.0, None, time.process_time()
        while epochs < recipe.epochs and (history is None or run.left > 1.5 * took):
            before, epochs = run.left, epochs + 1
            while (Path(folder) / f"epoch-{epochs + 1}").exists():
                epochs += 1
            history = fit(
                model, loss, train, key=run.key("mnist"), epochs=epochs, batch_size=recipe.batch_size,
                optimizer=optimizer, validation=valid, checkpoint=folder,
            )  # fmt: skip
            (Path(folder) / f"epoch-{epochs}").touch()
            took = before - run.left
            print(f"mnist: {history}, {took:.0f} s", flush=True)
    assert history is not None
    assert history.validation_loss is not None
    yield {
        "part": "mnist", **image_record(run, "MNIST", f"MAF({recipe.layers})", model, (valid, test), ALPHA, GREY),
        "epochs": epochs, "best_epoch": history.best_epoch, "seconds": history.seconds,
        "cpu_seconds": time.process_time() - cpu, "validation_nats": [round(v, 2) for v in history.validation_loss],
        "hidden": recipe.hidden, "batch_size": recipe.batch_size, "rate": recipe.rate,
        "weight_decay": recipe.weight_decay, "cut_by_clock": epochs < recipe.epochs,
    }  # fmt: skip
