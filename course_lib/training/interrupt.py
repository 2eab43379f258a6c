"""Ctrl-C, heard only where it does no harm.

Python raises KeyboardInterrupt between any two instructions. Within JAX's tracing that can lose the interrupt (in a
callback whose exceptions are ignored) or end the process; so the loop takes note of the signal and looks for it.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jaxtyping import Array


@contextmanager
def interrupts_noted() -> Iterator[Callable[[], None]]:
    """Meanwhile Ctrl-C is only noted; the function that this yields raises KeyboardInterrupt if it has come."""
    came = []

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check  # signals go to the main thread
        return
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


def wait(x: Array, check: Callable[[], None]) -> Array:
    """Wait for `x` in naps, with a `check` after each; they cost at most 2 % of the time.

    A compiled program cannot be called back: if `check` raises, it runs on to its end, and later ones wait for it.
    """
    begin = time.perf_counter()
    while not x.is_ready():  # pyright: ignore[reportAttributeAccessIssue]
        check()
        time.sleep(min(0.05, 1e-4 + 0.02 * (time.perf_counter() - begin)))
    check()
    return x
