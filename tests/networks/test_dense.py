"""The dense and the masked network against their formulas."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.networks import MaskedNetwork, dense, made_degrees
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def linears(network):
    return [(np.asarray(p.kernel[...]), np.asarray(p.bias[...])) for p in network.layers if hasattr(p, "kernel")]


@pytest.mark.parametrize("activate_last", [False, True])
@pytest.mark.parametrize("sizes", [[4], [4, 3], [4, 6, 5, 2]])
def test_a_dense_network_is_layers_with_the_activation_between(sizes, activate_last):
    network = perturbed(dense(sizes, nnx.Rngs(0), activation=jnp.tanh, activate_last=activate_last), 0)
    h, layers = X, linears(network)
    assert [kernel.shape for kernel, _ in layers] == list(pairwise(sizes))
    for depth, (kernel, bias) in enumerate(layers, start=1):
        h = h @ kernel + bias
        h = np.tanh(h) if depth < len(layers) or activate_last else h
    np.testing.assert_allclose(network(X), h, **FLOAT32)


def test_a_network_that_starts_at_zero_gives_zero_and_learns():
    network = dense([4, 8, 3], nnx.Rngs(0), start_at_zero=True)
    assert not network(X).any()
    slopes = nnx.grad(lambda network: network(X).sum())(network)
    assert (np.asarray(slopes.layers[2].kernel[...]) != 0).all()


@pytest.mark.parametrize("direct", [False, True])
def test_a_masked_network_is_its_formula(direct):
    degrees = made_degrees(np.array([2, 0, 3, 1]), [6])
    options = {"direct": direct, "activation": jnp.tanh, "num_classes": 3, "num_context": 2}
    network = perturbed(MaskedNetwork(degrees, 2, **options, rngs=nnx.Rngs(0)), 0)
    label, context = jnp.array([0, 2, 1, 1, 0]), jax.random.normal(jax.random.key(1), (5, 2))
    first, last = network.layers
    masked = [np.asarray(layer.kernel[...] * layer.mask[...]) for layer in (first, last)]
    labels = [np.asarray(layer.label_kernel[...])[label] for layer in (first, last)]
    biases = [np.asarray(layer.bias[...]) for layer in (first, last)]
    h = np.tanh(X @ masked[0] + biases[0] + labels[0] + context @ np.asarray(network.context_kernel[...]))
    h = np.concatenate([h, X], axis=1) if direct else h
    expected = (h @ masked[1] + biases[1] + labels[1]).reshape(5, 4, 2)
    np.testing.assert_allclose(network(jnp.asarray(X), label, context), expected, **FLOAT32)
    slopes = jax.jacobian(lambda x: network(x, label[0], context[0]))(jnp.asarray(X[0]))
    position = np.argsort([2, 0, 3, 1])
    np.testing.assert_array_equal((slopes != 0).any(axis=1), position[None, :] < position[:, None])
