"""What the recipes share: the data, the clock, and the row that each of them fills."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from benchmarks.density.data import Binary


@dataclass
class Row:
    """One model. `valid` and `test` are log-probabilities (nats), one a row of data; `members`: parts of it that the
    final mixture may use one by one, as pairs like (valid, test)."""

    model: str
    valid: np.ndarray
    test: np.ndarray
    parameters: int
    epochs: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    cut: bool = False
    members: list[tuple[np.ndarray, np.ndarray]] | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    bound: bool = False

    def record(self, data: Binary, seed: int) -> dict[str, Any]:
        """The JSON line."""
        nll, fresh = -np.asarray(self.test, np.float64), data.new
        return {
            "data": data.name, "model": self.model, "test_nll_nats": round(float(nll.mean()), 4),
            "standard_error": round(float(nll.std(ddof=1) / np.sqrt(len(nll))) if len(nll) > 1 else 0.0, 4),
            "test_nll_new_rows": round(float(nll[fresh].mean()), 4) if fresh.any() else None,
            "valid_nll_nats": round(float(-self.valid.mean()), 4), "is_bound": self.bound,
            "parameters": self.parameters, "epochs": self.epochs, "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1), "cut_by_clock": self.cut, "seed": seed, **self.settings,
        }  # fmt: skip


@dataclass
class Run:
    """Data, seed, the rows so far, and until when the present recipe may work (`time.monotonic`)."""

    data: Binary
    seed: int
    deadline: float
    rows: list[Row] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)  # what several recipes need, computed once

    @property
    def left(self) -> float:
        """Seconds that the present recipe still has."""
        return self.deadline - time.monotonic()

    def key(self, name: str) -> jax.Array:
        """Randomness that depends on the seed and this name alone, not on what ran before."""
        return jax.random.fold_in(jax.random.key(self.seed), int.from_bytes(name.encode()[:3], "big") + len(name))

    def orderings(self) -> Any:
        """The natural ordering, then random ones without end."""
        d, rng = self.data.num_inputs, np.random.default_rng(self.seed)
        yield np.arange(d)
        while True:
            yield rng.permutation(d)


HEADER = f"{'model':22}{'test nats':>10} {'± s.e.':>7}{'new rows':>10}{'valid':>9}{'params':>10}{'epochs':>8}{'s':>8}{'cpu s':>8}"  # noqa: E501


def line(record: dict[str, Any]) -> str:
    """The row of the table."""
    fresh, epochs = record["test_nll_new_rows"], record["epochs"]
    name = ("≤ " if record["is_bound"] else "") + record["model"] + (" *" if record["cut_by_clock"] else "")
    return (
        f"{name:22}{record['test_nll_nats']:10.3f} {record['standard_error']:7.3f}"
        f"{'-' if fresh is None else format(fresh, '.3f'):>10}{record['valid_nll_nats']:9.3f}{record['parameters']:10,}"
        f"{'-' if epochs is None else epochs:>8}{record['seconds']:8.1f}{record['cpu_seconds']:8.1f}"
    )


def dumps(record: dict[str, Any]) -> str:
    """One JSON line."""
    return json.dumps(record)
