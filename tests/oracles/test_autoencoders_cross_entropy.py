"""The cross-entropy loss against scipy's Bernoulli, optax and enumeration."""

import itertools

import numpy as np
import optax
from flax import nnx
from scipy.stats import bernoulli

from course_lib.autoencoders import DeepAutoencoder, SimpleAutoencoder, cross_entropy_loss
from tests.tolerances import FLOAT32

D = 6
X = np.random.default_rng(0).integers(0, 2, (9, D)).astype(np.float32)


def models():
    return [SimpleAutoencoder(D, 3, rngs=nnx.Rngs(1)), DeepAutoencoder(D, [8], 2, rngs=nnx.Rngs(2))]


def test_it_is_minus_the_log_probability_of_independent_bernoullis():
    for model in models():
        expected = -bernoulli(np.asarray(model(X), dtype=np.float64)).logpmf(X).sum(axis=1).mean()
        np.testing.assert_allclose(cross_entropy_loss(model, X), expected, **FLOAT32)


def test_it_agrees_with_optax():
    for model in models():
        logits = model.decode_logits(model.encode(X))
        expected = optax.sigmoid_binary_cross_entropy(logits, X).sum(axis=1).mean()
        np.testing.assert_allclose(cross_entropy_loss(model, X), expected, **FLOAT32)


def test_given_a_code_the_decoder_is_a_distribution_and_a_pixel_mean_is_not():
    """Σ_x exp(−loss(x | x̂)) = 1 over all binary images, at one reconstruction; dividing by the pixels breaks it."""

    class Fixed(SimpleAutoencoder):
        def encode(self, x):
            return np.broadcast_to(np.full(3, 0.7, dtype=np.float32), (len(x), 3))

    model = Fixed(D, 3, rngs=nnx.Rngs(1))
    losses = [float(cross_entropy_loss(model, np.array([x]))) for x in itertools.product([0.0, 1.0], repeat=D)]
    np.testing.assert_allclose(np.exp(-np.array(losses)).sum(), 1, **FLOAT32)
    assert np.exp(-np.array(losses) / D).sum() > 10
