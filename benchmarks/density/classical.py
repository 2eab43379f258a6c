"""Models without gradient: independent pixels, a tree, mixtures of Bernoullis, and a memory of the training rows."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from tqdm.auto import tqdm

from benchmarks.density.combine import mixture_log_prob, mixture_weights
from benchmarks.density.run import Row, Run


def smoothed_mean(x: np.ndarray) -> np.ndarray:
    """The share of ones in each column, with half an example of each kind added."""
    return (x.sum(axis=0) + 0.5) / (len(x) + 1)


def bernoulli(run: Run) -> Row:
    """Independent pixels."""
    p, data = smoothed_mean(run.data.train), run.data
    valid, test = (x @ np.log(p) + (1 - x) @ np.log1p(-p) for x in (data.valid, data.test))
    return Row("bernoulli", valid, test, data.num_inputs)


def chow_liu(run: Run) -> Row:
    """The tree of largest mutual information (Chow & Liu 1968); how much to smooth is chosen on validation."""
    data, x = run.data, np.asarray(run.data.train, np.float64)
    n, d = x.shape
    p, both = smoothed_mean(x), (x.T @ x + 0.25) / (n + 1)
    information = sum(
        joint * np.log(joint / np.outer(q, r))
        for joint, q, r in [
            (np.clip(table, 1e-12, None), q, r)
            for table, q, r in [
                (both, p, p), (p[:, None] - both, p, 1 - p), (p[None, :] - both, 1 - p, p),
                (1 - p[:, None] - p[None, :] + both, 1 - p, 1 - p),
            ]
        ]
    )  # fmt: skip
    distance = information.max() + 1.0 - information
    np.fill_diagonal(distance, 0)
    tree = minimum_spanning_tree(distance)
    order, parent = breadth_first_order(tree, 0, directed=False)
    child, up = order[1:], parent[order[1:]]
    ones_up, ones_both = x[:, up].sum(axis=0), (x[:, up] * x[:, child]).sum(axis=0)
    best = None
    for strength in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        on = (ones_both + strength * p[child]) / (ones_up + strength)
        off = (x[:, child].sum(axis=0) - ones_both + strength * p[child]) / (n - ones_up + strength)

        def log_prob(y: np.ndarray, on: np.ndarray = on, off: np.ndarray = off) -> np.ndarray:
            q = np.where(y[:, up] == 1, on, off)
            root = np.where(y[:, 0] == 1, p[0], 1 - p[0])
            return np.log(root) + np.log(np.where(y[:, child] == 1, q, 1 - q)).sum(axis=1)

        valid = log_prob(data.valid)
        if best is None or valid.mean() > best[0].mean():
            best = valid, log_prob, strength
    return Row("chow-liu", best[0], best[1](data.test), 2 * d - 1, settings={"smoothing": best[2]})


@jax.jit
def bernoulli_mixture_logits(share: jax.Array, mean: jax.Array, x: jax.Array, ordering: jax.Array) -> jax.Array:
    """Log-odds of each pixel given its predecessors under Σ_k share_k Π_d Bernoulli(mean_kd), indexed by pixel.

    The posterior over k is carried along the ordering; it is kept above 1e-30, so that no component is lost for good.
    """
    batch = 128
    padded = jnp.pad(x, ((0, -len(x) % batch), (0, 0)))

    def rows(x: jax.Array) -> jax.Array:
        def step(posterior: jax.Array, now: tuple) -> tuple:
            x_d, m = now
            p = posterior @ m / posterior.sum(axis=1)
            posterior = posterior * jnp.where(x_d[:, None] > 0, m[None, :], 1 - m[None, :])
            return jnp.maximum(posterior / posterior.max(axis=1, keepdims=True), 1e-30), p

        start = jnp.broadcast_to(share, (batch, len(share)))
        return jax.lax.scan(step, start, (x.T[ordering], mean.T[ordering]))[1].T

    p = jax.lax.map(rows, padded.reshape(-1, batch, x.shape[1])).reshape(padded.shape)[: len(x)]
    p = jnp.clip(p, 1e-6, 1 - 1e-6)
    return (jnp.log(p) - jnp.log1p(-p))[:, jnp.argsort(ordering)]


@jax.jit
def bernoulli_mixture_log_prob(share: jax.Array, mean: jax.Array, x: jax.Array) -> jax.Array:
    """log Σ_k share_k Π_d Bernoulli(x_d | mean_kd) in nats."""
    joint = x @ (jnp.log(mean) - jnp.log1p(-mean)).T + (jnp.log(share) + jnp.log1p(-mean).sum(axis=1))[None, :]
    return jax.nn.logsumexp(joint, axis=1)


@partial(jax.jit, static_argnums=1)
def fit_bernoulli_mixture(x: jax.Array, count: int, smoothing: float, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """100 steps of EM from random responsibilities; `smoothing` examples of the overall mean join each component."""
    overall = (x.sum(axis=0) + 0.5) / (len(x) + 1)

    def maximize(r: jax.Array) -> tuple[jax.Array, jax.Array]:
        size = r.sum(axis=0)
        mean = (r.T @ x + smoothing * overall[None, :]) / (size[:, None] + smoothing)
        return (size + 1) / (len(x) + count), jnp.clip(mean, 1e-6, 1 - 1e-6)

    def step(_: int, r: jax.Array) -> jax.Array:
        share, mean = maximize(r)
        joint = x @ (jnp.log(mean) - jnp.log1p(-mean)).T + (jnp.log(share) + jnp.log1p(-mean).sum(axis=1))[None, :]
        return jax.nn.softmax(joint, axis=1)

    return maximize(jax.lax.fori_loop(0, 100, step, jax.random.dirichlet(key, jnp.ones(count), (len(x),))))


def mixtures(run: Run) -> Row:
    """Mixtures of Bernoullis by EM (Bishop 2006, sec. 9.3.3); components and smoothing are chosen on validation."""
    data, fitted, cut = run.data, {}, False
    key = run.key("mixture")
    counts = [k for k in (2, 4, 8, 16, 32, 64, 128, 256) if k <= max(2, len(data.train) // 8)]
    for count, smoothing in tqdm(list(product(counts, (0.1, 1.0))), desc="mixture", leave=False):
        if run.left < 0 and fitted:
            cut = True
            break
        model = fit_bernoulli_mixture(data.train, count, smoothing, jax.random.fold_in(key, count))
        valid = np.asarray(bernoulli_mixture_log_prob(*model, data.valid))
        fitted[count, smoothing] = model, valid
        quality = [max(v.mean() for (k, _), (_, v) in fitted.items() if k == c) for c, s in fitted if s == 1.0]
        if len(quality) > 2 and max(quality[-2:]) < max(quality):
            break
    best = max(fitted, key=lambda name: fitted[name][1].mean())
    scored = {name: np.asarray(bernoulli_mixture_log_prob(*model, data.test)) for name, (model, _) in fitted.items()}
    return Row(
        "mixture of Bernoullis", fitted[best][1], scored[best], best[0] * (data.num_inputs + 1) - 1, 100,
        {"components": best[0], "smoothing": best[1]}, cut, [(fitted[name][1], scored[name]) for name in fitted],
    )  # fmt: skip


def memory(x: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A mixture with one component a row of x: mean (1 − ε) x + ε · (mean of all), a Parzen estimate."""
    return np.full(len(x), 1 / len(x), np.float32), ((1 - noise) * x + noise * smoothed_mean(x)).astype(np.float32)


