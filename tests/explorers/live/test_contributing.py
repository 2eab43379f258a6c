"""The example that CONTRIBUTING gives to lecturers runs, and learns."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from course_lib.explorers.live import LiveTraining
from course_lib.networks import dense
from tests.explorers.live.machines import drive
from tests.explorers.live.test_training import job_of

TEXT = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_example_learns():
    section = TEXT.split("## How to make a figure that trains")[1]
    match = re.search(r"```python\n(.*?)```", section, flags=re.S)
    assert match
    code = match[1].replace("\nlive_training(", "\nmade = live_training(")
    names = {"jax": jax, "jnp": jnp, "optax": optax, "dense": dense}
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        exec(code, names)
        made = names["made"]
        assert isinstance(made, LiveTraining)
        (done,) = drive([job_of(made, 300)])
    losses = [turn[0] for turn in done["record"]]
    assert losses[-1] < 0.1 * losses[0]
