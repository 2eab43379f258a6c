"""Stopped and resumed, a run ends bit for bit where it would have ended; a bad file is never used."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from course_lib.autoregressive import Made, negative_log_likelihood
from course_lib.training import CheckpointError, fit
from course_lib.training.checkpoint import Checkpoint, named_arrays
from tests.training.problems import Regressor, examples, line, noisy_squares, same, train
from tests.training.test_interrupt import Bar

RUN = {"batch_size": "16"}


@pytest.fixture(autouse=True)
def write_every_epoch(monkeypatch):
    monkeypatch.setattr("course_lib.training.checkpoint.WRITING_SHARE", np.inf)


@pytest.fixture
def tree():
    """Every kind of leaf: floats large and small, whole numbers, keys, numpy, a scalar, an empty array."""
    return {
        "kernel": jnp.arange(6.0).reshape(2, 3),
        "small": jnp.arange(3, dtype=jnp.bfloat16),
        "count": jnp.uint32(7),
        "flag": jnp.array([True, False]),
        "key": jax.random.key(3),
        "losses": np.array([[0.1, np.inf]]),
        "none yet": np.zeros((0, 2)),
        "seconds": np.float64(0.25),
    }


def blank(tree):
    """The same structure, other values, and other lengths where numpy arrays may grow."""
    zeros = {k: jnp.zeros_like(v) for k, v in tree.items() if isinstance(v, jax.Array) and k != "key"}
    return {**tree, **zeros, "key": jax.random.key(0), "losses": np.zeros((0, 2)), "seconds": np.float64(0)}


def equal(one, other) -> bool:
    a, b = named_arrays(one), named_arrays(other)
    return a.keys() == b.keys() and all(
        a[k].tobytes() == b[k].tobytes() and a[k].dtype == b[k].dtype and a[k].shape == b[k].shape for k in a
    )


def test_every_kind_of_array_comes_back(tmp_path, tree):
    Checkpoint(tmp_path / "deep" / "er", RUN).save(tree, at_once=True)
    found = Checkpoint(tmp_path / "deep" / "er", RUN).load(blank(tree))
    assert equal(found, tree)
    assert not equal(found, blank(tree))
    assert found["small"].dtype == jnp.bfloat16
    assert jax.random.key_impl(found["key"]) == jax.random.key_impl(tree["key"])


def test_nothing_there_gives_the_template(tmp_path, tree):
    assert Checkpoint(tmp_path, RUN).load(tree) is tree


def test_the_file_is_plain_safetensors_and_json(tmp_path, tree):
    store = Checkpoint(tmp_path, RUN)
    store.save(tree, at_once=True)
    assert load_file(store.latest)["['kernel']"].tolist() == [[0, 1, 2], [3, 4, 5]]
    header = store.latest.read_bytes()[8:]
    assert json.loads(header[: header.index(b"}}") + 2])["__metadata__"]["run"] == json.dumps(RUN)
    assert sorted(os.listdir(tmp_path)) == ["latest.safetensors"]


def test_writing_takes_a_small_share_of_the_time(tmp_path, tree, monkeypatch):
    monkeypatch.setattr("course_lib.training.checkpoint.WRITING_SHARE", 0.05)
    clock = [0.0]
    monkeypatch.setattr("course_lib.training.checkpoint.time.monotonic", lambda: clock[0])
    store = Checkpoint(tmp_path, RUN)
    store.save(tree, at_once=False)
    store.seconds = 1.0  # as if that had taken a second
    for at, written in [(19.0, False), (21.0, True)]:
        clock[0] = at
        store.latest.unlink(missing_ok=True)
        store.save(tree, at_once=False)
        assert store.latest.exists() is written
    store.seconds = 1e9
    store.latest.unlink()
    store.save(tree, at_once=True)
    assert store.latest.exists()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def renamed_setting(path):
    path.write_bytes(path.read_bytes().replace(b'\\"16\\"', b'\\"61\\"'))


def foreign(path):
    save_file({"weight": np.zeros(3)}, path)


@pytest.mark.parametrize("spoil", [truncated, emptied, flipped, renamed_setting, foreign])
def test_a_bad_file_is_refused_or_the_one_before_it_used(tmp_path, tree, spoil):
    store = Checkpoint(tmp_path, RUN)
    store.save(tree, at_once=True)
    before = store.latest.read_bytes()
    store.save({**tree, "count": jnp.uint32(8)}, at_once=True)
    assert store.previous.read_bytes() == before
    spoil(store.latest)
    with pytest.warns(UserWarning, match=r"latest\.safetensors (is damaged|was not written).*from previous"):
        assert equal(store.load(blank(tree)), tree)
    assert store.latest.read_bytes() == before
    spoil(store.latest)
    with pytest.raises(
        CheckpointError, match=r"(is damaged|was not written by training.fit).*Delete .* or name another"
    ):
        store.load(blank(tree))


@pytest.mark.parametrize("stage", ["open", "fsync", "replace"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_crash_while_writing_loses_nothing(tmp_path, tree, monkeypatch, stage, call):
    store = Checkpoint(tmp_path, RUN)
    store.save(tree, at_once=True)
    owner = "builtins.open" if stage == "open" else f"os.{stage}"
    real, calls = {"open": open, "fsync": os.fsync, "replace": os.replace}[stage], []

    def crash(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise OSError("the machine stops here")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, crash)
        try:
            store.save({**tree, "count": jnp.uint32(8)}, at_once=True)
            newest = 8
        except OSError:
            newest = 7
    assert int(store.load(blank(tree))["count"]) == newest
    store.save({**tree, "count": jnp.uint32(9)}, at_once=True)
    assert int(store.load(blank(tree))["count"]) == 9


def crash_at(epoch):
    """A loss in Python cannot stop a compiled epoch, but the progress bar is called after each."""

    class Bar:
        calls = 0

        def __init__(self, **_):
            self.n = self.initial = 0

        def update(self):
            Bar.calls += 1
            if Bar.calls == epoch:
                raise RuntimeError("power cut")

        def nothing(self, *_, **__):
            pass

        close = unpause = set_postfix_str = nothing

    return Bar


def test_cut_after_an_epoch_and_resumed_it_ends_bit_for_bit_the_same(tmp_path, monkeypatch):
    uninterrupted = Regressor()
    history = train(uninterrupted, epochs=4)
    with monkeypatch.context() as patch:
        patch.setattr("course_lib.training.resumable.progress_bar", crash_at(2))
        with pytest.raises(RuntimeError, match="power cut"):
            train(Regressor(), epochs=4, checkpoint=tmp_path)
    resumed = Regressor()  # its values are replaced by those of the checkpoint
    after = train(resumed, epochs=4, checkpoint=tmp_path)
    assert same(resumed, uninterrupted)
    np.testing.assert_array_equal(after.train_loss, history.train_loss)
    np.testing.assert_array_equal(after.validation_loss, history.validation_loss)
    assert repr(after) == repr(history)


def test_a_finished_run_comes_back_at_once_and_epochs_may_be_raised(tmp_path, monkeypatch):
    first, longer = line(), line()
    history = train(first, epochs=2, checkpoint=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
        again = line()
        assert repr(train(again, epochs=2, checkpoint=tmp_path)) == repr(history)
    assert same(again, first)
    resumed = line()
    assert repr(train(resumed, epochs=5, checkpoint=tmp_path)) == repr(train(longer, epochs=5))
    assert same(resumed, longer)
    with pytest.raises(CheckpointError, match="holds 5 epochs of this run; ask for no fewer"):
        train(line(), epochs=3, checkpoint=tmp_path)


def test_a_run_that_stopped_early_is_finished(tmp_path, monkeypatch):
    worse = {"epochs": 50, "patience": 2, "validation_loss": lambda m, b, k: jnp.abs(m.bias[0]), "checkpoint": tmp_path}
    model = line()
    first = train(model, optimizer=optax.sgd(0.1), **worse)
    assert first.stopped == "early"
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
    again = line()
    assert repr(train(again, optimizer=optax.sgd(0.1), **worse)) == repr(first)
    assert same(again, model)


def test_without_validation_too(tmp_path):
    whole, parts = line(), line()
    history = train(whole, epochs=4, validation=None)
    for epochs in (1, 2, 4):
        resumed = train(parts, epochs=epochs, validation=None, checkpoint=tmp_path)
    assert repr(resumed) == repr(history)
    assert same(parts, whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 10}, "batch_size was 16, now 10"),
        ({"patience": 7}, "patience was None, now 7"),
        ({"key": jax.random.key(2)}, "key was .*now"),
        ({"validation": examples(23, seed=2)}, r"validation was float32\[23, 4\].*digest"),
        ({"validation": examples(22, seed=1)}, r"now float32\[22, 4\]"),
        ({"optimizer": optax.adam(0.5)}, "program .*optimizer"),
        ({"optimizer": optax.sgd(0.1)}, "state.*mu.*float32.*now None"),
        ({"validation_loss": lambda m, b, k: jnp.zeros(())}, "program .loss"),
    ],
)
def test_another_run_is_refused_by_name(finished, changes, message):
    with pytest.raises(CheckpointError, match=f"(?s)belongs to another run.*{message}.*Delete"):
        train(line(), **{"epochs": 1, "checkpoint": finished, **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    train(line(), epochs=1, checkpoint=folder)
    return folder


def test_other_data_or_another_model_is_refused(finished):
    x, y = examples()
    arguments = {"key": jax.random.key(1), "epochs": 1, "batch_size": 16, "validation": examples(23, seed=1)}
    with pytest.raises(CheckpointError, match="data was float32"):
        fit(line(), noisy_squares, (x, y + 1), checkpoint=finished, progress=False, **arguments)
    wide = nnx.Sequential(nnx.Linear(4, 2, rngs=nnx.Rngs(0)), nnx.Linear(2, 1, rngs=nnx.Rngs(0)))
    with pytest.raises(CheckpointError, match="state"):
        train(wide, epochs=1, checkpoint=finished)


def test_a_model_that_started_with_other_values_is_refused(finished):
    with pytest.raises(CheckpointError, match="1 epochs of a run whose model started with other values .another seed"):
        train(line(seed=5), epochs=2, checkpoint=finished)


def test_a_model_with_another_ordering_of_the_same_shape_is_refused_and_left_alone(tmp_path):
    def made(ordering):
        return Made(4, [6], ordering=ordering, rngs=nnx.Rngs(0))

    bits = np.eye(4)[np.arange(20) % 4]
    arguments = {"key": jax.random.key(0), "batch_size": 5, "checkpoint": tmp_path, "progress": False}
    fit(made([0, 1, 2, 3]), negative_log_likelihood, bits, epochs=1, **arguments)
    other = made([3, 2, 1, 0])
    with pytest.raises(CheckpointError, match="other values"):
        fit(other, negative_log_likelihood, bits, epochs=2, **arguments)
    assert other.ordering[...].tolist() == [3, 2, 1, 0]
    assert same(other, made([3, 2, 1, 0]))


def test_a_learning_rate_that_is_part_of_the_optimizers_state_is_part_of_the_run(tmp_path):
    def adam(rate):
        return optax.inject_hyperparams(optax.adam)(rate)

    train(line(), epochs=1, checkpoint=tmp_path, optimizer=adam(1e-3))
    train(line(), epochs=2, checkpoint=tmp_path, optimizer=adam(1e-3))
    with pytest.raises(CheckpointError, match="numbers of the optimizer was .*now"):
        train(line(), epochs=2, checkpoint=tmp_path, optimizer=adam(1e-1))


def test_a_run_that_was_interrupted_goes_on_with_the_model_that_it_left(tmp_path, monkeypatch):
    """In a notebook the same cell is run again: the model holds the best state, which the folder holds, too."""
    monkeypatch.setattr("course_lib.training.checkpoint.WRITING_SHARE", 1e-9)  # no time for it while the run goes on
    model, whole = Regressor(), Regressor()
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "moment", 3)
        patch.setattr("course_lib.training.resumable.progress_bar", Bar)
        assert train(model, epochs=8, checkpoint=tmp_path).stopped == "interrupted"
    resumed = train(model, epochs=8, checkpoint=tmp_path)
    assert repr(resumed) == repr(train(whole, epochs=8))
    assert same(model, whole)


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(FileExistsError):
        train(line(), checkpoint=tmp_path / "file")
