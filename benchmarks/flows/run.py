"""What the parts share: the clock, the randomness, and the rows they print."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

Record = dict[str, Any]

# part: (key of the record, heading, format), in the order of the table
COLUMNS: dict[str, list[tuple[str, str, str]]] = {
    "toy": [
        ("density", "toy density", "<18"), ("entropy_nats", "entropy", "9.4f"), ("test_nll_nats", "test nll", "9.4f"),
        ("gap_nats", "gap", "9.4f"), ("standard_error", "± s.e.", "8.4f"), ("kl_nats", "KL", "9.4f"),
        ("steps", "steps", "7"), ("seconds", "s", "7.1f"), ("cpu_seconds", "cpu s", "8.1f"),
    ],
    "images": [
        ("data", "images", "<8"), ("model", "model", "<26"), ("bits_per_pixel", "bits/pixel", "11.4f"),
        ("standard_error", "± s.e.", "8.4f"), ("valid_bits_per_pixel", "valid", "9.4f"),
        ("test_log_prob_nats", "log p(z)", "10.1f"), ("parameters", "params", "12,"), ("epochs", "epochs", "8"),
        ("seconds", "s", "9.1f"), ("cpu_seconds", "cpu s", "9.1f"),
    ],
    "speed": [
        ("flow", "flow", "<9"), ("size", "size", "<21"), ("library", "library", "<16"), ("what", "what", "<10"),
        ("median_ms", "median ms", "11.3f"), ("fastest_ms", "fastest", "10.3f"), ("ratio", "/ ours", "8.2f"),
    ],
    "compile": [
        ("flow", "flow", "<24"), ("seconds_4_layers", "4 layers s", "12.2f"),
        ("seconds_32_layers", "32 layers s", "13.2f"), ("ratio", "ratio", "8.2f"),
    ],
}  # fmt: skip
TABLE = {"toy": "toy", "digits": "images", "mnist": "images", "speed": "speed", "compile": "compile"}


@dataclass
class Run:
    """The seed, until when the present part may work (`time.monotonic`), and what the command line named."""

    seed: int
    deadline: float
    mnist: Path | None = None
    checkpoint: Path | None = None

    @property
    def left(self) -> float:
        """Seconds that the present part still has."""
        return self.deadline - time.monotonic()

    def key(self, name: str) -> jax.Array:
        """Randomness that depends on the seed and this name alone, not on what ran before."""
        return jax.random.fold_in(jax.random.key(self.seed), int.from_bytes(name.encode()[-3:], "big") + len(name))


def _cell(text: str, style: str) -> str:
    width = int("".join(c for c in style.split(".")[0] if c.isdigit()))
    return f"{text:<{width}}" if style.startswith("<") else f"{text:>{width}}"


def header(part: str) -> str:
    """The first line of a part's table."""
    return "".join(_cell(heading, style) for _, heading, style in COLUMNS[TABLE[part]])


def line(part: str, record: Record) -> str:
    """The row of the table; a dash stands for what was not measured, a star for a training that the clock ended."""
    cells = []
    for key, _, style in COLUMNS[TABLE[part]]:
        value = record[key]
        cells.append(_cell("-", style) if value is None else format(value, style))
    return "".join(cells) + (" *" if record.get("cut_by_clock") else "")


def dumps(record: Record) -> str:
    """One JSON line; numbers with the digits that mean something."""
    short = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in record.items()}
    return json.dumps(short)
