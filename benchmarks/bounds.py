"""VAE and IWAE on MNIST: `python -m benchmarks.bounds --mnist FILE`, test likelihood in nats.

The architecture of the IWAE paper (arXiv:1509.00519, one stochastic layer): 784-200-200-50 and back, Bernoulli pixels.
All 60,000 training images, binarized anew in every epoch; the test images are binarized once, from a fixed seed.
The test likelihood is estimated by importance samples from the encoder: on average it is not above the true one.
Adam's rate rises for an epoch, then falls to 0 along half a cosine over the epochs or the minutes, whichever end first.
The KL's weight rises from 0 to 1 at the start. IWAE trains with few samples first: the last part decides.
After the start, gradients are of low variance and take few backward passes (`weighted_draws`, `surrogate`).
With --checkpoint a run that was stopped goes on from the folder; its minutes count on.
"""

import argparse
import json
import math
import pickle
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.arguments import folder, integer, positive, readable_file, seed
from benchmarks.density.data import read_mnist
from course_lib.command import run_command
from course_lib.probability import normal_log_prob, standard_normal_log_prob
from course_lib.vae import Vae, regularized_loss

BINARIZATION_SEED = 0
Record = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One training; `stages`: up to which part of the run each number of samples is used.

    0 stands for the start: one sample, the KL in closed form, and its weight β rises to 1.
    """

    stages: tuple[tuple[float, int], ...]
    epochs: int
    share: float  # of the minutes
    hidden: tuple[int, ...] = (200, 200)
    num_latents: int = 50
    batch_size: int = 100
    rate: float = 1e-3
    resampled: int = 5  # of the samples of IWAE, so many get a gradient


RECIPES = {
    "vae": Recipe(((0.05, 0), (1.0, 1)), epochs=850, share=1),
    "iwae": Recipe(((0.01, 0), (0.6, 5), (1.0, 50)), epochs=600, share=5),
}


def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels 0…1 to train, bits to test, 784 numbers a row.

    Raises: ValueError: no .npz file, a key is missing, images of another shape.
    """
    train, test = (images.reshape(-1, 784).astype(np.float32) / 255 for images in read_mnist(path))
    rng = np.random.default_rng(BINARIZATION_SEED)
    return train, (rng.random(test.shape, np.float32) < test).astype(np.float32)


def weighted_draws(model: Vae, x: jax.Array, key: jax.Array, num_samples: int, chosen: int) -> tuple[jax.Array, ...]:
    """(noise ε, weights w̃, −IWAE bound in nats) of `chosen` among k = `num_samples` draws z = μ + σ ε.

    w̃ = w / Σ w, w = p(x, z) / q(z|x). Forward passes alone; draws are chosen in proportion to w̃, by systematic
    resampling. Returns: shapes (chosen, batch, latents), (chosen, batch), ().
    Source: Burda et al., arXiv:1509.00519, §3: a gradient through draws chosen by w̃ is unbiased, and cheaper.
    """
    noise_key, choice_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, (num_samples, len(x), model.num_latents))
    mean, log_sigma = model.encode(x)

    def log_weight(noise: jax.Array) -> jax.Array:
        z = mean + jnp.exp(log_sigma) * noise
        a = model.decode(z)
        pixels = x * a - jnp.maximum(a, 0) - jnp.log1p(jnp.exp(-jnp.abs(a)))  # ln p(x|z), quicker than `log_prob`
        return pixels.sum(axis=-1) + standard_normal_log_prob(z) - normal_log_prob(z, mean, log_sigma).sum(axis=-1)

    log_w = jax.lax.map(log_weight, noise, batch_size=min(5, num_samples))
    weights, rows = jax.nn.softmax(log_w, axis=0), jnp.arange(len(x))
    points = (jnp.arange(chosen)[:, None] + jax.random.uniform(choice_key, (1, len(x)))) / chosen
    index = jnp.minimum((jnp.cumsum(weights, axis=0)[None] < points[:, None]).sum(axis=1), num_samples - 1)
    bound = jax.nn.logsumexp(log_w, axis=0) - math.log(num_samples)
    return noise[index, rows], weights[index, rows], -bound.mean()


