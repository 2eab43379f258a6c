"""What the chapters answer to "Predict, then play": the same runs, in Python."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from course_lib.explorers.scenes.live_mixture import PlaneMixture, em
from tests.explorers.live.registry import live


@pytest.fixture(autouse=True)
def as_a_learner_has_it():
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


def ends(name: str, steps: int, seed: int, source: str = "", **values: Any) -> float:
    return float(live(name).recipe.train(steps, seed, source, **values).losses[-100:].mean())


def in_turn(name: str, turns: list[tuple[dict[str, float], int]], view: str) -> list[dict[str, np.ndarray]]:
    """A reader who moves sliders during the training: the view after each turn."""
    widget = live(name)
    recipe, key = widget.recipe, jax.random.key(widget.training["seed"])
    first, _, take = recipe.compiled
    source, inputs, seen = next(iter(recipe.sources)), recipe.inputs, []
    state = first(key, inputs)
    for values, steps in turns:
        inputs = inputs | {k: jnp.asarray(v, inputs[k].dtype) for k, v in values.items()}
        state, _ = take(steps, source, state, key, inputs)
        seen.append({k: np.asarray(v) for k, v in recipe.view(view, state[0], key, inputs).items()})
    return seen


def test_chapter_1_some_starts_find_all_eight_bells_and_some_do_not():
    entropy = live("mixture").training["reference"][0]
    for method in (0, 1):
        above = np.array([ends("mixture", 500, seed, method=method) - entropy for seed in range(6)])
        assert (above < 0.1).any()
        assert (above > 0.2).any()


def test_chapter_1_em_takes_whole_rounds_where_adam_learns_nothing():
    for seed in range(3):
        em_loss, adam_loss = (ends("mixture", 300, seed, method=method, rate=1.0) for method in (0, 1))
        assert em_loss < 2.2
        assert adam_loss > 2.6


def test_the_gradient_makes_a_whole_round_of_em():
    """Against the averages under the responsibilities."""
    model, x = PlaneMixture(4, rngs=nnx.Rngs(1)), 1.5 * jax.random.normal(jax.random.key(2), (256, 2))
    graph, params = nnx.split(model)
    params = nnx.as_pure(params)
    slope = jax.grad(lambda p: -jax.nn.logsumexp(nnx.merge(graph, p).log_joint(x), axis=-1).mean())(params)
    change, _ = em(1.0).update(slope, optax.EmptyState(), params)
    new = optax.apply_updates(params, change)
    h = jax.nn.softmax(model.log_joint(x), axis=-1)
    mean = h.T @ x / h.sum(axis=0)[:, None]
    variance = h.T @ x**2 / h.sum(axis=0)[:, None] - mean**2
    np.testing.assert_allclose(jax.nn.softmax(new["logits"]), h.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(new["means"], mean, atol=1e-5)
    np.testing.assert_allclose(jnp.exp(2 * new["log_sigmas"]), variance, rtol=1e-4)


def test_chapter_2_the_leak_falls_below_the_line():
    line = live("masks").training["reference"][0]
    assert ends("masks", 1500, 0, leak=1) < line - 0.5
    assert ends("masks", 1500, 0, leak=0) > line - 0.5


def test_chapter_3_a_filament_joins_two_blobs():
    """Density on the line between two bells far apart, along which the data have none."""
    recipe = live("flow").recipe
    inputs = recipe.inputs
    z = np.asarray(jax.random.normal(jax.random.key(0), (400, 2))) * 0.2
    drawn = z + np.where(np.arange(400)[:, None] % 2, 1, -1) * np.array([2.2, 0.0])
    drawn = np.concatenate([drawn, np.zeros((len(inputs["drawn"]) - 400, 2))]).astype(np.float32)
    run = recipe.train(1500, 0, "my own points", drawn=drawn, drawn_count=400)
    x = np.linspace(-1.6, 1.6, 33)
    plane = np.stack(np.meshgrid(x, np.linspace(-4, 4, 801)), axis=-1).reshape(-1, 2).astype(np.float32)
    density = np.exp(np.asarray(recipe.model(run.params).log_prob(plane))).reshape(801, 33)
    across = density.sum(axis=0) * 0.01  # the density of x₁ where nearly no point of the data lies
    assert (across > 1e-6).all(), "the probability between the bells is nowhere 0"
    assert run.losses[-100:].mean() < 1.5


def test_chapter_3b_the_forward_fit_covers_the_gap_and_the_reverse_one_chooses():
    (seen,) = in_turn("directions", [({}, 1500)], "densities")
    weights = {name: seen[name] ** 2 / (seen[name] ** 2).sum() for name in ("reverse", "forward")}
    side = len(weights["forward"])
    centres = -4 + 8 * (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(centres, centres[::-1])
    gap, right = np.hypot(x, y) < 1.0, x * 1.8 + y * 1.2 > 0
    assert weights["forward"][gap].sum() > 0.1
    assert weights["reverse"][gap].sum() < 0.01
    share = weights["reverse"][right].sum()
    assert max(share, 1 - share) > 0.98
    assert 0.3 < weights["forward"][right].sum() < 0.9


def test_chapter_5_a_large_weight_silences_the_code_and_a_smaller_one_wakes_it():
    silent, awake = in_turn("vae", [({"beta": 8.0}, 1500), ({"beta": 1.0}, 1300)], "codes")
    assert silent["kl"].max() < 0.02
    assert awake["kl"].min() > 0.8
