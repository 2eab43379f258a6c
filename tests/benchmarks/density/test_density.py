"""The density benchmark: each model sums to 1, the choices see validation only, bad files are refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.density.__main__ import main
from benchmarks.density.classical import (
    bernoulli,
    bernoulli_mixture_log_prob,
    bernoulli_mixture_logits,
    chow_liu,
    fit_bernoulli_mixture,
    memory,
    mixtures,
    parzen,
)
from benchmarks.density.combine import (
    combine_logits,
    log_prob_of_logits,
    mixture_log_prob,
    mixture_weights,
    stacking_weights,
)
from benchmarks.density.data import Binary, load_binary
from benchmarks.density.logistic import everything, experts, fvsbn, fvsbn_orders
from benchmarks.density.run import Run
from course_lib.autoregressive import enumerate_binary
from tests.tolerances import FLOAT32

FAR = 1e9  # seconds of `time.monotonic`


def chain_data(seed=0, d=6, sizes=(300, 150, 150)):
    """Each bit copies the one before it with probability 0.9."""
    rng = np.random.default_rng(seed)
    flips = (rng.random((sum(sizes), d)) < 0.1).astype(int)
    flips[:, 0] = rng.random(sum(sizes)) < 0.4
    x = (flips.cumsum(axis=1) % 2).astype(np.float32)
    return np.split(x, np.cumsum(sizes)[:-1])


@pytest.fixture(scope="module")
def every_row():
    """Train and validation from a chain; as test set all 64 vectors, so that probabilities must sum to 1."""
    train, valid, _ = chain_data()
    return Binary("chain", train, valid, np.asarray(enumerate_binary(6), np.float32))


@pytest.fixture(scope="module")
def rows(every_row):
    run = Run(every_row, 0, FAR)
    recipes = [bernoulli, chow_liu, mixtures, parzen, fvsbn]
    run.rows = [recipe(run) for recipe in recipes]
    run.rows += [fvsbn_orders(run, most=3), experts(run, most=2)]
    run.rows.append(everything(run))
    return {row.model: row for row in run.rows}


def test_every_model_sums_to_one(rows):
    for name, row in rows.items():
        np.testing.assert_allclose(np.exp(np.asarray(row.test, float)).sum(), 1, rtol=1e-4, err_msg=name)
        for _, part in row.members or []:
            np.testing.assert_allclose(np.exp(np.asarray(part, float)).sum(), 1, rtol=1e-4, err_msg=name)


def test_models_that_can_see_the_chain_find_it(rows):
    entropy = 0.673 + 5 * 0.325
    for name in ("chow-liu", "fvsbn + L1", "experts, many orders", "mixture of all"):
        assert -rows[name].valid.mean() < entropy + 0.25, name
    assert -rows["bernoulli"].valid.mean() > entropy + 1
    assert rows["mixture of all"].valid.mean() >= max(row.valid.mean() for row in rows.values()) - 0.01


def test_the_test_rows_change_no_choice(every_row, rows):
    """Negative control of the protocol: other test rows, same validation scores and settings."""
    other = Run(Binary("chain", every_row.train, every_row.valid, every_row.test[:9]), 0, FAR)
    for recipe in (chow_liu, mixtures, fvsbn):
        row = recipe(other)
        assert row.settings == rows[row.model].settings
        np.testing.assert_array_equal(row.valid, rows[row.model].valid)


def test_mixture_logits_are_the_mixture():
    """In any ordering the conditionals multiply to the joint; averaged logits would not."""
    train = chain_data()[0]
    model = fit_bernoulli_mixture(train, 3, 0.5, jax.random.key(0))
    x = np.asarray(enumerate_binary(6))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(6)
        logits = np.asarray(bernoulli_mixture_logits(*model, x, jnp.asarray(order)))
        np.testing.assert_allclose(log_prob_of_logits(x, logits), bernoulli_mixture_log_prob(*model, x), **FLOAT32)


def test_memory_is_a_parzen_estimate():
    train = chain_data()[0]
    share, mean = memory(train, 0.2)
    x = np.asarray(enumerate_binary(6), np.float32)
    log_prob = np.asarray(bernoulli_mixture_log_prob(share, mean, x), float)
    by_hand = np.prod(np.where(x[:, None] == 1, mean[None], 1 - mean[None]), axis=2).mean(axis=1)
    np.testing.assert_allclose(np.exp(log_prob), by_hand, rtol=1e-4)


def test_mixture_weights_reach_the_best_simplex_point():
    rng = np.random.default_rng(0)
    log_probs = rng.normal(size=(2, 400)) - 3
    weights = mixture_weights(log_probs)
    grid = [mixture_log_prob(np.array([w, 1 - w]), log_probs).mean() for w in np.linspace(0, 1, 201)]
    assert mixture_log_prob(weights, log_probs).mean() > max(grid) - 1e-3
    np.testing.assert_allclose(weights.sum(), 1)


def test_stacking_never_loses_to_its_first_model():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(500, 4))
    x = (rng.random((500, 4)) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    logits = np.stack([0.3 * truth, rng.normal(size=truth.shape)])
    weights = stacking_weights(x, logits)
    assert weights == pytest.approx([1 / 0.3, 0], abs=0.8)
    better = log_prob_of_logits(x, combine_logits(weights, logits)).mean()
    assert better > log_prob_of_logits(x, logits[0]).mean()


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_bad_files_are_refused(tmp_path, capsys):
    ones = np.ones((4, 3), np.uint8)
    good = {"train": ones, "valid": ones, "test": ones}
    cases = {
        "lacks valid": {"train": ones, "test": ones},
        "differ in width": {**good, "test": np.ones((4, 2), np.uint8)},
        "neither 0 nor 1": {**good, "train": 3 * ones},
        "expected \\(rows, columns\\)": {**good, "valid": ones[0]},
        "dtype": {**good, "valid": np.full((2, 3), "a")},
    }
    for message, arrays in cases.items():
        with pytest.raises(ValueError, match=message):
            load_binary(write(tmp_path / "bad.npz", **arrays))
    with pytest.raises(ValueError, match="is no file"):
        load_binary(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no \.npz file"):
        load_binary(tmp_path / "text.npz")
    assert main([str(tmp_path / "text.npz")]) == 2
    assert "is no .npz file" in capsys.readouterr().err


def test_the_command_prints_a_table_and_json(tmp_path, capsys):
    train, valid, test = (x.astype(np.uint8) for x in chain_data(sizes=(120, 60, 60)))
    path = write(tmp_path / "chain.npz", train=train, valid=valid, test=test)
    lines = []
    for _ in range(2):
        models = ["bernoulli", "chow-liu", "fvsbn", "all"]
        args = [str(path), "--minutes", "1", "--json", str(tmp_path / "rows.json"), "--models", *models]
        assert main(args) == 0
        records = [json.loads(text) for text in (tmp_path / "rows.json").read_text(encoding="utf-8").splitlines()]
        lines.append([r["test_nll_nats"] for r in records])
        assert [r["model"] for r in records] == ["bernoulli", "chow-liu", "fvsbn + L1", "mixture of all"]
    assert lines[0] == lines[1]
    assert "test rows" in capsys.readouterr().out


def test_without_time_there_is_still_a_row(every_row):
    """The clock has run out before the recipe starts: it reports the least it can."""
    row = fvsbn_orders(Run(every_row, 0, 0.0), most=5)
    assert row.cut
    assert row.settings["orderings"] == 1
