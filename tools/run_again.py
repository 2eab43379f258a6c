"""Run a cell of a finished notebook once more, as a learner does: no error, the same text, the same models.

The solved edition of a notebook ends with one `run_again(n)` for each of its code cells. Each starts from the
notebook's last state: what a cell did to names, lists and models is undone afterwards.
"""

import difflib
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any
from unittest.mock import patch

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


def run_again(number: int, differs: str = "") -> None:
    """Run the code cell whose execution count was `number`; the first call remembers the notebook's state.

    Args:
        differs: why its text, or a model that it changes, is another one than after the first run; "" if not.
    """
    shell, state = get_ipython(), _last_state()
    source, printed, results = shell.history_manager.input_hist_raw[number], StringIO(), _Results()
    with redirect_stdout(printed), patch("sys.displayhook", results):
        outcome = shell.run_cell(source, store_history=False)
    changed = state.restore()
    where = f"cell {number} ({source.strip().splitlines()[0][:60]}), run again,"
    error = outcome.error_before_exec or outcome.error_in_exec
    if error is not None:
        raise RunAgainError(f"{where} raises {type(error).__name__}: {error}")
    before = _first_text(shell.history_manager.outputs.get(number, []))
    after = _text([printed.getvalue()], results)
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


@cache
def _last_state() -> _State:
    return _State(get_ipython().user_ns)


class _Results(list[str]):
    """The texts of values that stand at the end of a cell."""

    def __call__(self, value: Any) -> None:
        if value is not None:
            self.append(get_ipython().display_formatter.format(value)[0].get("text/plain", ""))


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


def _first_text(outputs: list[Any]) -> str:
    printed = [part for o in outputs if o.output_type == "out_stream" for part in o.bundle["stream"]]
    return _text(printed, [o.bundle.get("text/plain", "") for o in outputs if o.output_type == "execute_result"])


def _text(printed: list[str], results: list[str]) -> str:
    return ADDRESS.sub("at ...", "\n".join(["".join(printed), *results]))


def _difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "first run", "run again", lineterm="", n=0)
    return "\n".join(list(lines)[:40])
