"""Every figure's training in node, with the page's own files, against the same training in Python."""

import base64
import copy
import json
import re
import zlib

import jax
import numpy as np
import optax
import pytest

from course_lib.explorers.live import Recipe
from course_lib.flows import RealNVP, negative_log_likelihood
from tests.explorers.live.machines import drive, training_job
from tests.explorers.live.registry import LIVE, live

LOSSES, PARAMETERS, STEPS = 1e-6, 1e-4, 100


@pytest.fixture(autouse=True)
def as_a_learner_has_it():
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


def job_of(widget, steps, seed=0, source="", **values):
    """With the very bytes that the page gets."""
    data = zlib.decompress(widget.data)
    listing, memory = data[: widget.training["machine"]], data[widget.training["machine"] :]
    made = {"machine": json.loads(listing), "data": base64.b64encode(memory).decode()}
    return training_job(widget.recipe, steps, seed, source, made, **values)


def errors(widget, done, run) -> tuple[float, float, bool]:
    """The largest relative difference of a loss; of a parameter, relative to its array's largest; equal batches."""
    losses = np.array([turn[0] for turn in done["record"]])
    relative = np.abs(losses / run.losses - 1).max()
    pairs = [(done["read"][f"parameter {i}"], np.asarray(leaf)) for i, leaf in enumerate(jax.tree.leaves(run.params))]
    parameters = max(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3) for a, b in pairs)
    batch = np.asarray(jax.tree.leaves(run.batch)[0])
    return float(relative), float(parameters), bool(np.allclose(done["read"]["batch"], batch, rtol=1e-6, atol=2e-6))


@pytest.mark.parametrize("name", LIVE)
def test_a_hundred_steps_are_those_of_python(name):
    """At the first values, and with another key, other data and moved sliders."""
    widget = live(name)
    recipe = widget.recipe
    other = {c.name: (c.low * c.high) ** 0.5 if getattr(c, "log", False) else c.start for c in recipe.controls}
    sources = [s for s in recipe.sources if s != "my own points"]
    settings = [(0, sources[0], {}), (7, sources[-1], other)]
    done = drive([job_of(widget, STEPS, seed, source, **values) for seed, source, values in settings])
    for result, (seed, source, values) in zip(done, settings, strict=True):
        losses, parameters, same = errors(widget, result, recipe.train(STEPS, seed, source, **values))
        assert losses < LOSSES
        assert parameters < PARAMETERS
        assert same


@pytest.mark.parametrize("name", LIVE)
def test_every_loss_has_its_line_but_that_of_drawn_points(name):
    widget = live(name)
    lines = dict(zip(widget.recipe.sources, widget.training["reference"], strict=True))
    assert [source for source, line in lines.items() if line is None] == [s for s in lines if s == "my own points"]


def broken(job, kernel, change, fits):
    """The job with one of its step's calls of a kernel changed: the fourth that fits."""
    job = copy.deepcopy(job)
    number, calls = job["machine"]["kernels"].index(kernel), job["machine"]["programs"]["step"]
    place = [i for i, call in enumerate(calls) if call[0] == number and fits(call)][3]
    calls[place] = change(calls[place])
    return job


def test_a_wrong_broadcast_and_a_dropped_term_are_noticed():
    widget = live("vae")
    whole = job_of(widget, STEPS, seed=1)
    jobs = [
        broken(whole, "matmul", lambda call: [*call[:10], call[10] - 1, *call[11:]], lambda call: call[10] > 2),
        broken(whole, "reduce_sum", lambda call: [*call[:5], call[5] - 1, *call[6:]], lambda call: call[5] > 2),
        broken(whole, "mul", lambda call: [*call[:6], 0], lambda call: call[6] == 1 and call[2] > 100),
    ]
    run = widget.recipe.train(STEPS, 1)
    good, *bad = [errors(widget, result, run) for result in drive([whole, *jobs])]
    assert good[0] < LOSSES
    assert good[1] < PARAMETERS
    assert all(losses > LOSSES or parameters > PARAMETERS for losses, parameters, _ in bad)


def test_memory_stays_as_it_is_over_20_000_steps():
    recipe = Recipe(
        lambda rngs: RealNVP(2, 2, [4], rngs=rngs), negative_log_likelihood, lambda: optax.adam(1e-3),
        {"data": lambda key: jax.random.normal(key, (8, 2))}, {}, [],
    )  # fmt: skip
    job = training_job(recipe, 20_000) | {"record": []}
    short, long = drive([job | {"times": 200}, job])
    assert long["grown"] == short["grown"] == 0
    assert long["heap"] < short["heap"] + 20e6


def test_the_page_needs_no_code_made_of_text():
    module = re.sub(r"^\s*//.*", "", live("vae").module, flags=re.M)
    assert not re.search(r"\beval\s*\(|new\s+Function|setTimeout\(\s*[\"'`]", module)
    assert "http" not in module
