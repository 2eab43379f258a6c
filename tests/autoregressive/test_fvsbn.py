"""FVSBN with an L1 penalty: the optimum is certified by its subgradient and by scikit-learn; it is a density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from course_lib.autoregressive import enumerate_binary
from course_lib.autoregressive.fvsbn import Fvsbn, fvsbn_path, soft_threshold
from course_lib.networks import allowed_dependencies
from tests.tolerances import FLOAT32

ORDER = np.array([3, 0, 5, 1, 4, 2])


@pytest.fixture(scope="module")
def bits():
    rng = np.random.default_rng(0)
    flips = rng.random((400, 6)) < 0.2
    return (flips.cumsum(axis=1) % 2).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(bits):
    return dict(fvsbn_path(bits, [0.3, 0.05, 0.01], ordering=ORDER, max_steps=3000))


def test_soft_threshold_is_the_minimizer():
    x, grid = jnp.array([-2.0, -0.3, 0.0, 0.7]), np.linspace(-3, 3, 6001)
    best = [grid[np.argmin((grid - value) ** 2 / 2 + 0.5 * np.abs(grid))] for value in np.asarray(x)]
    np.testing.assert_allclose(soft_threshold(x, 0.5), best, atol=1e-3)


def subgradient(model, x, penalty):
    """The largest violation of 0 ∈ ∂: |slope| ≤ λ s where W = 0, slope = −λ s sign(W) elsewhere, as a share of λ s."""
    error = np.asarray(jax.nn.sigmoid(model.conditional_logits(x))) - x
    scale, w = x.std(axis=0)[:, None], np.asarray(model.kernel[...])
    slope = (x - x.mean(axis=0)).T @ error / len(x) / (penalty * scale)
    off = np.where(w == 0, np.maximum(np.abs(slope) - 1, 0), np.abs(slope + np.sign(w)))
    return off[allowed_dependencies(model.ordering[...])].max()


def test_the_path_ends_at_optima(fitted, bits):
    for penalty, model in fitted.items():
        assert subgradient(model, bits, penalty) < 0.1
        assert (np.asarray(model.kernel[...])[~allowed_dependencies(ORDER)] == 0).all()
    wrong = next(iter(fitted.values()))
    assert subgradient(wrong, bits, 0.01) > 0.5  # the optimum for another penalty is none


def test_smaller_penalties_keep_more_connections(fitted):
    counts = [int((model.kernel[...] != 0).sum()) for model in fitted.values()]
    assert 0 < counts[0] <= counts[1] <= counts[2] < 15


def test_as_scikit_learn_fits_it(fitted, bits):
    """Pixel 2 comes last: a lasso on the five others, standardized."""
    z, penalty = (bits - bits.mean(axis=0)) / bits.std(axis=0), 0.01
    others = [0, 1, 3, 4, 5]
    model = LogisticRegression(l1_ratio=1, C=1 / (penalty * len(bits)), solver="saga", tol=1e-6, max_iter=5000)
    model.fit(z[:, others], bits[:, 2])
    ours = np.asarray(fitted[penalty].kernel[...])[others, 2] * bits.std(axis=0)[others]
    np.testing.assert_allclose(ours, model.coef_[0], atol=0.02)


def test_it_is_a_density_and_samples_from_it(fitted, bits):
    model = fitted[0.01]
    p = np.exp(np.asarray(model.log_prob(enumerate_binary(6)), float))
    np.testing.assert_allclose(p.sum(), 1, **FLOAT32)
    samples = np.asarray(model.sample(jax.random.key(0), (4000,)))
    np.testing.assert_allclose(samples.mean(axis=0), bits.mean(axis=0), atol=0.05)


def test_the_default_path_starts_with_no_connection(bits):
    penalty, model = next(iter(fvsbn_path(bits)))
    assert (model.kernel[...] == 0).all()
    np.testing.assert_allclose(jax.nn.sigmoid(model.bias[...]), (bits.sum(axis=0) + 0.5) / 401, rtol=1e-3)
    assert penalty > 0


def test_a_constant_pixel_stays_finite():
    x = np.zeros((30, 3), np.float32)
    for _, model in fvsbn_path(x, [0.1, 0.001]):
        assert np.isfinite(model.log_prob(np.ones((1, 3)))).all()


def test_bad_data_are_refused(bits):
    with pytest.raises(ValueError, match=r"expected \(n, d\)"):
        next(fvsbn_path(bits[0]))
    with pytest.raises(ValueError, match="0 and 1 only"):
        next(fvsbn_path(bits + 1))
    with pytest.raises(ValueError, match="a penalty"):
        next(fvsbn_path(bits, [-1.0]))
    with pytest.raises(ValueError, match="permutation"):
        Fvsbn(3, ordering=[0, 0, 1])