def surrogate(model: Vae, x: jax.Array, noise: jax.Array, weights: jax.Array) -> jax.Array:
    """A number whose gradient is, on average over the draws, that of −IWAE; its value is −L for one draw of weight 1.

    Decoder: Σ w̃ ∇ ln p(x, z). Encoder: Σ w̃² ∂(ln p(x, z) − ln q(z|x))/∂z ∇z, q's own parameters held.
    Source: Tucker et al., arXiv:1810.04152, eq. 8 (doubly reparameterized); for one draw Roeder et al.,
    arXiv:1703.09194, eq. 5.
    """
    mean, log_sigma = (number[None] for number in model.encode(x))
    z = mean + jnp.exp(log_sigma) * noise
    held, held_mean, held_log_sigma = map(jax.lax.stop_gradient, (z, mean, log_sigma))
    z = held + weights[..., None] * (z - held)  # the value of z, but its gradient times w̃
    log_q = normal_log_prob(z, held_mean, held_log_sigma).sum(axis=-1)
    x = jnp.broadcast_to(x, (len(z), *x.shape))
    return -(model.log_likelihood(x, z) + standard_normal_log_prob(z) - log_q).mean()


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def epoch(graph: Any, num_samples: int, recipe: Recipe, state: Any, grey: jax.Array, key: Any, rates: Any, betas: Any):
    """All images once, in a new order and newly binarized; returns (state, mean loss)."""
    order_key, step_key = jax.random.split(key)
    order = jax.random.permutation(order_key, len(grey))[: len(rates) * recipe.batch_size].reshape(len(rates), -1)

    def step(state: Any, inputs: Any) -> Any:
        (params, moments), (rows, key, rate, beta) = state, inputs
        ink_key, noise_key = jax.random.split(key)
        x = jax.random.bernoulli(ink_key, grey[rows]).astype(float)

        if num_samples > 1:
            *draws, bound = weighted_draws(nnx.merge(graph, params), x, noise_key, num_samples, recipe.resampled)
        elif num_samples == 1:
            draws = jax.random.normal(noise_key, (1, len(x), recipe.num_latents)), jnp.ones((1, len(x)))

        def loss(params: Any) -> jax.Array:
            model = nnx.merge(graph, params)
            return surrogate(model, x, *draws) if num_samples else regularized_loss(model, x, noise_key, beta)

        value, gradient = jax.value_and_grad(loss)(params)
        change, moments = optax.scale_by_adam(b2=0.999, eps=1e-4).update(gradient, moments)
        return (jax.tree.map(lambda p, c: p - rate * c, params, change), moments), bound if num_samples > 1 else value

    keys = jax.random.split(step_key, len(rates))
    state, losses = jax.lax.scan(step, state, (order, keys, rates, betas))
    return state, losses.mean()


def train(
    name: str, recipe: Recipe, grey: np.ndarray, seed: int, minutes: float, folder: Path | None
) -> dict[str, Any]:
    """Train until the epochs or the minutes are over; the clock is looked at between epochs."""
    sizes = (784, recipe.hidden, recipe.num_latents)
    graph, params = nnx.split(Vae(*sizes, rngs=nnx.Rngs(seed)))
    params = nnx.as_pure(params)
    state, done, before, progress, steps = (params, optax.scale_by_adam().init(params)), 0, 0.0, 0.0, 0
    file = folder / f"{name}-{seed}.pickle" if folder else None
    if file and file.is_file():
        saved = pickle.loads(file.read_bytes())
        if saved["recipe"] != asdict(recipe):
            raise ValueError(f"{file} belongs to another recipe: {saved['recipe']}. Name another folder.")
        state, done, before, progress = saved["state"], saved["epochs"], saved["seconds"], saved["progress"]
    state, images, begin = jax.tree.map(jnp.asarray, state), jnp.asarray(grey), time.monotonic()
    steps, seconds, written = len(grey) // recipe.batch_size, before, time.monotonic()
    while progress < 1:
        num_samples = next(k for until, k in recipe.stages if progress < until)
        rise = np.minimum(1, (done * steps + np.arange(steps)) / steps)
        rates = recipe.rate * rise * (1 + math.cos(math.pi * progress)) / 2
        betas = np.full(steps, min(1.0, progress / recipe.stages[0][0]))
        key = jax.random.fold_in(jax.random.key(seed), done)
        inputs = (rates.astype(np.float32), betas.astype(np.float32))
        state, loss = epoch(graph, num_samples, recipe, state, images, key, *inputs)
        loss, done = float(loss), done + 1
        if not math.isfinite(loss):
            raise ArithmeticError(f"{name}: the loss is {loss} in epoch {done}.")
        seconds = before + time.monotonic() - begin
        progress = max(done / recipe.epochs, seconds / (60 * minutes))
        if done % 20 == 0 or progress >= 1:
            print(f"{name}: epoch {done}, k {num_samples}, loss {loss:.2f} nats, {seconds:.0f} s", flush=True)
        if file and (progress >= 1 or time.monotonic() - written > 60):
            file.parent.mkdir(parents=True, exist_ok=True)
            saved = {"recipe": asdict(recipe), "state": jax.tree.map(np.asarray, state), "epochs": done}
            part = file.with_suffix(".part")
            part.write_bytes(pickle.dumps(saved | {"seconds": seconds, "progress": progress}))
            part.replace(file)
            written = time.monotonic()
    return {"model": nnx.merge(graph, state[0]), "epochs": done, "seconds": seconds}


