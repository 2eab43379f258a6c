"""Ctrl-C at any moment: the model holds its best state, the history says so, one line is printed."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from course_lib.training.interrupt import interrupts_noted
from tests.training.problems import line, same, train


class Bar:
    """A progress bar that presses Ctrl-C in its update number `moment`."""

    moment = 0

    def __init__(self, **_):
        self.n = self.initial = self.calls = 0

    def update(self):
        self.calls += 1
        if self.calls == Bar.moment:
            raise KeyboardInterrupt

    def nothing(self, *_, **__):
        pass

    close = unpause = set_postfix_str = nothing


@pytest.mark.parametrize("validation", [None, "default"])
def test_between_epochs(monkeypatch, capsys, validation):
    changes = {} if validation else {"validation": None}
    monkeypatch.setattr("course_lib.training.resumable.progress_bar", Bar)
    monkeypatch.setattr(Bar, "moment", 3)
    model = line()
    history = train(model, epochs=10, **changes)
    assert history.stopped == "interrupted"
    assert len(history.train_loss) == 3
    assert capsys.readouterr().out == (
        f"Interrupted after 3 epochs; the model holds the state of epoch {history.best_epoch}.\n"
    )
    monkeypatch.setattr(Bar, "moment", 0)
    expected = line()
    assert train(expected, epochs=3, **changes).best_epoch == history.best_epoch
    assert same(model, expected)


def test_within_an_epoch_and_before_the_first(monkeypatch):
    """The buffers given away to the running epoch are gone; the model must not need them."""
    from course_lib.training import loop

    for moment, done in [(1, 0), (3, 2)]:
        calls = []

        def wait(x, _, moment=moment, calls=calls):
            calls.append(x)
            if len(calls) == moment:
                raise KeyboardInterrupt
            return x

        with monkeypatch.context() as patch:
            patch.setattr(loop, "wait", wait)
            model = line()
            history = train(model, epochs=10, validation=None)
        assert (history.stopped, len(history.train_loss), history.best_epoch) == ("interrupted", done, done)
        expected = line()
        if done:
            train(expected, epochs=done, validation=None)
        assert same(model, expected)
        assert model(np.ones((1, 4))).shape == (1, 1)


def test_while_compiling(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(jax.stages.Lowered, "compile", interrupted)
    model = line()
    history = train(model)
    assert repr(history) == "0 epochs (best: before training), interrupted"
    assert same(model, line())
    assert "Interrupted after 0 epochs" in capsys.readouterr().out


def test_a_signal_is_noted_and_raised_where_it_is_asked_for():
    before = signal.getsignal(signal.SIGINT)
    with interrupts_noted() as check:
        check()
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_training_in_another_thread():
    """Signals go to the main thread; elsewhere no handler can be set."""
    histories = []
    thread = threading.Thread(target=lambda: histories.append(train(line(), epochs=1)))
    thread.start()
    thread.join()
    assert histories[0].stopped == "finished"


CHILD = """
from tests.training.problems import Regressor, same, train
train(Regressor(), epochs=1)  # what it compiles is on the disk now
model = Regressor()
print("ready", flush=True)
history = train(model, epochs=1_000_000, progress=True)
again, epochs = Regressor(), len(history.train_loss)
assert history.stopped == "interrupted", history
assert epochs == 0 or train(again, epochs=epochs).best_epoch == history.best_epoch
assert same(model, again)
print("holds the best of", epochs)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_a_real_signal_at_a_random_moment(tmp_path):
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    random, epochs = np.random.default_rng(int(os.environ.get("KILL_SEED", "0"))), []
    for _ in range(int(os.environ.get("KILLS", "1"))):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **cache}, encoding="utf-8"
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, 1))
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
        assert out.startswith("Interrupted after ")
        assert "holds the best of" in out
        assert out.count("\n") == 2
        epochs.append(int(out.split()[-1]))
    print("epochs done before each signal:", epochs)


LONG = """
import jax, jax.numpy as jnp, numpy as np, time
from flax import nnx
from course_lib.training import fit, loop
class Big(nnx.Module):
    def __init__(self):
        self.w = nnx.Param(jnp.eye(700) * 0.1)
def loss(model, batch, key):
    return jnp.mean(jnp.tanh(model.w[...] @ model.w[...]) @ model.w[...]) + batch.mean()
model, wait = Big(), loop.wait
loop.wait = lambda x, check: print("running", flush=True) or wait(x, check)
history = fit(model, loss, np.zeros(100_000), key=jax.random.key(0), epochs=1, batch_size=1, progress=False)
print(repr(history), np.asarray(model.w[...]).sum(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_an_epoch_of_many_minutes_is_left_at_once():
    with subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True, encoding="utf-8") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "running\n"
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline().startswith("Interrupted after 0 epochs")
        assert child.stdout.readline() == "0 epochs (best: before training), interrupted 70.0\n"
        assert child.poll() is None, "the epoch itself cannot be called back"
        child.kill()
