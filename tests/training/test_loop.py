"""The training loop: what it computes, what it returns, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from course_lib.training import History, NonFiniteLossError, fit
from course_lib.training.epoch import epoch_order, epoch_program
from tests.tolerances import FLOAT32
from tests.training.problems import Regressor, examples, line, noisy_squares, same, train, values


class Point(nnx.Module):
    """One parameter, so that every step can be done by hand."""

    def __init__(self, start: float = 0.0):
        self.at = nnx.Param(jnp.array([start]))


def distance(model, batch, key):
    return jnp.mean((model.at[...] - batch) ** 2)


def test_every_step_is_the_step_done_by_hand():
    data = np.random.default_rng(0).normal(size=(10,)).astype(np.float32)
    model, key, rate = Point(), jax.random.key(3), 0.1
    history = fit(model, distance, data, key=key, epochs=2, batch_size=4, optimizer=optax.sgd(rate), progress=False)
    at, epochs = 0.0, []
    for epoch in (1, 2):
        losses = []
        for chosen in np.asarray(epoch_order(key, epoch, 10, 4)[0]):
            losses.append(np.mean((at - data[chosen]) ** 2))
            at -= rate * 2 * np.mean(at - data[chosen])
        epochs.append(np.mean(losses))
    np.testing.assert_allclose(model.at[...], [at], **FLOAT32)
    np.testing.assert_allclose(history.train_loss, epochs, **FLOAT32)
    assert (history.best_epoch, history.steps, history.stopped, history.validation_loss) == (2, 4, "finished", None)


def test_an_epoch_visits_each_example_once_in_an_order_of_its_own():
    key = jax.random.key(0)
    first, second = (np.asarray(epoch_order(key, epoch, 103, 10)[0]) for epoch in (1, 2))
    assert first.shape == (10, 10)
    assert len(np.unique(first)) == 100
    assert not np.array_equal(first, second)
    left_out = [set(range(103)) - set(order.ravel().tolist()) for order in (first, second)]
    assert left_out[0] != left_out[1]


def test_whole_batches_only_and_all_examples_when_they_fit():
    order, _ = epoch_order(jax.random.key(0), 1, 12, 4)
    assert sorted(np.asarray(order).ravel().tolist()) == list(range(12))


def test_the_loss_falls_and_the_model_is_trained_in_place():
    model = line()
    before = values(model)
    history = train(model, epochs=40, optimizer=optax.adam(1e-2), batch_size=10)
    assert history.train_loss[-1] < 0.7 * history.train_loss[0]
    assert any(not np.array_equal(a, b) for a, b in zip(before, values(model), strict=True))


def test_equal_keys_give_equal_runs_and_other_keys_do_not():
    models = [line(), line(), line()]
    histories = [train(m, key=jax.random.key(seed)) for m, seed in zip(models, [5, 5, 6], strict=True)]
    assert same(models[0], models[1])
    np.testing.assert_array_equal(histories[0].train_loss, histories[1].train_loss)
    assert not same(models[0], models[2])


def test_one_program_traced_once_however_many_epochs():
    calls = []

    def counted(model, batch, key):
        calls.append(1)
        return noisy_squares(model, batch, key)

    fit(line(), counted, examples(), key=jax.random.key(0), epochs=1, batch_size=16, progress=False)
    once, _ = len(calls), calls.clear()
    fit(line(), counted, examples(), key=jax.random.key(0), epochs=7, batch_size=16, progress=False)
    assert len(calls) == once


def test_the_state_is_donated_but_the_arrays_of_the_model_are_not():
    model = Point()
    kept = model.at.get_value()
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    optimizer, data = optax.adam(0.1), jnp.arange(8.0)
    params, rest = nnx.as_pure((params, rest))
    state = jax.tree.map(lambda x: jnp.array(x, copy=True), (params, rest, optimizer.init(params)))
    run = jax.jit(epoch_program(graphdef, distance, distance, optimizer, 4), donate_argnums=0)
    run(state, data, *epoch_order(jax.random.key(0), 1, 8, 4), None, None)
    assert all(x.is_deleted() for x in jax.tree.leaves(state))
    fit(model, distance, data, key=jax.random.key(0), epochs=2, batch_size=4, progress=False)
    assert not kept.is_deleted()
    assert float(kept[0]) == 0.0
    assert not model.at.get_value().is_deleted()


def test_early_stopping_keeps_the_best_state():
    """The parameter walks from 0 towards the data at 10; validation is best when it passes 3."""
    data, validation = np.full(8, 10.0, np.float32), np.full(4, 3.0, np.float32)
    model = Point()
    history = fit(
        model, distance, data, key=jax.random.key(0), epochs=100, batch_size=8, optimizer=optax.sgd(0.02),
        validation=validation, patience=4, progress=False,
    )  # fmt: skip
    path = 10 * (1 - 0.96 ** np.arange(1, 101))
    best = int(np.argmin((path - 3) ** 2))
    assert history.stopped == "early"
    assert history.best_epoch == best + 1
    assert len(history.train_loss) == best + 1 + 4
    np.testing.assert_allclose(model.at[...], [path[best]], **FLOAT32)
    np.testing.assert_allclose(history.validation_loss, (path[: best + 5] - 3) ** 2, rtol=1e-4)  # two roundings squared
    assert np.argmin(history.validation_loss) == best


def test_without_patience_it_runs_on_but_still_keeps_the_best():
    data, validation = np.full(8, 10.0, np.float32), np.full(4, 3.0, np.float32)
    model = Point()
    history = fit(
        model, distance, data, key=jax.random.key(0), epochs=30, batch_size=8, optimizer=optax.sgd(0.02),
        validation=validation, progress=False,
    )  # fmt: skip
    assert history.stopped == "finished"
    assert len(history.train_loss) == 30
    assert abs(float(model.at[0]) - 3) < 0.3


@pytest.mark.parametrize("size", [3, 4, 8, 11])
def test_validation_is_the_mean_over_every_example(size):
    validation = np.arange(size, dtype=np.float32)
    frozen = optax.set_to_zero()
    history = fit(
        Point(1.0), distance, np.ones(8, np.float32), key=jax.random.key(0), epochs=2, batch_size=4, optimizer=frozen,
        validation=validation, progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(history.validation_loss, np.full(2, np.mean((1 - validation) ** 2)), **FLOAT32)


def test_validation_uses_one_key_and_eval_mode():
    """Noise and dropout make every training loss of a frozen model different, and no validation loss."""

    class Plain(nnx.Module):
        def __init__(self):
            self.layer, self.dropout = nnx.Linear(4, 1, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1))

        def __call__(self, x):
            return self.dropout(self.layer(x))

    history = train(Plain(), optimizer=optax.set_to_zero(), epochs=3)
    assert len(set(history.validation_loss.tolist())) == 1
    assert len(set(history.train_loss.tolist())) == 3


def test_another_validation_loss():
    def count(model, batch, key):
        return jnp.asarray(float(batch[0].shape[1]))

    assert train(line(), validation_loss=count, epochs=1).validation_loss.tolist() == [4.0]


def test_other_state_is_carried():
    model = Regressor()
    train(model, epochs=2)
    assert float(jnp.abs(model.norm.mean[...]).sum()) > 0
    assert int(model.dropout.rngs.count[...]) > 0


def test_any_structure_of_data():
    class Echo(nnx.Module):
        def __init__(self):
            self.scale = nnx.Param(jnp.ones(()))

    seen = []

    def loss(model, batch, key):
        seen.append(jax.tree.map(jnp.shape, batch))
        return model.scale[...] * jax.tree.leaves(batch)[0].mean()

    one, two = np.zeros((6, 2, 2), np.float32), np.arange(6)
    for data, shape in [(one, (3, 2, 2)), ((one, two), ((3, 2, 2), (3,))), ({"x": two, "y": one}, None)]:
        seen.clear()
        fit(Echo(), loss, data, key=jax.random.key(0), epochs=1, batch_size=3, progress=False)
        assert seen[-1] == (shape or {"x": (3,), "y": (3, 2, 2)})


def test_weakly_typed_and_numpy_parameters():
    model = Point()
    model.at = nnx.Param(jnp.asarray(1.0))
    fit(model, distance, np.zeros(4, np.float32), key=jax.random.key(0), epochs=2, batch_size=4, progress=False)
    assert model.at[...].shape == ()
    model.at = nnx.Param(np.ones(1, np.float32))
    fit(model, distance, np.zeros(4, np.float32), key=jax.random.key(0), epochs=2, batch_size=4, progress=False)
    assert 0 < float(model.at[0]) < 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"batch_size": 101}, "batch_size is 101, but data has 100 examples; choose at most 100"),
        ({"patience": 0}, "patience is 0"),
        ({"patience": 2, "validation": None}, "need validation examples"),
        ({"validation_loss": noisy_squares, "validation": None}, "need validation examples"),
        ({"validation": (np.zeros((3, 4)), np.full(3, np.nan))}, "validation holds 3 values that are NaN"),
        ({"validation": (np.zeros((3, 4)), np.zeros(2))}, r"validation has shapes \[\(3, 4\), \(2,\)\]"),
    ],
)
def test_refused_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        train(line(), **changes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.array([1.0, np.inf]), "data holds 1 values that are NaN or infinite"),
        (np.zeros((0, 3)), "first axes, the examples, are equal and not empty"),
        ((), "not empty"),
        (1.0, "not empty"),
        ((np.zeros(3), np.zeros(4)), r"data has shapes \[\(3,\), \(4,\)\]"),
    ],
)
def test_refused_data(data, message):
    with pytest.raises(ValueError, match=message):
        fit(Point(), distance, data, key=jax.random.key(0), epochs=1, batch_size=1, progress=False)


def test_a_loss_that_is_no_scalar():
    with pytest.raises(ValueError, match=r"The loss has shape \(4,\); expected a scalar. Return its mean"):
        fit(Point(), lambda m, b, k: (m.at[...] - b) ** 2, np.zeros(4), key=jax.random.key(0), epochs=1, batch_size=4)


def test_a_loss_that_becomes_nan_names_the_step_and_leaves_the_best_state():
    """The third epoch divides by zero at the one batch that holds example 7."""

    def fragile(model, batch, key):
        gone = jnp.any(batch == 7) & (model.at[0] > 2.5)
        return jnp.mean(model.at[...] * 0 - model.at[...]) + jnp.where(gone, jnp.nan, 0.0)

    data, key = np.arange(8, dtype=np.float32), jax.random.key(0)
    model = Point()
    arguments = {"key": key, "batch_size": 2, "optimizer": optax.sgd(0.25), "progress": False}
    with pytest.raises(NonFiniteLossError, match=r"(?s)loss is nan at epoch 3, step . of 4.*clip_by_global_norm") as e:
        fit(model, fragile, data, epochs=5, **arguments)
    order = np.asarray(epoch_order(key, 3, 8, 2)[0])
    step = int(np.flatnonzero((order == 7).any(axis=1))[0])
    assert f"step {step + 1} of 4 (examples {order[step][0]}, {order[step][1]}" in str(e.value)
    assert isinstance(e.value, ArithmeticError)
    assert model.at[...].tolist() == [2.0]


def test_a_parameter_that_becomes_infinite_in_the_last_step():
    def cliff(model, batch, key):
        return jnp.sqrt(model.at[0])  # at 0: the loss is 0, its derivative infinite

    model = Point()
    with pytest.raises(NonFiniteLossError, match="A parameter became NaN or infinite at epoch 1, in the last step"):
        fit(model, cliff, np.zeros(4), key=jax.random.key(0), epochs=3, batch_size=4, progress=False)
    assert model.at[...].tolist() == [0.0]


def test_a_validation_loss_that_is_infinite():
    def worse(model, batch, key):
        return 1 / (2.0 - jnp.round(model.at[0]))

    model = Point(0.0)
    steady = {"key": jax.random.key(0), "epochs": 5, "batch_size": 4, "optimizer": optax.sgd(0.5), "progress": False}
    with pytest.raises(NonFiniteLossError, match="The validation loss is inf after epoch 2"):
        fit(model, distance_of_one, np.zeros(4), validation=np.zeros(4), validation_loss=worse, **steady)
    assert model.at[...].tolist() == [1.0]


def distance_of_one(model, batch, key):
    """Its gradient is -2 everywhere: with rate 0.5 the parameter goes 1, 2, 3, …"""
    return -2 * model.at[0]


def test_history_prints_one_line_without_timings():
    def made(**changes):
        fields = {
            "train_loss": np.array([93.0, 91.204]), "validation_loss": np.array([95.0, 93.136]), "best_epoch": 2,
            "steps": 20, "seconds": 1.23, "compile_seconds": 4.56, "stopped": "finished",
        }  # fmt: skip
        return repr(History(**{**fields, **changes}))

    assert made() == "2 epochs (best: 2), train 91.20, validation 93.14 nats, finished"
    assert made(validation_loss=None, stopped="early") == "2 epochs (best: 2), train 91.20 nats, early"
    nothing = np.array([])
    assert made(train_loss=nothing, validation_loss=nothing, best_epoch=0, stopped="interrupted") == (
        "0 epochs (best: before training), interrupted"
    )


def test_the_history_counts_time_apart():
    history = train(line())
    assert history.seconds > 0
    assert history.compile_seconds > 0
    assert history.steps == 5 * (100 // 16)


def test_progress_bar_ticks_once_an_epoch_and_leaves_nothing(monkeypatch, capsys):
    from tqdm import tqdm

    shown = []

    class Recorded(tqdm):
        def update(self, n=1):
            shown.append((self.n, self.postfix, self.total, self.leave))
            return super().update(n)

    monkeypatch.setattr("course_lib.training.resumable.progress_bar", Recorded)
    history = train(line(), epochs=3, progress=True)
    expected = [
        f"train {a:.2f}, validation {b:.2f}" for a, b in zip(history.train_loss, history.validation_loss, strict=True)
    ]
    assert [(n, text) for n, text, _, _ in shown] == list(enumerate(expected))
    assert all(total == 3 and leave is False for _, _, total, leave in shown)
    assert capsys.readouterr().out == ""
    train(line(), epochs=1, progress=False)
    assert capsys.readouterr() == ("", "")


def test_values_that_the_loss_refuses_are_refused_before_training():
    """A compiled epoch cannot look at values, so `fit` shows the loss the most extreme examples first."""
    from course_lib.vae import Vae, negative_elbo

    images = np.zeros((64, 6), np.float32)
    vae = Vae(6, [4], 2, rngs=nnx.Rngs(0))
    assert fit(vae, negative_elbo, images, key=jax.random.key(0), epochs=1, batch_size=16, progress=False).steps == 4
    images[37, 2] = 255
    with pytest.raises(ValueError, match=r"from 0 to 255.*binarize"):
        fit(vae, negative_elbo, images, key=jax.random.key(0), epochs=1, batch_size=16, progress=False)
