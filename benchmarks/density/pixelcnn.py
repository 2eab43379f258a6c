"""PixelCNN on MNIST with dynamic binarization: hours on two cores, so it is trained in parts that can be resumed."""

import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from benchmarks.density.neural import log_prob, parameters
from benchmarks.density.run import Row, Run
from course_lib.autoregressive import PixelCNN, negative_log_likelihood
from course_lib.training import fit

SHAPE, CHANNELS, DILATIONS = (28, 28), 48, (1, 2, 1, 4)
EPOCHS, BATCH_SIZE, RATE, WARM_UP = 10, 32, 2e-3, 300


def dynamic_loss(model: Any, grey: jax.Array, key: jax.Array) -> jax.Array:
    """−log p of a fresh binarization, in nats, averaged over the batch."""
    return -model.log_prob(jax.random.bernoulli(key, grey).astype(float)).mean()


def pixelcnn(run: Run) -> Row:
    """Four gated layers of 48 channels after a first of 7 × 7; Adam, its rate along half a cosine over 10 epochs.

    An epoch takes some twenty minutes of processor time. The clock is looked at between epochs; with
    `--checkpoint FOLDER` the same command, given again, goes on from the last epoch.
    """
    train, valid, test = (x.reshape(-1, *SHAPE) for x in (run.data.train, run.data.valid, run.data.test))
    model = PixelCNN(SHAPE, CHANNELS, DILATIONS, rngs=nnx.Rngs(run.seed))
    steps = EPOCHS * (len(train) // BATCH_SIZE)
    rate = optax.warmup_cosine_decay_schedule(0.0, RATE, min(WARM_UP, steps // 2), steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    with tempfile.TemporaryDirectory() as temporary:
        folder = run.shared.get("checkpoint") or temporary
        epochs, took = 0, 0.0
        while epochs < EPOCHS and (epochs == 0 or run.left > took):
            before, epochs = run.left, epochs + 1
            while (Path(folder) / f"epoch-{epochs + 1}").exists():
                epochs += 1
            history = fit(
                model, dynamic_loss, train, key=run.key("pixelcnn"), epochs=epochs, batch_size=BATCH_SIZE,
                optimizer=optimizer, validation=valid, validation_loss=negative_log_likelihood, checkpoint=folder,
            )  # fmt: skip
            (Path(folder) / f"epoch-{epochs}").touch()
            took = before - run.left
            print(f"pixelcnn: {history}, validation by epoch {np.round(history.validation_loss, 2)}", flush=True)
    settings = {"channels": CHANNELS, "dilations": DILATIONS, "rate": RATE, "batch_size": BATCH_SIZE}
    scores = (log_prob(model, part) for part in (valid, test))
    return Row("pixelcnn", *scores, parameters(model), epochs, settings, epochs < EPOCHS)