def negative_log_likelihood(model: Vae, x: np.ndarray, num_samples: int, seed: int, batch: int = 100) -> np.ndarray:
    """−ln p(x) of each image in nats, by `num_samples` importance samples."""
    graph, state = nnx.split(model)
    bound = jax.jit(lambda key, x: -nnx.merge(graph, state).iwae(key, x, num_samples))
    keys = jax.random.split(jax.random.key(seed + 1), -(-len(x) // batch))
    rows = [x[i * batch : (i + 1) * batch] for i in range(len(keys))]
    return np.concatenate([np.asarray(bound(*pair)) for pair in zip(keys, rows, strict=True)])


def row(name: str, args: argparse.Namespace, grey: np.ndarray, test: np.ndarray, minutes: float) -> dict[str, Any]:
    """Train one model and measure it."""
    cpu, recipe = time.process_time(), RECIPES[name]
    run = train(name, recipe, grey, args.seed, minutes, args.checkpoint)
    chosen = np.random.default_rng(args.seed).permutation(len(test))[: args.test_images]
    begin = time.monotonic()
    nll = negative_log_likelihood(run["model"], test[chosen], args.samples, args.seed)
    return {
        **asdict(recipe), "epochs_planned": recipe.epochs,
        "model": name, "test_nll_nats": float(nll.mean()), "standard_error": float(nll.std(ddof=1) / len(nll) ** 0.5),
        "importance_samples": args.samples, "test_images": len(nll), "seed": args.seed,
        "binarization_seed": BINARIZATION_SEED, "epochs": run["epochs"], "seconds": run["seconds"],
        "seconds_to_measure": time.monotonic() - begin, "cpu_seconds": time.process_time() - cpu,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(nnx.split(run["model"])[1])),
        "cut_by_clock": run["epochs"] < recipe.epochs, "device": jax.devices()[0].platform,
    }  # fmt: skip


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=readable_file, metavar="FILE", required=True, help="mnist.npz")
    parser.add_argument("--models", nargs="+", choices=RECIPES, default=["vae"], help="which (default: vae)")
    parser.add_argument("--minutes", type=positive, default=40.0, help="of training, for all models (default: 40)")
    parser.add_argument(
        "--samples", type=integer(2), default=5000, help="importance samples a test image (default: 5000)"
    )
    parser.add_argument(
        "--test-images", type=integer(2), default=10_000, help="so many, drawn by the seed (default: all)"
    )
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--checkpoint", type=folder, metavar="FOLDER", help="where a run is saved, to go on from")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """A line for each model, then one JSON line for each."""
    args, records = arguments(argv), []
    try:
        grey, test = load(args.mnist)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = [name for name in RECIPES if name in args.models]
    for name in chosen:
        share = RECIPES[name].share / sum(RECIPES[other].share for other in chosen)
        record = row(name, args, grey, test, args.minutes * share)
        records.append({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in record.items()})
        print("{model}: test {test_nll_nats:.2f} ± {standard_error:.2f} nats, {parameters:,} parameters, "
              "{epochs} epochs, {seconds:.0f} s".format(**record), flush=True)  # fmt: skip
    print("\n".join(map(json.dumps, records)))
    return 0


if __name__ == "__main__":
    run_command(main)
