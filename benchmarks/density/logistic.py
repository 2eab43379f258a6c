"""FVSBN with an L1 penalty: alone, over many orderings, and with mixtures of Bernoullis as second opinions."""

import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from benchmarks.density.classical import (
    bernoulli_mixture_logits,
    fit_bernoulli_mixture,
    kernel_rows,
    memory,
)
from benchmarks.density.combine import (
    combine_logits,
    log_prob_of_logits,
    mixture_log_prob,
    mixture_weights,
    stacking_weights,
)
from benchmarks.density.run import Row, Run
from course_lib.autoregressive.fvsbn import Fvsbn, fvsbn_path

WORSE_BEFORE_STOP, MOST_STEPS, MOST_WORK = 2, 300, 1e11
NOISES = (0.03, 0.1, 0.25, 0.6)


def steps(run: Run) -> int:
    """How many steps each penalty gets: fewer where a step costs much. The next penalty goes on from there."""
    return int(np.clip(MOST_WORK / (run.data.train.size * run.data.num_inputs), 80, MOST_STEPS))


def choose_penalty(run: Run) -> tuple[list[float], Fvsbn, bool]:
    """In natural order, walk down the path until validation has got worse twice.

    Returns: the penalties down to the best, its model, and whether the clock ended the walk.
    """
    if "path" in run.shared:
        return run.shared["path"]
    seen, best, best_value, worse = [], None, -np.inf, 0
    for penalty, model in tqdm(fvsbn_path(run.data.train, max_steps=steps(run)), desc="fvsbn", leave=False, total=30):
        seen.append(penalty)
        value = float(np.mean(model.log_prob(run.data.valid)))
        if value > best_value:
            best, best_value, worse, chosen = model, value, 0, len(seen)
        else:
            worse += 1
        if worse == WORSE_BEFORE_STOP or run.left < 0:
            break
    run.shared["path"] = seen[:chosen], best, run.left < 0
    return run.shared["path"]


def fvsbn(run: Run) -> Row:
    """Natural ordering, penalty chosen on validation."""
    penalties, model, cut = choose_penalty(run)
    return Row(
        "fvsbn + L1", *scores(run, model), int((model.kernel[...] != 0).sum()) + run.data.num_inputs,
        settings={"penalty": round(penalties[-1], 6)}, cut=cut,
    )  # fmt: skip


def scores(run: Run, model: Fvsbn) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of valid and test."""
    return np.asarray(model.log_prob(run.data.valid)), np.asarray(model.log_prob(run.data.test))


def members(run: Run, most: int) -> Iterator[tuple[np.ndarray, Fvsbn]]:
    """FVSBNs over different orderings, with the penalty that suits the natural one; as many as there is time for."""
    orderings, longest = run.orderings(), 0.0
    penalties, model, _ = choose_penalty(run)
    yield next(orderings), model
    for _ in range(most - 1):
        begin = time.monotonic()
        if begin + longest > run.deadline:
            return
        ordering = next(orderings)
        *_, (_, model) = fvsbn_path(run.data.train, penalties[::-2][2::-1], ordering=ordering, max_steps=steps(run))
        yield ordering, model
        longest = max(longest, time.monotonic() - begin)


def fvsbn_orders(run: Run, most: int = 16) -> Row:
    """The mixture of FVSBNs over up to 16 orderings; weights by EM on validation."""
    fitted = list(tqdm(members(run, most), desc="orderings", leave=False, total=most))
    parts = [scores(run, model) for _, model in fitted]
    size = sum(int((model.kernel[...] != 0).sum()) + run.data.num_inputs for _, model in fitted)
    return mixed("fvsbn, many orders", parts, size, {"orderings": len(parts)}, len(parts) < most)


def mixed(name: str, parts: list, size: int, settings: dict, cut: bool, epochs: int | None = None) -> Row:
    """The mixture of `parts` with weights by EM on validation."""
    valid, test = (np.stack(part) for part in zip(*parts, strict=True))
    weights = mixture_weights(valid)
    return Row(
        name, mixture_log_prob(weights, valid), mixture_log_prob(weights, test), size + len(parts) - 1, epochs,
        settings, cut, parts,
    )  # fmt: skip


def experts(run: Run, most: int = 12) -> Row:
    """For each ordering, the logits of an FVSBN, of mixtures of Bernoullis and of memories of the training rows are
    summed with weights fitted on validation (a product of experts for each conditional, normalized by its two values);
    the orderings are then mixed.

    Source: stacking, Wolpert 1992 (doi:10.1016/S0893-6080(05)80023-1), here on the logits.
    """
    data, key = run.data, run.key("experts")
    x, rows = data.train, data.train[: kernel_rows(run, len(NOISES) * 4)]
    counts = [count for count in (8, 32, 128) if count <= len(x) // 8] or [2]
    others = [fit_bernoulli_mixture(x, count, 0.3, jax.random.fold_in(key, count)) for count in counts]
    others += [memory(rows, noise) for noise in NOISES]
    parts, size, longest, shown = [], 0, 0.0, []
    begin = time.monotonic()
    for ordering, model in tqdm(members(run, most), desc="experts", leave=False, total=most):
        if parts and time.monotonic() + longest > run.deadline:
            break
        both = []
        for y in (data.valid, data.test):
            extra = [bernoulli_mixture_logits(*other, y, jnp.asarray(ordering)) for other in others]
            both.append(np.stack([np.asarray(z) for z in (model.conditional_logits(y), *extra)]))
        weights = stacking_weights(data.valid, both[0])
        shown = shown or [round(float(w), 2) for w in weights]
        scored = zip((data.valid, data.test), both, strict=True)
        parts.append(tuple(log_prob_of_logits(y, combine_logits(weights, z)) for y, z in scored))
        size += int((model.kernel[...] != 0).sum()) + data.num_inputs + len(weights)
        longest, begin = max(longest, time.monotonic() - begin), time.monotonic()
    size += rows.size + sum(counts) * (data.num_inputs + 1)
    settings = {"orderings": len(parts), "components": counts, "noises": NOISES, "first_weights": shown}
    return mixed("experts, many orders", parts, size, settings, len(parts) < most)


def everything(run: Run) -> Row:
    """The mixture of all models that ran (and of their parts), weights by EM on validation: the row to beat."""
    parts, names = [], []
    for row in run.rows:
        if not row.bound:
            parts += row.members or [(row.valid, row.test)]
            names += [row.model] * (len(row.members or [0]))
    result = mixed("mixture of all", parts, sum(row.parameters for row in run.rows), {}, any(r.cut for r in run.rows))
    weights = mixture_weights(np.stack([valid for valid, _ in parts]))
    for name, weight in zip(names, weights, strict=True):
        result.settings[name] = result.settings.get(name, 0.0) + float(weight)
    result.settings = {"weights": {name: round(w, 3) for name, w in result.settings.items() if w > 0.0005}}
    result.members = None
    return result
