"""Run a cell of a finished notebook once more, as a learner does: no error, the same text, the same models.

The trial edition of a notebook begins with `watch()` and ends with one `run_again(n)` for each of its code cells. Each
starts from the notebook's last state: what a cell did to names, lists and models is undone afterwards.
"""

import difflib
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any, TextIO

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx
from IPython.core.getipython import get_ipython

ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
PLAIN = (int, float, str, bytes)


class RunAgainError(AssertionError):
    """A cell that cannot be run again, or that then does something else; the message names it."""


def watch() -> None:
    """From the next cell on, remember what each cell says, as long as no cell is run again."""
    _watched.clear()
    sys.stdout = _Tee(sys.stdout)
    events = get_ipython().events
    events.register("pre_run_cell", _begin)
    events.register("post_run_cell", _end)


def run_again(number: int, differs: str = "") -> None:
    """Run the `number`-th watched cell; the first call remembers the notebook's state.

    Args:
        differs: why its text, or a model that it changes, is another one than after the first run; "" if not.
    """
    shell, state = get_ipython(), _last_state()
    (source, before), printed = _watched[number - 1], StringIO()
    with redirect_stdout(printed):
        outcome = shell.run_cell(source, store_history=False)
    changed = state.restore()
    where = f"cell {number} ({source.strip().splitlines()[0][:60]}), run again,"
    error = outcome.error_before_exec or outcome.error_in_exec
    if error is not None:
        raise RunAgainError(f"{where} raises {type(error).__name__}: {error}")
    after = _text(printed.getvalue(), outcome.result)
    found = [f"prints something else\n{_difference(before, after)}"] if before != after else []
    found += [f"changes {', '.join(changed)}, which an earlier cell made"] if changed else []
    if found and not differs:
        raise RunAgainError(f"{where} {'; it '.join(reversed(found))}")
    if differs and not found:
        raise RunAgainError(f"{where} does the same as before; remove its mark ({differs})")


class _State:
    """A notebook's names, with the contents of its lists, dicts and models."""

    def __init__(self, names: dict[str, Any]) -> None:
        own = {k: v for k, v in names.items() if not k.startswith("_") and k not in ("In", "Out")}
        self.namespace, self.names = names, dict(names)
        self.containers = [(value, value.copy()) for value in own.values() if type(value) in (list, dict)]
        found = {id(v): (name, v) for name, value in reversed(own.items()) for v in _variables(value)}
        self.variables = [(name, variable, _copied(variable.get_value())) for name, variable in found.values()]

    def restore(self) -> list[str]:
        """Put everything back; returns the names of the models that had changed."""
        plt.close("all")
        for container, value in [(self.namespace, self.names), *self.containers]:
            container.clear()
            container.update(value) if isinstance(container, dict) else container.extend(value)
        changed = set()
        for name, variable, value in self.variables:
            if not _equal(variable.get_value(), value):
                changed.add(name)
                variable.set_value(_copied(value))
        return sorted(changed)


_watched: list[tuple[str, str]] = []  # source and text of each cell so far


class _Tee:
    """A stream that also remembers what the present cell writes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.seen: StringIO | None = None  # until the first watched cell begins

    def write(self, text: str) -> int:
        if self.seen is not None:
            self.seen.write(text)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _begin(_: Any) -> None:
    sys.stdout.seen = StringIO()


def _end(outcome: Any) -> None:
    if sys.stdout.seen is not None:
        _watched.append((outcome.info.raw_cell, _text(sys.stdout.seen.getvalue(), outcome.result)))


@cache
def _last_state() -> _State:
    events = get_ipython().events
    events.unregister("pre_run_cell", _begin)
    events.unregister("post_run_cell", _end)
    return _State(get_ipython().user_ns)


def _copied(value: Any) -> Any:
    """A copy of an array, since a training may give the original's memory away."""
    return jnp.copy(value) if hasattr(value, "dtype") else value


def _equal(now: Any, before: Any) -> bool:
    if not hasattr(before, "dtype"):
        return now is before or bool(now == before)
    if now is before or jnp.issubdtype(before.dtype, jax.dtypes.prng_key):
        return True
    deleted = isinstance(now, jax.Array) and now.is_deleted()
    return not deleted and np.array_equal(now, before, equal_nan=True)


def _variables(value: Any) -> Iterator[nnx.Variable]:
    """The variables of a model or optimizer, or of those in a list, a tuple or a dict."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, PLAIN) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, nnx.Variable):
            yield value
        elif isinstance(value, nnx.Pytree):
            waiting += vars(value).values()


def _text(printed: str, value: Any) -> str:
    """What a cell printed, then the value that stood at its end."""
    shown = "" if value is None else get_ipython().display_formatter.format(value)[0].get("text/plain", "")
    return ADDRESS.sub("at ...", printed + shown)


def _difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "first run", "run again", lineterm="", n=0)
    return "\n".join(list(lines)[:40])