NOISES = (0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8)


def parzen(run: Run) -> Row:
    """The mixture of `memory` at ten noise levels, weights by EM on validation."""
    data, rows = run.data, run.data.train[: kernel_rows(run, len(NOISES), 1e12)]
    scores = [
        tuple(np.asarray(in_batches(memory(rows, noise), x)) for x in (data.valid, data.test))
        for noise in tqdm(NOISES, desc="parzen", leave=False)
    ]
    valid, test = (np.stack(part) for part in zip(*scores, strict=True))
    weights = mixture_weights(valid)
    shown = {str(noise): round(float(w), 3) for noise, w in zip(NOISES, weights, strict=True) if w > 0.001}
    return Row(
        "parzen", mixture_log_prob(weights, valid), mixture_log_prob(weights, test), rows.size + len(NOISES),
        settings={"rows": len(rows), "noise_weights": shown}, members=scores,
    )  # fmt: skip


def in_batches(model: tuple[np.ndarray, np.ndarray], x: np.ndarray) -> np.ndarray:
    """`bernoulli_mixture_log_prob` of 1,024 rows at a time."""
    return np.concatenate([bernoulli_mixture_log_prob(*model, x[i : i + 1024]) for i in range(0, len(x), 1024)])


def kernel_rows(run: Run, times: int, most: float = 6e10) -> int:
    """How many training rows a memory may hold so that `times` passes over valid and test stay affordable."""
    data = run.data
    entries = (len(data.valid) + len(data.test)) * data.num_inputs
    return min(len(data.train), max(64, int(most / times / entries)))
