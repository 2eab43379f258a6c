"""Training with a deadline, and MNIST files, on data that take no time."""

import time

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from benchmarks.density import mnist, networks
from benchmarks.density.data import Binary
from benchmarks.density.neural import log_prob, train
from benchmarks.density.run import Row, Run
from course_lib.autoregressive import Made, enumerate_binary, negative_log_likelihood
from tests.benchmarks.density.test_density import FAR, chain_data


@pytest.fixture(scope="module")
def chain():
    train_rows, valid, _ = chain_data()
    return Binary("chain", train_rows, valid, np.asarray(enumerate_binary(6), np.float32))


def fit(chain, deadline, **options):
    model = Made(6, (8,), rngs=nnx.Rngs(0))
    settings = {"epochs": 12, "batch_size": 50, "patience": 12, "average": 0.5, **options}
    course = train(
        model, networks.dropout_loss(0.0), chain.train, chain.valid, validation_loss=negative_log_likelihood,
        key=jax.random.key(0), deadline=deadline, **settings,
    )  # fmt: skip
    return model, course


def test_training_ends_in_the_state_that_validation_likes_best(chain):
    model, course = fit(chain, FAR, optimizer=optax.adam(0.03))
    assert course.epochs == 12
    assert not course.cut
    assert course.best == min(course.losses)
    assert -log_prob(model, chain.valid).mean() == pytest.approx(course.best, rel=1e-4)
    assert course.best < 3.5  # independent bits: 4.1


def test_a_passed_deadline_ends_training_at_once(chain):
    _, course = fit(chain, time.monotonic() - 1, optimizer=optax.adam(0.03))
    assert course.cut
    assert course.epochs == 0


def test_the_rate_follows_the_progress(chain):
    seen = []

    def rate(progress):
        seen.append(progress)
        return 0.03 * (1 - progress)

    fit(chain, FAR, optimizer=optax.inject_hyperparams(optax.adam)(learning_rate=0.03), rate=rate)
    np.testing.assert_allclose(seen, np.arange(1, 13) / 12, rtol=1e-6)


def test_the_best_candidate_is_a_density(chain):
    """With two candidates, one of which cannot learn."""
    run = Run(chain, 0, FAR)
    candidates = [{"hidden": 8, "rate": 0.0, "epochs": 2}, {"hidden": 8, "rate": 0.02, "epochs": 20}]
    row = networks.search(
        run, "made", candidates, lambda s: Made(6, (s["hidden"],), rngs=nnx.Rngs(0)), lambda s: networks.dropout_loss(0)
    )
    assert row.settings["rate"] == 0.02
    assert row.settings["settings_tried"] == 2
    assert len(row.members) == 2
    np.testing.assert_allclose(np.exp(np.asarray(row.test, float)).sum(), 1, rtol=1e-4)


def test_mnist_is_binarized_the_same_way_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALIDATION", 4)
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=images, x_test=images)
    one, two = mnist.load_mnist(path), mnist.load_mnist(path)
    assert one.train.shape == (6, 784)
    assert one.valid.shape == (4, 784)
    np.testing.assert_array_equal(one.test, two.test)
    assert set(np.unique(one.test)) == {0, 1}
    np.testing.assert_allclose(one.test.mean(), images.mean() / 255, atol=0.03)
    for bad, message in (({"x_train": images}, "lacks x_test"), ({"x_train": images, "x_test": images[0]}, "28, 28")):
        np.savez(path, **bad)
        with pytest.raises(ValueError, match=message):
            mnist.load_mnist(path)


def test_four_scans_share_the_time_and_are_mixed(chain, monkeypatch):
    orderings = mnist.scans()
    assert len({tuple(ordering) for ordering in orderings.values()}) == 4
    for ordering in orderings.values():
        np.testing.assert_array_equal(ordering[ordering], np.arange(784))
    assert list(orderings["columns"][:2]) == [0, 28]
    left = []

    def trained(run, name, model, settings, **_):
        left.append(run.left)
        np.testing.assert_array_equal(model.ordering[...], orderings[name.removeprefix("made by ")])
        log_p = np.full(3, -100.0 if name.endswith("columns") else -101.0)
        return Row(name, log_p, log_p, 10, 2)

    monkeypatch.setattr(mnist, "trained", trained)
    row = mnist.made_scans(Run(chain, 0, time.monotonic() + 400))
    assert left == pytest.approx([100, 100 + 100 / 3, 200, 400], abs=30)  # no time passes here: each leaves its rest
    assert row.parameters == 43
    assert row.epochs == 8
    assert -101 < row.test[0] <= -100 + 1e-9
