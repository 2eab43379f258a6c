"""NADE and MADE against slow numpy programs written from the papers, and the chain rule against loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.autoregressive import (
    Made,
    Nade,
    chain_rule_log_prob,
    ensemble_log_prob,
    enumerate_binary,
    exact_conditionals,
    sample_in_order,
)
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32, FLOAT64

ORDERINGS = [np.arange(7), np.arange(7)[::-1], np.array([3, 0, 6, 1, 5, 2, 4])]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def nade_by_definition(x, kernel, hidden_bias, output_kernel, output_bias, ordering):
    """O(D²H), each hidden layer from the start: h_d = σ(W_{:,o_<d} x_{o_<d} + c), p_{o_d} = σ(V_{o_d,:} h_d + b)."""
    p = np.zeros(len(x))
    for d, pixel in enumerate(ordering):
        before = ordering[:d]
        h = sigmoid(np.array([sum(kernel[j, k] * x[j] for j in before) for k in range(len(hidden_bias))]) + hidden_bias)
        p[pixel] = sigmoid(sum(output_kernel[pixel, k, 0] * h[k] for k in range(len(h))) + output_bias[pixel, 0])
    return p


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_nade_is_the_definition(ordering):
    model = perturbed(Nade(7, 5, ordering=ordering, rngs=nnx.Rngs(0)), 0)
    weights = [
        np.asarray(p[...], float) for p in (model.kernel, model.hidden_bias, model.output_kernel, model.output_bias)
    ]
    for x in np.asarray(enumerate_binary(7))[::13]:
        p = nade_by_definition(x, *weights, ordering)
        np.testing.assert_allclose(jax.nn.sigmoid(model.conditional_logits(x)), p, **FLOAT32)
        np.testing.assert_allclose(model.log_prob(x), np.log(np.where(x == 1, p, 1 - p)).sum(), **FLOAT32)


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_nade_samples_are_those_of_the_general_sampler(ordering):
    """The incremental recursion and D full passes draw the same bits from the same key."""
    model = perturbed(Nade(7, 5, ordering=ordering, rngs=nnx.Rngs(0)), 1)
    slow = sample_in_order(model.conditional_logits, model.ordering[...], jax.random.key(3), 50)
    np.testing.assert_array_equal(model.sample(jax.random.key(3), (50,)), slow)


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("hidden_sizes", [(), (4,), (11, 6)])
def test_made_is_a_network_with_connections_removed_one_by_one(ordering, hidden_sizes):
    model = perturbed(Made(7, hidden_sizes, ordering=ordering, mask_key=jax.random.key(2), rngs=nnx.Rngs(0)), 2)
    position = {int(pixel): d + 1 for d, pixel in enumerate(ordering)}
    for x in np.asarray(enumerate_binary(7))[::13]:
        units, degrees = np.asarray(x, float), [position[i] for i in range(7)]
        for depth, layer in enumerate(model.layers):
            last = depth == len(hidden_sizes)
            kernel, bias, mask = (np.asarray(v[...], float) for v in (layer.kernel, layer.bias, layer.mask))
            # The degree of a hidden unit is read off its mask: the largest degree among the units it listens to.
            after = (
                [position[i] for i in range(7)]
                if last
                else [max(m for j, m in enumerate(degrees) if mask[j, k]) for k in range(len(bias))]
            )
            a = bias.copy()
            for j, k in itertools.product(range(len(units)), range(len(bias))):
                if degrees[j] < after[k] if last else degrees[j] <= after[k]:
                    a[k] += kernel[j, k] * units[j]
            units, degrees = a if last else np.maximum(a, 0), after
        np.testing.assert_allclose(model.conditional_logits(x), units, rtol=1e-5, atol=5e-6)  # two layers of sums


@pytest.mark.parametrize("ordering", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_exact_conditionals_against_loops(ordering):
    joint = np.random.default_rng(0).dirichlet(np.ones(16)).astype(np.float32)
    joint[[3, 8]] = 0.0
    x = np.asarray(enumerate_binary(4))
    exact = np.asarray(exact_conditionals(joint, np.array(ordering)))
    for i, t in itertools.product(range(16), range(4)):
        same_past = (x[:, ordering[:t]] == x[i, ordering[:t]]).all(axis=1)
        same = same_past & (x[:, ordering[t]] == x[i, ordering[t]])
        np.testing.assert_allclose(exact[i, ordering[t]], joint[same].sum() / joint[same_past].sum(), **FLOAT32)
    np.testing.assert_allclose(exact.prod(axis=1), joint / joint.sum(), **FLOAT32)


def test_enumeration_counts_in_binary():
    rows = [[int(c) for c in f"{i:05b}"] for i in range(32)]
    np.testing.assert_array_equal(enumerate_binary(5), rows)


def test_chain_rule_against_products():
    rng = np.random.default_rng(1)
    x, p = rng.integers(0, 2, (6, 4)), rng.uniform(0.1, 0.9, (6, 4)).astype(np.float32)
    expected = np.log(np.where(x == 1, p, 1 - p).prod(axis=1))
    np.testing.assert_allclose(chain_rule_log_prob(x, jnp.log(p / (1 - p))), expected, **FLOAT32)


def test_ensemble_against_float64():
    log_ps = np.random.default_rng(2).normal(-20, 3, (5, 8)).astype(np.float32)
    expected = np.log(np.exp(log_ps.astype(float)).mean(axis=0))
    np.testing.assert_allclose(ensemble_log_prob(log_ps), expected, **FLOAT32)
    np.testing.assert_allclose(ensemble_log_prob(log_ps.T, axis=1), expected, **FLOAT32)
    np.testing.assert_allclose(ensemble_log_prob(jnp.full((3, 1), -1000.0)), -1000.0, **FLOAT64)


def test_the_copy_distribution_gets_mass_two_when_logits_are_averaged():
    """p(x_0) = 1/2, x_1 = x_0. Either ordering states it exactly; their average logit puts 1 on each of 00 and 11."""
    x, large = enumerate_binary(2), 200.0
    copy = large * (2 * x - 1)
    first = jnp.stack([jnp.zeros(4), copy[:, 0]], axis=1)
    second = jnp.stack([copy[:, 1], jnp.zeros(4)], axis=1)
    right = ensemble_log_prob(jnp.stack([chain_rule_log_prob(x, first), chain_rule_log_prob(x, second)]))
    wrong = chain_rule_log_prob(x, (first + second) / 2)
    np.testing.assert_allclose(jnp.exp(right), [0.5, 0, 0, 0.5], **FLOAT32)
    np.testing.assert_allclose(jnp.exp(wrong), [1, 0, 0, 1], **FLOAT32)
