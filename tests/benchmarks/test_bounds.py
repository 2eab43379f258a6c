"""The benchmark of the bounds: its command line, a run that is stopped and goes on, and what it reports."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.flatten_util import ravel_pytree

from benchmarks import bounds
from course_lib.vae import Vae, negative_elbo, negative_iwae

TINY = bounds.Recipe(((0.3, 0), (0.6, 1), (1.0, 3)), epochs=3, share=1, hidden=(4,), num_latents=2, batch_size=10)


@pytest.fixture
def mnist(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for name, n in [("x_train", 20), ("x_test", 7)]}
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path / "mnist.npz"


@pytest.mark.parametrize("given", [["--minutes", "0"], ["--samples", "1"], ["--models", "gan"], ["--test-images", "0"]])
def test_what_cannot_be_run_is_refused(given):
    with pytest.raises(SystemExit):
        bounds.arguments(["--mnist", "mnist.npz", *given])


def test_a_run_reports_one_json_line_and_goes_on_from_its_folder(mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bounds, "RECIPES", {"vae": TINY})
    given = ["--mnist", str(mnist), "--samples", "5", "--test-images", "6", "--checkpoint", str(tmp_path / "runs")]
    records = []
    for _ in range(2):
        assert bounds.main(given) == 0
        records.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    first, second = records
    assert first["epochs"] == 3
    assert not first["cut_by_clock"]
    assert first["test_images"] == 6
    assert first["parameters"] == 784 * 4 + 4 + 2 * (4 * 2 + 2) + 2 * 4 + 4 + 4 * 784 + 784
    assert {k: first[k] for k in ("test_nll_nats", "epochs", "seconds")} == {
        k: second[k] for k in ("test_nll_nats", "epochs", "seconds")
    }
    monkeypatch.setattr(bounds, "RECIPES", {"vae": dataclasses.replace(TINY, rate=0.1)})
    with pytest.raises(ValueError, match="another recipe"):
        bounds.main(given)


SMALL, STATE = nnx.split(Vae(6, [4], 2, rngs=nnx.Rngs(1)))
PARAMS = nnx.as_pure(STATE)
BITS = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 1]], np.float32)


def mean(function, seed):
    """(mean, standard error) over 20,000 keys of all numbers that `function(key)` returns, in one vector."""
    keys = jax.random.split(jax.random.key(seed), 20_000)
    each = jax.jit(jax.vmap(lambda key: ravel_pytree(function(key))[0]))(keys)
    return np.asarray(each.mean(axis=0)), np.asarray(each.std(axis=0)) / len(keys) ** 0.5


def of_draws(key, chosen=2, held=True):
    noise, weights, _ = bounds.weighted_draws(nnx.merge(SMALL, PARAMS), BITS, key, 5, chosen)
    weights = weights if held else jnp.ones_like(weights)
    return jax.grad(lambda params: bounds.surrogate(nnx.merge(SMALL, params), BITS, noise, weights))(PARAMS)


def of_bound(key):
    return jax.grad(lambda params: negative_iwae(nnx.merge(SMALL, params), BITS, key, 5))(PARAMS)


@pytest.mark.parametrize("chosen", [1, 2, 5])
def test_the_gradient_through_few_draws_is_that_of_the_bound_on_average(chosen):
    (ours, our_error), (exact, error) = mean(lambda key: of_draws(key, chosen), chosen), mean(of_bound, 0)
    assert (np.abs(ours - exact) < 5 * np.hypot(our_error, error) + 1e-6).all()


def test_for_one_draw_it_is_the_bound_with_its_gradient():
    """The value is −L at the draw. Value and gradient have the means of those with the closed KL."""

    def ours(key):
        noise, one = jax.random.normal(key, (1, *BITS.shape[:1], 2)), jnp.ones((1, len(BITS)))
        loss = lambda params: bounds.surrogate(nnx.merge(SMALL, params), BITS, noise, one)  # noqa: E731
        return jax.value_and_grad(loss)(PARAMS)

    def closed_form(key):
        return jax.value_and_grad(lambda params: negative_elbo(nnx.merge(SMALL, params), BITS, key))(PARAMS)

    (got, our_error), (exact, error) = mean(ours, 1), mean(closed_form, 2)
    assert (np.abs(got - exact) < 5 * np.hypot(our_error, error) + 1e-6).all()


def test_without_the_second_weight_it_is_another_gradient():
    """Negative control: draws chosen by their weights, but the encoder's share not weighted once more."""
    (wrong, our_error), (exact, error) = mean(lambda key: of_draws(key, held=False), 1), mean(of_bound, 0)
    assert (np.abs(wrong - exact) > 10 * np.hypot(our_error, error) + 1e-6).any()


def test_the_bound_it_reports_is_the_bound():
    model = nnx.merge(SMALL, PARAMS)
    ours, our_error = mean(lambda key: bounds.weighted_draws(model, BITS, key, 5, 1)[2], 1)
    exact, error = mean(lambda key: negative_iwae(model, BITS, key, 5), 2)
    assert abs(ours - exact) < 5 * np.hypot(our_error, error)
