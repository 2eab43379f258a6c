"""Killed at any moment and resumed: the same model and the same history, bit for bit."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from tests.training.problems import Regressor, train, values

CHILD = """
import sys, jax, numpy as np
from course_lib.training import checkpoint
from tests.training.problems import Regressor, train, values
folder, checkpoint.WRITING_SHARE = sys.argv[1], float(sys.argv[2])
model = Regressor()
history = train(model, epochs=300, checkpoint=folder)
np.savez(folder + "/end.npz", *values(model), train=history.train_loss, validation=history.validation_loss)
print(history)
"""


def test_killed_at_random_moments_and_resumed(tmp_path):
    """SIGKILL cannot be caught: what is on the disk is all there is. KILLS in the environment asks for more of them."""
    random, kills = np.random.default_rng(int(os.environ.get("KILL_SEED", "0"))), int(os.environ.get("KILLS", "2"))
    files = [tmp_path / "latest.safetensors", tmp_path / "previous.safetensors"]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment = {**os.environ, **cache}  # as in the notebooks: the parts load the program that the first one compiled
    command = [sys.executable, "-c", CHILD, str(tmp_path)]

    def newest() -> int:
        """When the newest checkpoint was written; a file may be renamed while we look."""
        times = [0]
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                times.append(path.stat().st_mtime_ns)
        return max(times)

    reached = []
    for _ in range(kills):
        before = newest()
        child = subprocess.Popen([*command, "inf"], env=environment, stdout=subprocess.DEVNULL)
        while child.poll() is None and newest() == before:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.15))
        child.send_signal(signal.SIGKILL)
        if child.wait() == 0:
            break
        reached.append(len(load_file(next(filter(Path.exists, files)))[".losses"]))
    assert reached == sorted(set(reached)), "each part goes further"
    assert reached[0] < 300
    done = subprocess.run(
        [*command, "0.05"], env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    model = Regressor()
    history = train(model, epochs=300)
    assert done.stdout.strip() == repr(history)
    with np.load(tmp_path / "end.npz") as end:
        np.testing.assert_array_equal(end["train"], history.train_loss)
        np.testing.assert_array_equal(end["validation"], history.validation_loss)
        assert all(end[f"arr_{i}"].tobytes() == value.tobytes() for i, value in enumerate(values(model)))
