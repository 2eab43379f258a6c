"""A trained linear auto-encoder spans the subspace of principal component analysis, and nothing better exists."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from course_lib.autoencoders import LinearAutoencoder, squared_error_loss

D, K, N = 8, 3, 400
MOST_ANGLE = 1e-2  # radians


def data(mean):
    """Correlated data with clear gaps between eigenvalues, around `mean`."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(D, D)))[0]
    scales = np.array([2.0, 1.6, 1.3, 0.6, 0.5, 0.4, 0.3, 0.2])
    return (rng.normal(size=(N, D)) * scales @ rotation.T + mean).astype(np.float32)


def principal(x):
    """Leading K eigenvectors of the covariance, and the sum of the other eigenvalues (divisor n)."""
    values, vectors = np.linalg.eigh(np.cov(x.T.astype(np.float64), bias=True))
    return vectors[:, -K:], values[:-K].sum()


@pytest.fixture(scope="module")
def trained():
    x = data(mean=np.linspace(3, -2, D))
    model = LinearAutoencoder(D, K, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(model)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-2, 4000))

    def step(carry, _):
        params, state = carry
        grads = jax.grad(lambda p: squared_error_loss(nnx.merge(graphdef, p), x))(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.jit(lambda: jax.lax.scan(step, (params, optimizer.init(params)), length=4000))()
    return x, nnx.merge(graphdef, params)


def test_the_decoder_spans_the_principal_subspace(trained):
    x, model = trained
    v = np.asarray(model.v[...], dtype=np.float64)
    assert subspace_angles(v, principal(x)[0]).max() <= MOST_ANGLE
    assert subspace_angles(v, PCA(K).fit(x).components_.T).max() <= MOST_ANGLE


def test_the_encoder_spans_it_too(trained):
    """True where every pixel varies; a constant pixel would leave its weights as they began."""
    x, model = trained
    assert subspace_angles(np.asarray(model.w[...], dtype=np.float64).T, principal(x)[0]).max() <= 2 * MOST_ANGLE


def test_the_loss_is_the_sum_of_the_discarded_eigenvalues(trained):
    x, model = trained
    # Trained, not solved: an excess of one thousandth is left.
    np.testing.assert_allclose(squared_error_loss(model, x), principal(x)[1], rtol=1e-3)


def test_reconstructions_are_the_projections(trained):
    x, model = trained
    pca = PCA(K).fit(x)
    # An angle of 0.01 at lengths up to 6 moves a point by up to 0.06.
    np.testing.assert_allclose(model(x), pca.inverse_transform(pca.transform(x)), atol=6e-2)


def test_the_axes_are_not_those_of_pca(trained):
    """Same plane, other axes: the decoder's columns are neither orthogonal nor aligned with the eigenvectors."""
    x, model = trained
    v = np.asarray(model.v[...])
    v = v / np.linalg.norm(v, axis=0)
    cosines = np.abs(principal(x)[0].T @ v)
    assert cosines.max(axis=0).min() < 0.95


def test_the_check_fails_for_random_and_for_untrained_subspaces(trained):
    x, _ = trained
    random = np.linalg.qr(np.random.default_rng(1).normal(size=(D, K)))[0]
    assert subspace_angles(random, principal(x)[0]).max() > 0.5
    untrained = np.asarray(LinearAutoencoder(D, K, rngs=nnx.Rngs(0)).v[...])
    assert subspace_angles(untrained, principal(x)[0]).max() > 0.5


def test_the_check_fails_without_centring(trained):
    """The second moment about 0 has the mean as its leading direction: another subspace, and a larger error."""
    x, model = trained
    uncentred = np.linalg.svd(x, full_matrices=False)[2][:K].T
    assert subspace_angles(np.asarray(model.v[...]), uncentred).max() > 0.5
    assert ((x - x @ uncentred @ uncentred.T) ** 2).sum(axis=1).mean() > 1.2 * float(squared_error_loss(model, x))


def test_a_code_as_long_as_the_input_can_copy():
    model = LinearAutoencoder(D, D, rngs=nnx.Rngs(0))
    model.w[...] = model.v[...] = jnp.eye(D)
    assert squared_error_loss(model, data(0.0)) == 0
