"""NADE and MADE on a binary data set: a few settings each, the best on validation is reported."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import optax
from flax import nnx
from tqdm.auto import tqdm

from benchmarks.density.latent import darn
from benchmarks.density.logistic import choose_penalty
from benchmarks.density.neural import dropout_loss, log_prob, parameters, train
from benchmarks.density.redrawn_masks import Ensemble, RedrawnMade, redrawn_loss
from benchmarks.density.run import Row, Run
from course_lib.autoregressive import Made, Nade, OrderlessNade, negative_log_likelihood, orderless_loss

BATCH, PATIENCE, MEMBERS = 100, 25, 16


def search(
    run: Run, name: str, candidates: Sequence[dict[str, Any]], build: Callable, loss: Callable, *,
    validation_loss: Callable = negative_log_likelihood, every: int = 1, reading: Callable | None = None,
) -> Row:  # fmt: skip
    """Train one model for each candidate, each in at most half of the time left; report the best on validation.

    Args: build: settings -> model; loss: settings -> loss; reading: model -> what is scored (the model itself if None).
    """
    data, best, cut = run.data, None, False
    finished, epochs, tried = [], 0, 0
    for i, settings in enumerate(tqdm(candidates, desc=name, leave=False)):
        if best is not None and run.left < 1:
            cut = True
            break
        model = build(settings)
        decay = optax.adamw(settings.get("rate", 1e-3), weight_decay=settings.get("decay", 0.0), mask=_matrices)
        course = train(
            model, loss(settings), data.train, data.valid, validation_loss=validation_loss, key=run.key(name),
            optimizer=decay, epochs=settings.get("epochs", 300), patience=PATIENCE,
            batch_size=min(settings.get("batch", BATCH), len(data.train)), average=0.8,
            deadline=run.deadline - (run.left / 2 if i + 1 < len(candidates) else 0),
            every=every, name=f"{name} {i + 1}/{len(candidates)}",
        )  # fmt: skip
        cut, epochs, tried = cut or course.cut, epochs + course.epochs, tried + 1
        scored = reading(model) if reading else model
        valid = log_prob(scored, data.valid)
        finished.append((valid, log_prob(scored, data.test)))
        if best is None or valid.mean() > best[1][0].mean():
            best = settings, finished[-1], course.epochs, parameters(model)
    settings, (valid, test), best_epochs, size = best
    shown = {k: v for k, v in settings.items() if k != "epochs"} | {"settings_tried": tried, "epochs_of_all": epochs}
    return Row(name, valid, test, size, best_epochs, shown, cut, finished)


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def nade(run: Run) -> Row:
    """NADE, natural ordering."""
    candidates = [{"hidden": h, "rate": rate, "dropout": p} for h, rate, p in [
        (50, 1e-3, 0.0), (100, 2e-3, 0.0), (50, 1e-3, 0.1), (200, 1e-3, 0.0)]]  # fmt: skip
    return search(
        run, "nade", candidates,
        lambda s: Nade(run.data.num_inputs, s["hidden"], rngs=nnx.Rngs(run.seed)), lambda s: dropout_loss(s["dropout"]),
    )  # fmt: skip


def made(run: Run) -> Row:
    """MADE, natural ordering; with direct connections it starts as the FVSBN chosen on validation."""
    candidates = [
        {"hidden": (500,), "start": "fvsbn", "rate": 2e-3, "dropout": 0.0, "decay": 0.1, "batch": 10},
        {"hidden": (500,), "start": "fvsbn", "rate": 1e-3, "dropout": 0.0, "decay": 0.1, "batch": 10},
        {"hidden": (200,), "start": "fvsbn", "rate": 5e-4, "dropout": 0.2, "decay": 0.3},
        {"hidden": (500,), "start": "random", "rate": 1e-3, "dropout": 0.0, "decay": 0.0},
        {"hidden": (500,), "start": "random", "rate": 2e-3, "dropout": 0.4, "decay": 0.1, "epochs": 600},
    ]

    def build(settings: dict[str, Any]) -> Made:
        linear = settings["start"] == "fvsbn"
        sizes = settings["hidden"]
        model = Made(run.data.num_inputs, sizes, direct=linear, rngs=nnx.Rngs(run.seed))
        if linear:
            start, last = choose_penalty(run)[1], model.layers[-1]
            last.kernel[...] = last.kernel[...].at[: sizes[-1]].set(0).at[sizes[-1] :].set(start.kernel[...])
            last.bias[...] = start.bias[...]
        return model

    return search(run, "made", candidates, build, lambda s: dropout_loss(s["dropout"]))


def made_orders(run: Run) -> Row:
    """MADE whose masks (connectivity and ordering) are drawn anew for each batch; an ensemble of 16 draws is scored."""
    d, keys = run.data.num_inputs, jax.random.split(run.key("made masks"), MEMBERS)
    candidates = [{"hidden": 500, "rate": 1e-3, "decay": 0.0}, {"hidden": 500, "rate": 1e-3, "decay": 0.1}]
    return search(
        run, f"made, {MEMBERS} masks", [s | {"epochs": 1000} for s in candidates],
        lambda s: RedrawnMade(d, (s["hidden"],), direct=True, rngs=nnx.Rngs(run.seed)),
        lambda s: partial(redrawn_loss, keys=jax.random.clone(keys)), every=5,
        validation_loss=lambda model, x, key: -Ensemble(model, jax.random.clone(keys[:4])).log_prob(x).mean(),
        reading=lambda model: Ensemble(model, jax.random.clone(keys)),
    )  # fmt: skip


MOST_OPERATIONS = 2e12  # of an ensemble's scoring: it fits into the time of a recipe


def eonade(run: Run) -> Row:
    """Orderless NADE; an ensemble over orderings is scored, 16 unless the data set is too large for that."""
    d, key = run.data.num_inputs, run.key("eonade orders")
    rows = len(run.data.valid) + len(run.data.test)
    cost = {hidden: 2 * rows * d * max(hidden[0], hidden[0] * hidden[-1] * (len(hidden) - 1)) for hidden in
            [(300,), (300, 300)]}  # fmt: skip
    affordable = [hidden for hidden in cost if cost[hidden] <= MOST_OPERATIONS] or [(300,)]
    members = max(1, min(MEMBERS, int(MOST_OPERATIONS / cost[affordable[-1]])))
    keys = jax.random.split(key, members)
    return search(
        run, f"eonade, {members} orders",
        [{"hidden": hidden, "rate": 1e-3, "decay": 0.1, "epochs": 1000} for hidden in affordable],
        lambda s: OrderlessNade(d, s["hidden"], rngs=nnx.Rngs(run.seed)), lambda s: orderless_loss, every=10,
        validation_loss=lambda model, x, key: -Ensemble(model, jax.random.clone(keys[:1])).log_prob(x).mean(),
        reading=lambda model: Ensemble(model, jax.random.clone(keys)),
    )  # fmt: skip


NETWORKS = {
    "nade": (nade, 8), "made": (made, 8), "made-orders": (made_orders, 7), "eonade": (eonade, 7), "darn": (darn, 6),
}  # fmt: skip
